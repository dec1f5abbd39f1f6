"""Real processes, killed without warning: nothing submitted is lost, and every job ends once in the store."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from chaos.victim import start_worker
from command_line import CommandLine
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import RunningOrigin, running_origin
from mediascrape.queue.embedded import EmbeddedValkey

PAGES = 400
KILLS = 50
QUICK = {
    "MEDIASCRAPE_LOCK_DURATION_MS": "1000",
    "MEDIASCRAPE_STALLED_INTERVAL_MS": "500",
    # However often a worker dies, it is not the page's fault here.
    "MEDIASCRAPE_MAX_STALLED_COUNT": "1000",
    "MEDIASCRAPE_HOST_CONCURRENCY": "64",
}


async def ended(mediascrape: CommandLine) -> tuple[int, int]:
    """Scrapes in the store that ended well, and jobs still in the queue."""
    look = json.loads((await mediascrape.run("monitor", "--json")).out)
    left = sum(look["queue"][state] for state in ("waiting", "active", "delayed", "prioritized", "failed"))
    return look["scrapes"]["ok"], left


async def finish(mediascrape: CommandLine) -> None:
    with mediascrape.start("worker", "-c", "50", **QUICK) as process:
        try:
            async with asyncio.timeout(240):
                while await ended(mediascrape) != (PAGES, 0):
                    await asyncio.sleep(0.5)
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.communicate, None, 30)
    assert process.returncode in (0, 130)


async def requests_made(origin: RunningOrigin) -> Counter[str]:
    stats = await origin.stats(paths=True)
    return Counter({path: count for path, count in stats["paths"].items() if "/p/" in path})


def report(name: str, made: Counter[str]) -> None:
    again = made.total() - len(made)
    print(f"{name}: {PAGES} jobs, 0 lost, {again} pages fetched more than once")


async def check(mediascrape: CommandLine, origin: RunningOrigin, urls: list[str], name: str) -> None:
    exported = await mediascrape.run("media", "export")
    assert {record["page_url"] for record in exported.lines()} <= set(urls)
    assert await ended(mediascrape) == (PAGES, 0)
    made = await requests_made(origin)
    assert len(made) == PAGES
    report(name, made)


@pytest.mark.slow
async def test_a_worker_killed_at_fifty_random_moments_loses_nothing(mediascrape: CommandLine) -> None:
    rng = random.Random(1)
    data = mediascrape.directory / "data"
    async with running_origin(OriginOptions(hosts=16, pages=16, mean_size=30_000, latency="0.1")) as origin:
        urls = origin.urls(PAGES)
        async with EmbeddedValkey(data):  # held, so that it is not started anew for each
            submitted = await mediascrape.run("submit", "--file", "-", stdin="\n".join(urls))
            assert f"{PAGES} queued" in submitted.out
            for _ in range(KILLS):
                victim = start_worker(
                    data_dir=data, concurrency=3, allow_networks=("127.0.0.0/8",), log_level="error",
                    lock_duration_ms=1000, stalled_interval_ms=500, max_stalled_count=1000,
                )  # fmt: skip
                await asyncio.sleep(rng.uniform(0.0, 0.7))
                victim.kill()
                await asyncio.to_thread(victim.join)
                assert victim.exitcode == -signal.SIGKILL
            before = await requests_made(origin)
            await finish(mediascrape)
        await check(mediascrape, origin, urls, f"worker killed {KILLS} times")
        made = await requests_made(origin)
        assert 0 < len(before) < PAGES, "the kills fell before the work or after it"
        assert made.total() > PAGES, "no kill fell into a job"


@pytest.mark.slow
async def test_the_queue_s_server_killed_under_the_worker_loses_nothing(mediascrape: CommandLine) -> None:
    async with running_origin(OriginOptions(hosts=16, pages=16, mean_size=30_000, latency="0.2")) as origin:
        urls = origin.urls(PAGES)
        # Held all the time, so that the server is restarted and not merely started anew.
        with mediascrape.start("worker", "-c", "20", **QUICK) as process:
            await mediascrape.run("submit", "--file", "-", stdin="\n".join(urls))
            await asyncio.sleep(1.5)  # what the append-only file syncs each second is on the disk
            for _ in range(3):
                server_of(mediascrape.directory / "data").kill()
                await asyncio.sleep(1.5)
            assert process.poll() is None, "the worker must live on"
            async with asyncio.timeout(240):
                while (await ended(mediascrape))[0] < PAGES:
                    await asyncio.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.communicate, None, 30)
        await check(mediascrape, origin, urls, "Valkey killed 3 times")


def server_of(data: Path) -> psutil.Process:
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or [""]
        if "valkey-server" in line[0] and str(data) in " ".join(line):
            return process
    raise AssertionError("no server runs")


async def test_sigterm_hands_back_what_is_in_flight_at_once(mediascrape: CommandLine) -> None:
    async with running_origin(OriginOptions(hosts=4, pages=4, mean_size=10_000, latency="4")) as origin:
        await mediascrape.run("submit", *origin.urls(8))
        with mediascrape.start("worker", "-c", "8", MEDIASCRAPE_SHUTDOWN_GRACE_S="0.2") as process:
            async with asyncio.timeout(20):
                while (await counts(mediascrape))["active"] < 8:
                    await asyncio.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.to_thread(process.communicate, None, 20)
        assert process.returncode == 130, err
        left = await counts(mediascrape)
        assert (left["active"], left["waiting"]) == (0, 8)
        jobs = await mediascrape.run("jobs", "list", "--json")
        assert {job["attempts_made"] for job in jobs.lines()} == {0}


async def counts(mediascrape: CommandLine) -> dict[str, int]:
    found: dict[str, int] = json.loads((await mediascrape.run("queue", "counts", "--json")).out)
    return found
