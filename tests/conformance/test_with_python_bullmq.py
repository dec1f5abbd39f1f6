"""BullMQ's own Python package and this queue, each way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import bullmq  # type: ignore[import-untyped]
import pytest
from redis.asyncio import Redis

from conformance.ours import our_worker
from conformance.peers import QUEUE, until
from conformance.test_workers_with_node import finished
from mediascrape.queue.connection import ConnectionOptions, connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import Backoff, JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KEEP = JobOptions(remove_on_complete=Retention())


@pytest.fixture
async def theirs(valkey: EmbeddedValkey, redis: Redis) -> AsyncIterator[bullmq.Queue]:
    queue = bullmq.Queue(QUEUE, {"connection": valkey.url})
    yield queue
    await queue.close()


@pytest.fixture
async def their_worker(valkey: EmbeddedValkey, redis: Redis) -> AsyncIterator[list[str]]:
    """A running worker of the package, and the ids of the jobs it has begun."""
    begun: list[str] = []

    async def processor(job: bullmq.Job, token: str) -> Any:
        begun.append(job.id)
        if job.data.get("todo") == "fail" or job.attemptsMade < job.data.get("times", 0):
            raise RuntimeError("told to fail")
        return {"by": "python", **job.data}

    # Its own would give up in the middle of a wait of 10 s.
    connection = connect(valkey.url, ConnectionOptions(command_timeout=15))
    worker = bullmq.Worker(QUEUE, processor, {"connection": connection, "concurrency": 5})
    yield begun
    await worker.close()
    await connection.aclose()


async def test_we_process_what_it_adds(theirs: bullmq.Queue, queue: Queue, redis: Redis) -> None:
    bulk = [{"name": "scrape-page", "data": {"n": n}, "opts": {}} for n in range(20)]
    jobs = await theirs.addBulk(bulk)
    fails = await theirs.add(
        "scrape-page", {"todo": "fail"}, {"attempts": 2, "backoff": {"type": "fixed", "delay": 10}}
    )
    async with our_worker(redis, QUEUE) as ours:
        await finished(queue, 21)
    job = await bullmq.Job.fromId(theirs, jobs[3].id)
    assert job is not None
    assert job.returnvalue == {"by": "us", "n": 3}
    assert ours.begun.count(fails.id) == 2
    assert await theirs.getCompletedCount() == 20
    assert await theirs.getFailedCount() == 1
    failed = await bullmq.Job.fromId(theirs, fails.id)
    assert failed is not None
    assert failed.failedReason == "RuntimeError: told to fail 1"


async def test_it_processes_what_we_add(their_worker: list[str], queue: Queue) -> None:
    added = await queue.add_many([NewJob("scrape-page", {"n": n}, KEEP) for n in range(20)])
    options = JobOptions(attempts=3, backoff=Backoff("exponential", 10, 0.5), remove_on_complete=Retention())
    recovers = await queue.add("scrape-page", {"times": 2}, options)
    await finished(queue, 21)
    job = await queue.get_job(added[3].id)
    assert job is not None
    assert (job.state, job.returnvalue) == ("completed", {"by": "python", "n": 3})
    assert their_worker.count(recovers.id) == 3


async def test_it_reads_what_we_add(theirs: bullmq.Queue, queue: Queue) -> None:
    added = await queue.add("scrape-page", {"url": "https://example.org/ä"}, JobOptions(priority=3))
    job = await bullmq.Job.fromId(theirs, added.id)
    assert job is not None
    assert (job.name, job.data, job.priority) == ("scrape-page", {"url": "https://example.org/ä"}, 3)
    counts = await theirs.getJobCounts("prioritized", "waiting", "delayed")
    assert counts == {"prioritized": 1, "waiting": 0, "delayed": 0}


async def test_pause_each_way(theirs: bullmq.Queue, queue: Queue) -> None:
    await theirs.pause()
    assert await queue.is_paused()
    await queue.resume()
    assert not await theirs.isPaused()
    await queue.pause()
    assert await theirs.isPaused()
    await theirs.resume()
    assert not await queue.is_paused()


async def test_both_workers_share_one_queue(their_worker: list[str], queue: Queue, redis: Redis) -> None:
    async with our_worker(redis, QUEUE, concurrency=5) as ours:
        added = await queue.add_many([NewJob("x", {"ms": 2}, KEEP) for _ in range(200)])
        counts = await finished(queue, 200)
    assert counts["completed"] == 200
    assert sorted(ours.begun + their_worker) == sorted(each.id for each in added)


async def test_it_runs_our_delayed_and_prioritized_jobs(their_worker: list[str], queue: Queue) -> None:
    await queue.pause()
    added = [
        await queue.add(
            "x", {}, JobOptions(priority=priority, delay_ms=delay_ms, remove_on_complete=Retention())
        )
        for priority, delay_ms in ((5, 0), (1, 0), (0, 300), (3, 0))
    ]
    await queue.resume()
    await finished(queue, 4)
    assert sorted(their_worker) == sorted(each.id for each in added)
    delayed = await queue.get_job(added[2].id)
    assert delayed is not None
    assert (delayed.processed_on or 0) - delayed.timestamp >= 300


async def test_its_worker_runs_our_schedules(their_worker: list[str], queue: Queue) -> None:
    gone = JobOptions(remove_on_complete=Retention(0))
    await queue.schedules.upsert([NewSchedule("s", Repeat(every_ms=50), NewJob("x", {"n": 1}, gone))])
    await until(lambda: len(their_worker) >= 3)
    assert len(their_worker) == len(set(their_worker))
    assert all(job_id.startswith("repeat:s:") for job_id in their_worker)


async def test_we_run_its_schedules(theirs: bullmq.Queue, queue: Queue, redis: Redis) -> None:
    await theirs.upsertJobScheduler(
        "s", {"pattern": "* * * * * *"}, "x", {"n": 1}, {"removeOnComplete": True}
    )
    async with our_worker(redis, QUEUE) as ours:
        await until(lambda: len(ours.begun) >= 2)
    assert ours.data[0] == {"n": 1}
    assert (await theirs.getJobScheduler("s"))["iterationCount"] == len(ours.begun) + 1


async def test_logs_progress_and_removal_each_way(theirs: bullmq.Queue, queue: Queue) -> None:
    added = await queue.add("x", {})
    job = await bullmq.Job.fromId(theirs, added.id)
    assert job is not None
    await job.log("a row")
    await job.updateProgress({"pages": 1})
    ours = await queue.get_job(added.id)
    assert ours is not None
    assert (ours.progress, await queue.get_logs(added.id)) == ({"pages": 1}, ["a row"])
    await theirs.remove(added.id)
    assert await queue.get_job(added.id) is None
