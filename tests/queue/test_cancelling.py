"""Jobs that are stopped from outside: on request, by a closing worker, while their schedule goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.job import Job, JobOptions, NewJob
from mediascrape.queue.queue import Queue
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule, ScheduleAdvancer
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker

Until = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]


@dataclass
class Running:
    worker: Worker
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[str] = field(default_factory=list)


@asynccontextmanager
async def endless(redis: Redis, queue: Queue) -> AsyncIterator[Running]:
    """A worker whose jobs end only when they are told to."""

    async def processor(job: Job, context: JobContext) -> None:
        running.begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            running.ended.append(job.id)

    options = WorkerOptions(grace_s=0.1, job_timeout_ms=None, cancel_grace_s=0.5)
    running = Running(Worker(redis, queue.name, processor, options))
    async with running.worker:
        yield running


async def test_a_request_ends_the_job_for_good(queue: Queue, redis: Redis, until: Until) -> None:
    async with endless(redis, queue) as running:
        added = await queue.add("x", {}, JobOptions(attempts=5))
        await running.begun.wait()
        await until(lambda: queue.cancel_job(added.id))  # once somebody listens

        async def failed() -> bool:
            return (await queue.counts())["failed"] == 1

        await until(failed)
    job = await queue.get_job(added.id)
    assert job is not None
    assert (job.failed_reason, job.attempts_made) == ("cancelled: cancelled on request", 1)
    assert running.ended == [added.id]


async def test_a_request_for_a_job_that_does_not_run_changes_nothing(
    queue: Queue, redis: Redis, until: Until
) -> None:
    async with endless(redis, queue):
        late = await queue.add("x", {}, JobOptions(delay_ms=60_000))
        await until(lambda: queue.cancel_job(late.id))  # once somebody listens
        assert await queue.job_state(late.id) == "delayed"
    assert not await queue.cancel_job(late.id)


@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_a_job_stopped_before_its_schedule_went_on_goes_back(
    how: str, queue: Queue, redis: Redis, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def silent(self: ScheduleAdvancer, job: Job) -> str | None:
        asked.set()
        await asyncio.sleep(3600)
        return None

    with monkeypatch.context() as patch:
        patch.setattr(ScheduleAdvancer, "advance", silent)
        schedule = NewSchedule("s", Repeat(every_ms=86_400_000), NewJob("x", {}))
        (job_id,) = await queue.schedules.upsert([schedule])
        async with endless(redis, queue) as running:
            await asked.wait()
            if how == "cancel":
                asked.clear()
                assert running.worker.cancel(job_id)
                await asked.wait()  # taken again, and asked again
        assert running.ended == []
    assert await queue.job_state(job_id) == "waiting"
    assert (await queue.counts())["failed"] == 0

    async with endless(redis, queue) as running:
        await running.begun.wait()
        assert (await queue.counts())["delayed"] == 1  # the next run


async def test_a_queue_out_of_reach_is_waited_for(
    queue: Queue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = ScheduleAdvancer.advance
    failures = [QueueUnavailableError("away"), QueueUnavailableError("away")]

    async def unreliable(self: ScheduleAdvancer, job: Job) -> str | None:
        if failures:
            raise failures.pop()
        return await advance(self, job)

    monkeypatch.setattr(ScheduleAdvancer, "advance", unreliable)
    await queue.schedules.upsert([NewSchedule("s", Repeat(every_ms=86_400_000), NewJob("x", {}))])
    async with endless(redis, queue) as running:
        await running.begun.wait()
        assert not failures
        assert (await queue.counts())["delayed"] == 1
