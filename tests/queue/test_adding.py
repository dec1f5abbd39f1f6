from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.adding import JobIds
from mediascrape.queue.job import Job, NewJob, Retention
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker


@given(
    st.lists(st.integers(1_700_000_000_000, 1_700_000_000_005), min_size=1, max_size=50),
    st.sampled_from([0, 2**19 - 1, 2**20 - 1]),
)
def test_ids_never_repeat_nor_sort_backwards_whatever_the_clock_does(clock: list[int], low: int) -> None:
    """`low` is where the counter starts, also just before it overflows."""
    ids = JobIds(lambda bits: min(low, 2**bits - 1) if low < 2**20 - 1 else 2**20 - 1)
    made = [ids.next(now) for now in clock for _ in range(3)]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {19}
    assert not any(one.isdecimal() or ":" in one for one in made)


def test_ids_of_two_producers_of_one_millisecond_differ() -> None:
    first, second = JobIds(), JobIds()
    assert not {first.next(1) for _ in range(1000)} & {second.next(1) for _ in range(1000)}


async def nothing(_job: Job, _context: JobContext) -> None:
    return None


async def test_a_full_queue_refuses_adds_and_goes_on_working(
    redis: Redis, until: Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]
) -> None:
    used = int((await redis.info("memory"))["used_memory"])
    queue = Queue(redis, "full", max_memory_bytes=used + 6_000_000)
    jobs = [NewJob("scrape-page", {"text": "x" * 1000}) for _ in range(512)]

    async def add_for_ever() -> None:
        while True:
            await queue.add_many(jobs)

    with pytest.raises(QueueUnavailableError, match="the queue is full"):
        await asyncio.wait_for(add_for_ever(), 20)
    waiting = (await queue.counts())["waiting"]
    assert waiting >= len(jobs)
    assert int((await redis.info("memory"))["used_memory"]) > used + 6_000_000

    async def emptied() -> bool:
        return not any((await queue.counts()).values())

    keep_none = WorkerOptions(concurrency=50, remove_on_complete=Retention(0))
    async with Worker(redis, "full", nothing, keep_none) as worker:
        await until(emptied)
    assert worker.counters.completed == waiting
    await queue.add("scrape-page", {})
    await queue.aclose()
