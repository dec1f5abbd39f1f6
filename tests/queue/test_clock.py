"""What counts against an attempt's time limit."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from mediascrape.queue import clock as clock_module
from mediascrape.queue.clock import MAX_EXCUSED_S, AttemptClock
from mediascrape.queue.job import Job, JobOptions, NewJob
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(clock_module, "monotonic", made)
    return made


def test_only_time_outside_all_pauses_counts(time: Time) -> None:
    clock = AttemptClock()
    time.now += 1
    clock.pause()
    time.now += 2
    with clock.paused():
        time.now += 4
    time.now += 8
    assert clock.used_s() == 1, "while it is stopped, too"
    clock.resume()
    time.now += 16
    assert clock.used_s() == 17


def test_waiting_is_excused_up_to_a_bound(time: Time) -> None:
    clock = AttemptClock()
    clock.pause()
    time.now += MAX_EXCUSED_S + 5
    assert clock.used_s() == 5


async def test_an_attempt_that_waits_for_its_turn_outlives_the_limit(queue: Queue, redis: Redis) -> None:
    """Both are overdue at the same moment; the one with a stopped clock goes on."""
    released = asyncio.Event()

    async def process(job: Job, context: JobContext) -> str:
        if job.name == "working":
            await asyncio.Event().wait()
        with context.clock.paused():
            await released.wait()
        return "done"

    options = WorkerOptions(job_timeout_ms=300)
    async with Worker(redis, queue.name, process, options) as worker, asyncio.timeout(20):
        await queue.add_many(NewJob(name, {}, JobOptions()) for name in ("waiting", "working"))
        while not worker.counters.failed:
            await asyncio.sleep(0.01)
        assert (worker.counters.timed_out, worker.counters.completed) == (1, 0)
        released.set()
        while not worker.counters.completed:
            await asyncio.sleep(0.01)


async def test_a_clock_that_runs_again_ends_the_attempt(queue: Queue, redis: Redis) -> None:
    async def process(_job: Job, context: JobContext) -> None:
        with context.clock.paused():
            await asyncio.sleep(0.3)
        await asyncio.Event().wait()

    options = WorkerOptions(job_timeout_ms=200)
    async with Worker(redis, queue.name, process, options) as worker, asyncio.timeout(20):
        await queue.add("job", {})
        while not worker.counters.failed:
            await asyncio.sleep(0.01)
        assert worker.counters.timed_out == 1
