"""What keeps track of failures elsewhere never knows less than the queue, however long it is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from mediascrape.errors import JobDataError, StoreUnavailableError
from mediascrape.queue.job import Job
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker

Until = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]


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
