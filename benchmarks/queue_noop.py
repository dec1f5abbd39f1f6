"""The queue alone: jobs that do nothing, one worker, the server on the same core.

    python benchmarks/queue_noop.py [--jobs N] [--concurrency 50,500,5000] [--waiting 1000,100000]

Prints jobs per second of adding and of processing, and where the CPU time went (Python and server
apart). `--waiting` has that many more jobs wait in the queue meanwhile, to show that the cost of a
job does not depend on them, and tells how much memory each of them takes in the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from mediascrape.queue.adding import BATCH
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import Backoff, Job, JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker

OPTIONS = JobOptions(
    attempts=2,
    backoff=Backoff("exponential", 2000, 0.5),
    remove_on_complete=Retention(0),
    remove_on_fail=Retention(10_000, 604_800),
)


@dataclass(slots=True)
class Row:
    what: str
    concurrency: int
    waiting: int
    jobs: int
    per_second: float
    python_us: float
    server_us: float
    jobs_per_round_trip: float
    #: Bytes of the server's memory for each job that waits; 0 where none does.
    bytes_waiting: float = 0.0


async def used_memory(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory"])


async def server_cpu(redis: Redis) -> float:
    """Seconds of CPU the server has used."""
    info = await redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


class Stopwatch:
    """Wall and CPU time of both processes."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def start(self) -> None:
        self._server = await server_cpu(self._redis)
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    async def row(self, what: str, concurrency: int, waiting: int, jobs: int, trips: float) -> Row:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        server = await server_cpu(self._redis) - self._server
        return Row(
            what, concurrency, waiting, jobs, round(jobs / wall), round(cpu / jobs * 1e6, 1),
            round(server / jobs * 1e6, 1), round(trips, 1),
        )  # fmt: skip


def new_job(n: int) -> NewJob:
    url = f"https://host{n % 100}.example.org/gallery/page-{n}.html"
    return NewJob("scrape-page", {"url": url, "batch": "b" * 32}, OPTIONS, f"{n:024x}")


async def add(redis: Redis, first: int, count: int, waiting: int) -> Row:
    """Adds `count` jobs, made as they are added."""
    queue = Queue(redis, defaults=OPTIONS)
    await queue.open()
    watch = Stopwatch(redis)
    before = await used_memory(redis)
    await watch.start()
    await queue.add_many(new_job(n) for n in range(first, first + count))
    row = await watch.row("add", 1, waiting, count, BATCH)
    row.bytes_waiting = round((await used_memory(redis) - before) / count)
    await queue.aclose()
    return row


async def process(redis: Redis, concurrency: int, count: int, waiting: int) -> Row:
    """Processes `count` of the jobs there are."""
    done = 0
    finished = asyncio.Event()

    async def noop(_job: Job, _context: JobContext) -> None:
        nonlocal done
        done += 1
        if done == count:
            finished.set()

    worker = Worker(redis, "media-scrape", noop, WorkerOptions(concurrency=concurrency))
    watch = Stopwatch(redis)
    await watch.start()
    await worker.start()
    await finished.wait()
    row = await watch.row(
        "process", concurrency, waiting, count, worker.counters.claimed / max(worker.counters.round_trips, 1)
    )
    await worker.close()
    return row


async def run(options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as valkey:
            redis = connect(valkey.url)
            if options.fsync == "none":
                await redis.config_set("appendonly", "no")
            else:
                await redis.config_set("appendfsync", options.fsync)
            await redis.config_set("hash-max-listpack-value", options.listpack)
            added = there = 0
            for waiting in sorted(options.waiting):
                if waiting > there:
                    rows.append(await add(redis, added, waiting - there, there))
                    added, there = added + waiting - there, waiting
                for concurrency in options.concurrency:
                    rows.append(await add(redis, added, options.jobs, waiting))
                    rows.append(await process(redis, concurrency, options.jobs, waiting))
                    added += options.jobs
            await redis.aclose()
    return rows


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--concurrency", type=numbers, default=[50, 500, 5000])
    parser.add_argument("--waiting", type=numbers, default=[0])
    parser.add_argument("--listpack", type=int, default=1024, help="the server's hash-max-listpack-value")
    parser.add_argument(
        "--fsync",
        choices=["none", "everysec", "always"],
        default="everysec",
        help="none: no append-only file",
    )
    parser.add_argument("--cpu", type=int, default=0, help="the core that everything shares")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    rows = uvloop.run(run(options))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    print("what     concurrency  waiting    jobs   jobs/s  python us  server us  jobs/trip  bytes/job")
    for row in rows:
        print(
            f"{row.what:8} {row.concurrency:11} {row.waiting:8} {row.jobs:7} {row.per_second:8.0f}"
            f" {row.python_us:10} {row.server_us:10} {row.jobs_per_round_trip:10}"
            f" {row.bytes_waiting or '':>10}"
        )


if __name__ == "__main__":
    main()
