"""The groups' gate alone: CPU time per admitted job, of Python and of the server.

    taskset -c 0 python benchmarks/group_gate.py [--jobs N]

`at once` is how many jobs ask and give back together, as a worker's batches do. The cost of asyncio
running the bare jobs is measured in the same run and taken off.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits

#: (groups, jobs at once)
CASES = [(1000, 1), (1000, 5), (1000, 16), (1000, 64), (1000, 256), (8, 64)]


async def server_cpu(redis: Redis) -> float:
    info = await redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def in_batches(job: Callable[[int], Awaitable[None]], jobs: int, at_once: int) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    for first in range(0, jobs, at_once):
        await asyncio.gather(*(job(number) for number in range(first, first + at_once)))
    return time.process_time() - began


async def measure(redis: Redis, groups: int, at_once: int, jobs: int) -> tuple[float, float]:
    """CPU microseconds per job: Python's, the server's."""
    gate, limits = GroupGate(redis, f"bench-{groups}-{at_once}:"), GroupLimits(concurrent=8)

    async def admitted(number: int) -> None:
        answer = await gate.acquire(f"https://host{number % groups}.example", limits)
        await asyncio.sleep(0)
        if isinstance(answer, Granted):
            gate.release(answer, "ok")

    async def bare(_: int) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    await in_batches(admitted, jobs // 4, at_once)
    without = await in_batches(bare, jobs, at_once)
    before = await server_cpu(redis)
    python = await in_batches(admitted, jobs, at_once) - without
    server = await server_cpu(redis) - before
    await gate.close()
    return python / jobs * 1e6, server / jobs * 1e6


async def main(jobs: int) -> None:
    print(f"{'groups':>7} {'at once':>8} {'python µs':>10} {'server µs':>10} {'both µs':>8}")
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as server:
            redis = connect(server.url)
            for groups, at_once in CASES:
                count = jobs // (10 if at_once == 1 else 1)
                python, valkey = await measure(redis, groups, at_once, count)
                print(f"{groups:7} {at_once:8} {python:10.1f} {valkey:10.1f} {python + valkey:8.1f}")
            await redis.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=20_480)
    uvloop.run(main(parser.parse_args().jobs))
