"""What a page costs in each part of the stack as workers are added: workers, Valkey, PostgreSQL.

    python -m benchmarks.workers [--pages 2000] [--pin] [--database-url postgresql://…] 1 2 4

The workers are processes of their own on one queue and one store, the pages simulated ones of 200 KB. Time
of the clock means little where cores are shared; CPU per page is what scaling is reckoned from. With `--pin`
each worker has a core (Linux), from the last one on, and all else those that are left, or shares all.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from mediascrape import Settings
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import running_origin
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.service import Mediascrape


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def begun(arguments: list[str], environment: dict[str, str], core: int | None) -> subprocess.Popen[bytes]:
    command = [] if core is None else ["taskset", "--cpu-list", str(core)]
    command += [sys.executable, "-m", "mediascrape", "worker", *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def valkey_of(directory: Path) -> psutil.Process:
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or [""]
        if "valkey-server" in line[0] and str(directory) in " ".join(line):
            return process
    raise RuntimeError("no server runs")


async def postgresql_of(url: str | None) -> list[psutil.Process]:
    """All processes of the database's server."""
    if url is None:
        return []
    import asyncpg  # type: ignore[import-untyped]

    db = await asyncpg.connect(url)
    head = await db.fetchval("SELECT pg_read_file('postmaster.pid')")
    await db.close()
    postmaster = psutil.Process(int(head.split()[0]))
    return [postmaster, *postmaster.children()]


async def cores_for(count: int, database_url: str | None) -> list[int]:
    """A core for each worker; this process, what it starts and the database go to the others."""
    cores = list(range(os.cpu_count() or 1))
    own = [cores[-1 - number % len(cores)] for number in range(count)]
    for process in (psutil.Process(), *await postgresql_of(database_url)):
        process.cpu_affinity([core for core in cores if core not in own] or cores)
    return own


async def run(count: int, pages: int, database_url: str | None, round_: int, *, pin: bool) -> None:
    cores = await cores_for(count, database_url) if pin else [None] * count
    environment = dict(os.environ) | {"MEDIASCRAPE_ALLOW_NETWORKS": "127.0.0.0/8"}
    if database_url:
        environment["DATABASE_URL"] = database_url
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        data = Path(place)
        options = OriginOptions(hosts=64, pages=64, mean_size=200_000, latency="0.1")
        async with (
            running_origin(options) as origin,
            EmbeddedValkey(data / "valkey") as valkey,
            Mediascrape(
                Settings.load(data_dir=data, redis_url=valkey.url, database_url=database_url), worker=False
            ) as service,
        ):
            await service.submit(origin.urls(pages, start=round_ * pages))
            server, site = valkey_of(data / "valkey"), psutil.Process(origin.pid)
            before = cpu(server), sum(map(cpu, await postgresql_of(database_url))), cpu(site)
            arguments = ["--data-dir", place, "--redis-url", valkey.url, "-c", "100"]
            started = time.perf_counter()
            workers = [
                psutil.Process(stack.enter_context(begun(arguments, environment, core)).pid) for core in cores
            ]
            idle: list[float] = []
            while sum((await service.queue.counts()).values()):
                if not idle and (await service.queue.counts())["active"]:
                    idle = [cpu(worker) for worker in workers]  # what starting took
                    started = time.perf_counter()
                await asyncio.sleep(0.05)
            wall = time.perf_counter() - started
            spent = sum(cpu(worker) for worker in workers) - sum(idle)
            print(
                f"{count} workers: {pages / wall:6.0f} pages/s here; CPU a page:"
                f" workers {spent / pages * 1e3:.2f} ms, Valkey {(cpu(server) - before[0]) / pages * 1e3:.2f} ms,"
                f" PostgreSQL {(sum(map(cpu, await postgresql_of(database_url))) - before[1]) / pages * 1e3:.2f} ms,"
                f" the pages' origin {(cpu(site) - before[2]) / pages * 1e3:.2f} ms",
                flush=True,
            )
            for worker in workers:
                worker.terminate()


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workers", nargs="+", type=int)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--database-url")
    parser.add_argument("--pin", action="store_true", help="a core for each worker")
    options = parser.parse_args()
    for round_, count in enumerate(options.workers):
        await run(count, options.pages, options.database_url, round_, pin=options.pin)


if __name__ == "__main__":
    asyncio.run(main())
