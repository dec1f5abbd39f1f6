"""The rest of what BullMQ does, each thing with the real one on the other side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from conformance.ours import our_worker
from conformance.peers import QUEUE, NodePeer, until
from conformance.test_workers_with_node import KEEP, finished
from mediascrape.queue.job import Deduplication, JobOptions, NewJob, Retention
from mediascrape.queue.queue import Limits, Queue

GONE = JobOptions(remove_on_complete=Retention(0))


# --- metrics ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["us", "node"])
async def test_each_side_s_worker_counts_per_minute_for_both(
    who: str, node: NodePeer, queue: Queue, redis: Redis
) -> None:
    async def run(jobs: list[NewJob], total: int) -> None:
        await queue.add_many(jobs)
        if who == "us":
            async with our_worker(redis, QUEUE, metrics_points=10):
                await finished(queue, total)
        else:
            await node.call("startWorker", opts={"metrics": {"maxDataPoints": 10}})
            await finished(queue, total)
            await node.call("stopWorkers")

    good, bad = NewJob("x", {}, KEEP), NewJob("x", {"todo": "give up"})
    await run([good] * 5 + [bad] * 2, 7)
    for outcome in ("completed", "failed"):  # as if that had been three minutes ago
        key = queue.keys.metrics(outcome)
        await redis.hset(key, "prevTS", int(await redis.hget(key, "prevTS") or 0) - 3 * 60_000)
    await run([good, bad], 9)

    for outcome, total, first in (("completed", 6, 5), ("failed", 3, 2)):
        ours = await queue.metrics(outcome)  # type: ignore[arg-type]
        theirs = await node.call("metrics", type=outcome)
        assert (ours.count, theirs["meta"]["count"]) == (total, total)
        assert ours.points == [int(point) for point in theirs["data"]]
        assert first in ours.points
        assert len(ours.points) == 3


# --- deduplication ------------------------------------------------------------------------------


async def add_as(who: str, node: NodePeer, queue: Queue, data: dict[str, Any], **options: Any) -> str:
    """The id of a job with deduplication options in Node's names, added by either side."""
    delay = options.pop("delay", 0)
    if who == "node":
        opts = {"deduplication": {"id": "d", **options}, "removeOnComplete": True}
        return str(
            (await node.call("add", name="x", data=data, opts=opts | ({"delay": delay} if delay else {})))[
                "id"
            ]
        )
    deduplication = Deduplication(
        "d", options.get("ttl"), options.get("extend", False), options.get("replace", False),
        options.get("keepLastIfActive", False),
    )  # fmt: skip
    added = await queue.add(
        "x", data, JobOptions(deduplication=deduplication, delay_ms=delay, remove_on_complete=Retention(0))
    )
    return added.id


PAIRS = pytest.mark.parametrize(("one", "other"), [("us", "node"), ("node", "us")])


@PAIRS
async def test_throttling_ends_with_its_time(
    one: str, other: str, node: NodePeer, queue: Queue, redis: Redis
) -> None:
    first = await add_as(one, node, queue, {}, ttl=60_000)
    async with our_worker(redis, QUEUE):
        await until(lambda: _is_empty(queue))
    assert await add_as(other, node, queue, {}, ttl=60_000) == first  # done, and still throttled
    assert 50_000 < await redis.pttl(queue.keys.deduplication("d")) <= 60_000
    await redis.pexpire(queue.keys.deduplication("d"), 1)
    await until(lambda: _gone(redis, queue.keys.deduplication("d")))
    assert await add_as(other, node, queue, {}, ttl=60_000) != first


@PAIRS
async def test_debouncing_extends_and_replaces(
    one: str, other: str, node: NodePeer, queue: Queue, redis: Redis
) -> None:
    debounce: dict[str, Any] = {"ttl": 60_000, "extend": True, "replace": True, "delay": 60_000}
    await add_as(one, node, queue, {"n": 1}, **debounce)
    await redis.pexpire(queue.keys.deduplication("d"), 10_000)
    last = await add_as(other, node, queue, {"n": 2}, **debounce)
    assert await redis.pttl(queue.keys.deduplication("d")) > 50_000
    (left,) = await queue.list_jobs(["delayed"])
    assert (left.id, left.data) == (last, {"n": 2})


@PAIRS
@pytest.mark.parametrize("worker", ["us", "node"])
async def test_the_last_of_those_added_while_one_ran_runs_afterwards(
    one: str, other: str, worker: str, node: NodePeer, queue: Queue, redis: Redis
) -> None:
    ran: list[Any] = []

    async def add_while_it_runs(begun: Any) -> None:
        first = await add_as(one, node, queue, {"n": 1, "gate": "open"}, keepLastIfActive=True)
        await until(lambda: first in begun())
        for n in (2, 3):
            assert await add_as(other, node, queue, {"n": n}, keepLastIfActive=True) == first
        await redis.set("open", 1)
        await until(lambda: len(begun()) == 2)
        await until(lambda: _is_empty(queue))
        ran.extend(begun())

    if worker == "us":
        async with our_worker(redis, QUEUE) as ours:
            await add_while_it_runs(lambda: ours.begun)
        assert [data["n"] for data in ours.data] == [1, 3]
    else:
        await node.call("startWorker")
        await add_while_it_runs(
            lambda: [each["id"] for each in node.happenings if each["happened"] == "processing"]
        )
    assert len(ran) == 2


# --- limits over all workers --------------------------------------------------------------------


async def test_our_global_limit_binds_node_s_worker(node: NodePeer, queue: Queue) -> None:
    await queue.set_global_concurrency(2)
    assert await node.call("getGlobalConcurrency") == 2
    assert await queue.limits() == Limits(concurrency=2)
    await node.call("startWorker", opts={"concurrency": 20})
    await queue.add_many([NewJob("x", {"ms": 20}, KEEP)] * 15)
    most = 0
    while (counts := await queue.counts())["completed"] < 15:
        most = max(most, counts["active"])
    assert 1 <= most <= 2
    await queue.set_global_concurrency(None)
    assert await node.call("getGlobalConcurrency") is None


@pytest.mark.parametrize(("setter", "worker"), [("us", "node"), ("node", "us"), ("us", "us")])
async def test_a_rate_limit_binds_the_other_s_worker(
    setter: str, worker: str, node: NodePeer, queue: Queue, redis: Redis
) -> None:
    if setter == "us":
        await queue.set_rate_limit(4, 300)
    else:
        await node.call("setGlobalRateLimit", max=4, duration=300)
    assert await queue.limits() == Limits(jobs=4, per_ms=300)
    await queue.add_many([NewJob("x", {}, KEEP)] * 12)
    if worker == "us":
        async with our_worker(redis, QUEUE):
            await finished(queue, 12)
    else:
        await node.call("startWorker", opts={"concurrency": 20})
        await finished(queue, 12)
    started = sorted(job.processed_on or 0 for job in await queue.list_jobs(["completed"]))
    # The fifth cannot start before the first four's time is over, nor the ninth before the next four's.
    assert started[4] - started[0] >= 290
    assert started[8] - started[4] >= 290


async def test_our_worker_waits_while_node_holds_the_queue_back(
    node: NodePeer, queue: Queue, redis: Redis
) -> None:
    await queue.set_rate_limit(1000, 1000)  # without any, BullMQ's workers take no notice
    await node.call("rateLimit", ms=60_000)
    assert 50_000 < (await queue.limits()).held_ms <= 60_000
    async with our_worker(redis, QUEUE, drain_delay_s=0.1) as ours:
        await queue.add_many([NewJob("x", {}, KEEP)] * 3)
        await until(lambda: ours.worker._pump.limited_until)
        assert (await queue.counts())["waiting"] == 3
        await redis.pexpire(queue.keys.limiter, 1)
    assert not ours.begun
    async with our_worker(redis, QUEUE):
        await finished(queue, 3)
    assert (await queue.limits()).held_ms == 0


# --- retention ----------------------------------------------------------------------------------


@pytest.mark.parametrize("worker", ["us", "node"])
async def test_finished_jobs_leave_by_age(worker: str, node: NodePeer, queue: Queue, redis: Redis) -> None:
    old = await queue.add("x", {}, KEEP)
    async with our_worker(redis, QUEUE):
        await finished(queue, 1)
    hour_ago = int(await redis.zscore(queue.keys.completed, old.id) or 0) - 3_600_000
    await redis.zadd(queue.keys.completed, {old.id: hour_ago})
    if worker == "us":
        new = (await node.call("add", name="x", data={}, opts={"removeOnComplete": {"age": 60}}))["id"]
        async with our_worker(redis, QUEUE):
            await until(lambda: _has_left(queue, old.id))
    else:
        new = (await queue.add("x", {}, JobOptions(remove_on_complete=Retention(None, 60)))).id
        await node.call("startWorker")
        await until(lambda: _has_left(queue, old.id))
    assert [job.id for job in await queue.list_jobs(["completed"])] == [new]


@pytest.mark.parametrize(("opts", "kept"), [({"removeOnFail": True}, 0), ({"removeOnFail": 2}, 2), ({}, 4)])
async def test_failed_jobs_stay_as_their_producer_says(
    opts: dict[str, Any], kept: int, node: NodePeer, queue: Queue, redis: Redis
) -> None:
    for _ in range(4):
        await node.call("add", name="x", data={"todo": "give up"}, opts=opts)
    async with our_worker(redis, QUEUE, concurrency=1) as ours:
        await until(lambda: ours.worker.counters.failed == 4)
    assert (await node.call("counts"))["failed"] == kept


# --- flows --------------------------------------------------------------------------------------


async def test_children_that_we_run_release_their_parent(node: NodePeer, queue: Queue, redis: Redis) -> None:
    children = [{"name": "x", "data": {"n": n}, "queueName": QUEUE} for n in range(3)]
    flow = await node.call(
        "addFlow", flow={"name": "x", "data": {"n": 9}, "queueName": QUEUE, "children": children}
    )
    assert (await queue.counts())["waiting-children"] == 1
    async with our_worker(redis, QUEUE) as ours:
        await finished(queue, 4)
    assert ours.begun[-1] == flow["id"]
    assert sorted(ours.begun[:-1]) == sorted(flow["children"])
    values = await node.call("childrenValues", id=flow["id"])
    assert sorted(value["n"] for value in values.values()) == [0, 1, 2]


async def test_our_worker_and_node_s_share_a_flow(node: NodePeer, queue: Queue, redis: Redis) -> None:
    leaves = [{"name": "x", "data": {"ms": 5}, "queueName": QUEUE} for _ in range(4)]
    middle = [{"name": "x", "data": {}, "queueName": QUEUE, "children": leaves} for _ in range(4)]
    await node.call("addFlow", flow={"name": "x", "data": {}, "queueName": QUEUE, "children": middle})
    await node.call("startWorker", opts={"concurrency": 3})
    async with our_worker(redis, QUEUE, concurrency=3):
        counts = await finished(queue, 21)
    assert (counts["completed"], counts["waiting-children"]) == (21, 0)


async def test_a_child_that_fails_here_does_to_its_parent_what_node_asked_for(
    node: NodePeer, queue: Queue, redis: Redis
) -> None:
    parents = {}
    for option in ("failParentOnFailure", "ignoreDependencyOnFailure", "removeDependencyOnFailure"):
        child = {"name": "x", "data": {"todo": "give up"}, "queueName": QUEUE, "opts": {option: True}}
        flow = {"name": "x", "data": {}, "queueName": QUEUE, "children": [child]}
        parents[option] = (await node.call("addFlow", flow=flow))["id"]
    async with our_worker(redis, QUEUE):
        await finished(queue, 6)
    states = {option: await queue.job_state(job_id) for option, job_id in parents.items()}
    assert states == {
        "failParentOnFailure": "failed",
        "ignoreDependencyOnFailure": "completed",
        "removeDependencyOnFailure": "completed",
    }
    failed = await queue.get_job(parents["failParentOnFailure"])
    assert failed is not None
    assert (failed.failed_reason or "").startswith("child_failed: child ")


# --- what a foreign producer asks of a job's log --------------------------------------------------


async def test_only_the_last_rows_of_a_log_are_kept(node: NodePeer, queue: Queue, redis: Redis) -> None:
    opts = {"attempts": 4, "keepLogs": 2, "stackTraceLimit": 1}
    job = await node.call("add", name="x", data={"log": "a row", "todo": "fail"}, opts=opts)
    async with our_worker(redis, QUEUE):
        await finished(queue, 1)
    theirs = await node.call("getJob", id=job["id"])
    assert len(theirs["logs"]) == 2
    assert theirs["logs"][0] == "a row"
    assert "attempt 4 of 4 failed" in theirs["logs"][1]
    assert len(theirs["stacktrace"]) == 1
    assert theirs["attemptsMade"] == 4


# --- stopping a running job -----------------------------------------------------------------------


async def test_a_job_of_node_that_runs_here_is_cancelled_from_elsewhere(
    node: NodePeer, queue: Queue, redis: Redis
) -> None:
    async with our_worker(redis, QUEUE) as ours:
        opts = {"attempts": 5}
        job = await node.call("add", name="x", data={"ms": 60_000}, opts=opts)
        await until(lambda: job["id"] in ours.begun)
        assert await queue.cancel_job(job["id"])
        await finished(queue, 1)
    theirs = await node.call("getJob", id=job["id"])
    assert (theirs["state"], theirs["failedReason"]) == ("failed", "cancelled: cancelled on request")
    assert ours.begun == [job["id"]]


async def _is_empty(queue: Queue) -> bool:
    counts = await queue.counts()
    return not any(counts[state] for state in ("waiting", "active", "prioritized", "delayed"))


async def _gone(redis: Redis, key: str) -> bool:
    return not await redis.exists(key)


async def _has_left(queue: Queue, job_id: str) -> bool:
    await asyncio.sleep(0)
    return await queue.get_job(job_id) is None
