from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from mediascrape.errors import InvalidScheduleError, JobDataError, JobStateError
from mediascrape.queue.job import Backoff, Deduplication, Job, JobOptions, NewJob, Retention
from mediascrape.queue.link import Link
from mediascrape.queue.queue import Queue
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule, ScheduleAdvancer
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.wire import now_ms
from mediascrape.queue.worker import Worker

Until = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]
GONE = JobOptions(remove_on_complete=Retention(0))


def every(ms: int, schedule_id: str = "s", **options: Any) -> NewSchedule:
    return NewSchedule(schedule_id, Repeat(every_ms=ms, **options), NewJob("x", {"n": 1}, GONE))


@dataclass
class Runs:
    jobs: list[Job] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [job.id for job in self.jobs]


@asynccontextmanager
async def worker(
    redis: Redis, queue: Queue, fail: BaseException | None = None, **options: Any
) -> AsyncIterator[Runs]:
    runs = Runs()

    async def processor(job: Job, context: JobContext) -> None:
        runs.jobs.append(job)
        if fail is not None:
            raise fail

    async with Worker(redis, queue.name, processor, WorkerOptions(grace_s=1, **options)):
        yield runs


async def test_it_is_written_and_read_back(queue: Queue) -> None:
    repeat = Repeat(cron="0 3 * * *", tz="Europe/Berlin", limit=5, start_ms=1_000, end_ms=2**41)
    options = JobOptions(attempts=4, backoff=Backoff("fixed", 10), priority=3)
    (job_id,) = await queue.schedules.upsert([NewSchedule("s", repeat, NewJob("x", {"ä": [1]}, options))])
    schedule = await queue.schedules.get("s")
    assert schedule is not None
    assert (schedule.id, schedule.name, schedule.repeat, schedule.data) == ("s", "x", repeat, {"ä": [1]})
    assert (schedule.options, schedule.runs) == (options, 1)
    assert job_id == f"repeat:s:{schedule.next_ms}"
    assert schedule.next_ms > now_ms()
    job = await queue.get_job(job_id)
    assert job is not None
    assert (job.state, job.data, job.repeat_job_key, job.opts.attempts) == ("delayed", {"ä": [1]}, "s", 4)


async def test_the_first_run_of_an_interval_is_now_and_the_rest_follow(
    queue: Queue, redis: Redis, until: Until
) -> None:
    await queue.schedules.upsert([every(50)])

    async def three_runs() -> bool:
        return len(runs.jobs) >= 3

    async with worker(redis, queue) as runs:
        await until(three_runs)
    times = [int(job_id.rpartition(":")[2]) for job_id in runs.ids]
    assert all((after - before) % 50 == 0 for before, after in pairwise(times))
    assert len(set(runs.ids)) == len(runs.ids)
    counts = await queue.counts()
    assert counts["delayed"] + counts["waiting"] == 1  # the next one


async def test_writing_it_again_replaces_it(queue: Queue) -> None:
    await queue.schedules.upsert([every(60_000)])
    (job_id,) = await queue.schedules.upsert([every(90_000, offset_ms=30_000)])
    assert await queue.schedules.count() == 1
    schedule = await queue.schedules.get("s")
    assert schedule is not None
    assert schedule.repeat == Repeat(every_ms=90_000, offset_ms=30_000)
    assert schedule.next_ms % 90_000 == 30_000
    assert sum((await queue.counts()).values()) == 1
    assert await queue.get_job(job_id) is not None


async def test_many_are_listed_in_the_order_of_their_next_run(queue: Queue) -> None:
    crons = [("a", "0 0 1 1 *"), ("b", "* * * * *"), ("c", "0 0 * * *")]
    await queue.schedules.upsert([NewSchedule(i, Repeat(cron=cron), NewJob("x", {})) for i, cron in crons])
    page = await queue.schedules.page()
    assert [schedule.next_ms for schedule in page] == sorted(schedule.next_ms for schedule in page)
    assert page[0].id == "b"
    assert [schedule.id for schedule in await queue.schedules.page(1, 1)] == [page[1].id]


async def test_removing_it_takes_its_next_job_along(queue: Queue) -> None:
    (job_id,) = await queue.schedules.upsert([NewSchedule("s", Repeat(cron="0 0 1 1 *"), NewJob("x", {}))])
    assert await queue.schedules.remove("s")
    assert await queue.get_job(job_id) is None
    assert not await queue.schedules.remove("s")
    assert await queue.schedules.get("s") is None
    assert await queue.schedules.page() == []


async def test_its_next_job_cannot_be_removed_alone(queue: Queue) -> None:
    (job_id,) = await queue.schedules.upsert([every(60_000)])
    with pytest.raises(JobStateError, match="schedule"):
        await queue.remove_job(job_id)


async def test_it_ends_after_its_limit(queue: Queue, redis: Redis, until: Until) -> None:
    await queue.schedules.upsert([every(20, limit=3)])

    async def done() -> bool:
        return len(runs.jobs) == 3 and not any((await queue.counts()).values())

    async with worker(redis, queue) as runs:
        await until(done)
    assert len(runs.ids) == 3
    schedule = await queue.schedules.get("s")
    assert schedule is not None
    assert schedule.ended(now_ms())


async def test_two_workers_make_no_run_twice(queue: Queue, redis: Redis, until: Until) -> None:
    await queue.schedules.upsert([every(20, f"s{n}") for n in range(5)])

    async def enough() -> bool:
        return len(one.ids) + len(two.ids) >= 40

    async with worker(redis, queue) as one, worker(redis, queue) as two:
        await until(enough)
    ran = one.ids + two.ids
    assert len(ran) == len(set(ran))
    counts = await queue.counts()
    assert counts["delayed"] + counts["waiting"] == 5
    assert (counts["active"], counts["failed"]) == (0, 0)


async def test_a_failing_job_s_schedule_goes_on_and_its_retries_add_nothing(
    queue: Queue, redis: Redis, until: Until
) -> None:
    options = JobOptions(attempts=3, remove_on_fail=Retention())
    await queue.schedules.upsert([NewSchedule("s", Repeat(every_ms=300), NewJob("x", {}, options))])

    async def failed_twice() -> bool:
        return (await queue.counts())["failed"] >= 2

    async with worker(redis, queue, RuntimeError("no")) as runs:
        await until(failed_twice)
    failed = await queue.list_jobs(["failed"])
    assert all(runs.ids.count(job.id) == 3 for job in failed)
    await queue.remove_job(failed[0].id)  # what has run is no longer the schedule's
    counts = await queue.counts()
    assert counts["delayed"] + counts["waiting"] == 1


async def test_a_job_that_stalled_too_often_fails_and_its_schedule_goes_on(
    queue: Queue, redis: Redis, until: Until
) -> None:
    (job_id,) = await queue.schedules.upsert([every(86_400_000)])
    await redis.hset(queue.keys.job(job_id), "defa", "job stalled more than allowable limit")

    async def failed() -> bool:
        return (await queue.counts())["failed"] == 1

    async with worker(redis, queue) as runs:
        await until(failed)
    assert runs.ids == []
    assert (await queue.counts())["delayed"] == 1


async def test_a_worker_that_dies_before_the_next_run_is_added_ends_no_schedule(
    queue: Queue, redis: Redis, until: Until
) -> None:
    (job_id,) = await queue.schedules.upsert([every(86_400_000)])
    # Claimed by somebody who is gone: no lock, nothing added.
    await redis.lmove(queue.keys.wait, queue.keys.active, "RIGHT", "LEFT")

    async def ran() -> bool:
        return runs.ids == [job_id]

    async with worker(redis, queue, stalled_interval_ms=50) as runs:
        await until(ran)
    assert (await queue.counts())["delayed"] == 1


@pytest.mark.parametrize(
    ("opts", "told"),
    [
        ('{"repeat":{"pattern":"bad one","count":1}}', "bad one"),
        ('{"repeat":{"count":1}}', "neither an interval nor a cron expression"),
        ('{"repeat":[]}', "no repeat options"),
        ("{}", "no repeat options"),
        ("[]", "no repeat options"),
        ("{nope", "not JSON"),
    ],
)
async def test_a_foreign_schedule_that_cannot_be_planned_hurts_only_itself(
    opts: str, told: str, queue: Queue, redis: Redis, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    (job_id,) = await queue.schedules.upsert([every(86_400_000)])
    await redis.hset(queue.keys.job(job_id), "opts", opts)

    async def ended() -> bool:
        return await queue.job_state(job_id) in {None, "completed", "failed"}

    async with worker(redis, queue) as runs:
        await until(ended)
    assert told in caplog.text
    assert runs.ids == ([] if opts in {"[]", "{nope"} else [job_id])
    assert (await queue.counts())["delayed"] == 0


async def test_advancing_again_has_no_second_effect(queue: Queue, redis: Redis) -> None:
    (job_id,) = await queue.schedules.upsert([every(86_400_000)])
    job = await queue.get_job(job_id)
    assert job is not None
    link = Link(redis)
    advancer = ScheduleAdvancer(link, queue.keys)
    added = await asyncio.gather(advancer.advance(job), advancer.advance(job), advancer.advance(job))
    assert sorted(id_ is None for id_ in added) == [False, True, True]
    schedule = await queue.schedules.get("s")
    assert schedule is not None
    assert (schedule.runs, f"repeat:s:{schedule.next_ms}") == (2, next(id_ for id_ in added if id_))
    await link.aclose()


async def test_the_template_s_options_stay_over_the_runs(queue: Queue, redis: Redis, until: Until) -> None:
    options = JobOptions(
        attempts=3, priority=2, backoff=Backoff("exponential", 10, 0.5), remove_on_complete=Retention(0),
        keep_logs=7, deduplication=Deduplication("d", 5),
    )  # fmt: skip
    await queue.schedules.upsert([NewSchedule("s", Repeat(every_ms=30), NewJob("x", {}, options))])

    async def three_runs() -> bool:
        return len(runs.jobs) >= 3

    async with worker(redis, queue) as runs:
        await until(three_runs)
    for job in runs.jobs:
        opts = job.opts
        assert (opts.attempts, opts.priority, opts.backoff, opts.remove_on_complete, opts.keep_logs) == (
            3, 2, options.backoff, Retention(0), 7,
        )  # fmt: skip
        assert job.deduplication_id == "d"


@pytest.mark.parametrize(
    ("schedule", "error"),
    [
        (NewSchedule("", Repeat(every_ms=5), NewJob("x", {})), InvalidScheduleError),
        (NewSchedule("s", Repeat(every_ms=5, end_ms=1), NewJob("x", {})), InvalidScheduleError),
        (NewSchedule("s", Repeat(every_ms=5), NewJob("x", object())), JobDataError),
    ],
)
async def test_what_is_refused(queue: Queue, schedule: NewSchedule, error: type[Exception]) -> None:
    with pytest.raises(error):
        await queue.schedules.upsert([schedule])
    assert await queue.schedules.count() == 0


async def test_a_cron_run_that_has_ended_is_in_the_way(queue: Queue, redis: Redis) -> None:
    schedule = NewSchedule("s", Repeat(cron="0 0 1 1 *"), NewJob("x", {}))
    (job_id,) = await queue.schedules.upsert([schedule])
    await redis.zrem(queue.keys.delayed, job_id)
    with pytest.raises(JobStateError, match="there already"):
        await queue.schedules.upsert([schedule])


async def test_a_schedule_survives_the_emptying_of_its_queue(
    queue: Queue, redis: Redis, until: Until
) -> None:
    await queue.schedules.upsert(
        [every(86_400_000, offset_ms=1), NewSchedule("c", Repeat(cron="@yearly"), NewJob("x", {}))]
    )
    await queue.add("x", {}, JobOptions(delay_ms=60_000))
    await queue.drain(delayed=True)
    assert await queue.clean("delayed") == []
    assert (await queue.counts())["delayed"] == 2
    assert await queue.schedules.count() == 2


async def test_obliterating_the_queue_takes_its_schedules_along(queue: Queue, redis: Redis) -> None:
    await queue.schedules.upsert([every(60_000), NewSchedule("c", Repeat(cron="@yearly"), NewJob("x", {}))])
    await queue.obliterate(force=True)
    assert await queue.schedules.page() == []
    assert await redis.keys(f"{queue.keys.base}*") == []


async def test_many_schedules(queue: Queue) -> None:
    repeat = Repeat(cron="0 6 * * 1-5", tz="Europe/Berlin")
    ids = await queue.schedules.upsert(
        [NewSchedule(f"s{n}", repeat, NewJob("x", {"n": n})) for n in range(1_200)]
    )
    assert len(set(ids)) == await queue.schedules.count() == 1_200
    assert len(await queue.schedules.page(1_190, 50)) == 10
