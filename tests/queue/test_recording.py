"""What keeps track of failures elsewhere never knows less than the queue, however long it is away."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from mediascrape.errors import JobDataError, StoreUnavailableError
from mediascrape.queue.job import Job
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker

Until = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]

KILLED = 50


async def fail(job: Job, _: JobContext) -> None:
    raise JobDataError("never")


class Recorder:
    """Away for the first `away` tries."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.tries = 0

    async def record(self, job: Job, error: BaseException) -> None:
        self.tries += 1
        if self.tries <= self.away:
            raise StoreUnavailableError("away")


async def test_a_failure_is_told_to_the_queue_once_it_is_recorded(
    redis: Redis, queue: Queue, until: Until
) -> None:
    recorder = Recorder(away=2)
    job = await queue.add("x", {})
    async with Worker(redis, queue.name, fail, record_failure=recorder.record):

        async def tried_once() -> bool:
            return recorder.tries >= 1

        async def failed() -> bool:
            return await queue.job_state(job.id) == "failed"

        await until(tried_once)
        assert recorder.tries <= recorder.away
        assert await queue.job_state(job.id) == "active"
        await until(failed)
    assert recorder.tries == 3


async def test_a_worker_that_closes_meanwhile_hands_the_job_back(
    redis: Redis, queue: Queue, until: Until
) -> None:
    recorder = Recorder(away=10**6)
    job = await queue.add("x", {})
    async with Worker(redis, queue.name, fail, WorkerOptions(grace_s=5), record_failure=recorder.record):

        async def tried_once() -> bool:
            return recorder.tries >= 1

        await until(tried_once)
    assert await queue.job_state(job.id) == "waiting"


async def test_jobs_of_a_killed_worker_are_told_in_one_line(
    redis: Redis, queue: Queue, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(KILLED):
        await queue.add("x", {})
        await redis.lmove(queue.keys.wait, queue.keys.active, "RIGHT", "LEFT")

    async def all_failed() -> bool:
        return (await queue.counts())["failed"] == KILLED

    with caplog.at_level(logging.WARNING, "mediascrape.queue.worker"):
        async with Worker(redis, queue.name, fail, WorkerOptions(stalled_interval_ms=50)):
            await until(all_failed)
    told = [record.getMessage() for record in caplog.records if "stalled" in record.getMessage()]
    assert told == [f"{KILLED} jobs had stalled and were put back to wait"]
