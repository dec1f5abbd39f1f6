"""Whether memory stays flat: many small pages through the whole stack, and its processes' memory at each step.

    python -m benchmarks.flat_memory [--pages 100000] [--step 10000] [--concurrency 200]

Resident memory in MB of the process that scrapes and of its embedded Valkey. Flat means that the last rows do
not grow: the first ones hold caches that fill (robots.txt, media known to the store) and the heap that Python
and the C library keep.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import uvloop

from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import RunningOrigin, running_origin
from mediascrape.parts import companions
from mediascrape.service import Mediascrape
from mediascrape.settings import Settings


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flat_memory", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--step", type=int, default=10_000, help="pages between two looks")
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--mean-size", type=int, default=3000, help="bytes of a page")
    return parser.parse_args()


def resident(settings: Settings) -> Iterator[int]:
    for pid in (os.getpid(), *companions(settings)):
        yield psutil.Process(pid).memory_info().rss >> 20


async def scrape(arguments: argparse.Namespace, settings: Settings, origin: RunningOrigin) -> None:
    print(f"{'pages':>8} {'worker':>7} {'Valkey':>7} {'tasks':>8} {'pages/s':>8}", flush=True)
    async with Mediascrape(settings) as service:
        for start in range(0, arguments.pages, arguments.step):
            began = time.monotonic()
            submission = await service.submit(origin.urls(arguments.step, start=start))
            progress = await service.wait(submission)
            if progress.done != arguments.step:
                print(f"{progress.failed} failed, {progress.missing} missing")
            rate = arguments.step / (time.monotonic() - began)
            worker, server = resident(settings)
            tasks = len(asyncio.all_tasks())
            print(f"{start + arguments.step:>8} {worker:>7} {server:>7} {tasks:>8} {rate:>8.0f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"the worker's peak: {peak} MB")


async def main(arguments: argparse.Namespace) -> None:
    options = OriginOptions(hosts=64, mean_size=arguments.mean_size)
    async with running_origin(options) as origin:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings.load(
                data_dir=Path(folder), concurrency=arguments.concurrency, allow_networks="127.0.0.0/8",
                log_level="error",
            )  # fmt: skip
            await scrape(arguments, settings, origin)


if __name__ == "__main__":
    uvloop.run(main(parse()))
