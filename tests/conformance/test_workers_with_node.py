"""Node's producers with our worker, our producers with Node's worker, and both workers at once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from redis.asyncio import Redis

from conformance.ours import doomed_worker, our_worker
from conformance.peers import QUEUE, NodePeer, doomed_peer, until
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import Backoff, JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue, State

KEEP = JobOptions(remove_on_complete=Retention())

#: Options of Node's worker. Whoever checks for stalled jobs keeps all others from it for his interval.
SHORT = {"lockDuration": 1000, "stalledInterval": 300}


async def finished(queue: Queue, count: int) -> dict[State, int]:
    """The counts, once `count` jobs have completed or failed."""

    async def enough() -> dict[State, int] | None:
        counts = await queue.counts()
        return counts if counts["completed"] + counts["failed"] >= count else None

    return await until(enough)  # type: ignore[no-any-return]


# --- they add, we process ---------------------------------------------------------------------


async def test_node_reads_what_our_worker_logs_of_its_attempts(
    node: NodePeer, queue: Queue, redis: Redis
) -> None:
    opts = {"attempts": 4, "keepLogs": 2}
    added = await node.call("add", name="x", data={"todo": "fail"}, opts=opts)
    async with our_worker(redis, QUEUE):
        await finished(queue, 1)
    theirs = await node.call("getJob", id=added["id"])
    assert [row.partition(" ")[2] for row in theirs["logs"]] == [
        "attempt 3 of 4 failed: RuntimeError: told to fail 2; next in 0.0 s",
        "attempt 4 of 4 failed: RuntimeError: told to fail 3; it was the last",
    ]


async def test_we_process_what_node_adds(node: NodePeer, queue: Queue, redis: Redis) -> None:
    jobs = [{"name": "x", "data": {"n": n, "progress": n, "log": f"row {n}"}} for n in range(50)]
    ids = await node.call("addBulk", jobs=jobs)
    async with our_worker(redis, QUEUE, concurrency=10):
        await finished(queue, 50)
    theirs = await node.call("getJob", id=ids[7])
    assert theirs["state"] == "completed"
    assert theirs["returnvalue"] == {"by": "us", "n": 7, "progress": 7, "log": "row 7"}
    assert (theirs["progress"], theirs["logs"], theirs["attemptsMade"]) == (7, ["row 7"], 1)
    assert theirs["finishedOn"] >= theirs["processedOn"] >= theirs["timestamp"]
    counts = await node.call("counts")
    assert (counts["completed"], counts["active"], counts["waiting"]) == (50, 0, 0)


async def test_node_sees_our_worker_wait_and_wakes_it(node: NodePeer, queue: Queue, redis: Redis) -> None:
    async with our_worker(redis, QUEUE, drain_delay_s=30.0) as ours:
        assert len(await until(lambda: node.call("getWorkers"))) == 1
        await node.call("add", name="x", data={}, opts={})
        await until(lambda: len(ours.begun) == 1)
        started = time.monotonic()
        await node.call("add", name="x", data={}, opts={})
        await until(lambda: len(ours.begun) == 2)
        assert time.monotonic() - started < 5
        assert await queue.workers()


async def test_our_worker_honours_the_retries_of_a_node_job(
    node: NodePeer, queue: Queue, redis: Redis
) -> None:
    again = {"attempts": 3, "backoff": {"type": "exponential", "delay": 20}}
    recovers = await node.call("add", name="x", data={"times": 2}, opts=again)
    fails = await node.call("add", name="x", data={"todo": "fail"}, opts=again)
    gives_up = await node.call("add", name="x", data={"todo": "give up"}, opts=again)
    at_once = await node.call("add", name="x", data={"todo": "fail"}, opts={"attempts": 2})
    async with our_worker(redis, QUEUE) as ours:
        await finished(queue, 4)
    for job, state, runs in (
        (recovers, "completed", 3),
        (fails, "failed", 3),
        (gives_up, "failed", 1),
        (at_once, "failed", 2),
    ):
        theirs = await node.call("getJob", id=job["id"])
        assert (theirs["state"], theirs["attemptsMade"]) == (state, runs)
        assert ours.begun.count(job["id"]) == runs
    theirs = await node.call("getJob", id=fails["id"])
    assert theirs["failedReason"] == "RuntimeError: told to fail 2"
    assert len(theirs["stacktrace"]) == 3
    await node.call("retry", id=fails["id"])
    assert (await node.call("getJob", id=fails["id"]))["state"] == "waiting"


async def test_our_worker_honours_the_delay_of_a_node_job(node: NodePeer, queue: Queue, redis: Redis) -> None:
    async with our_worker(redis, QUEUE):
        job = await node.call("add", name="x", data={}, opts={"delay": 300})
        await finished(queue, 1)
    theirs = await node.call("getJob", id=job["id"])
    assert 300 <= theirs["processedOn"] - theirs["timestamp"] < 2_000


async def test_our_worker_keeps_the_order_of_nodes_priorities(
    node: NodePeer, queue: Queue, redis: Redis
) -> None:
    jobs = [{"name": "x", "data": {"p": p}, "opts": {"priority": p}} for p in (5, 1, 3, 1, 2)]
    ids = await node.call("addBulk", jobs=[*jobs, {"name": "x", "data": {"p": 0}}])
    async with our_worker(redis, QUEUE, concurrency=1) as ours:
        await finished(queue, 6)
    assert ours.begun == [ids[5], ids[1], ids[3], ids[4], ids[2], ids[0]]


async def test_our_worker_keeps_what_node_asks_to_keep(node: NodePeer, queue: Queue, redis: Redis) -> None:
    for opts in ({"removeOnComplete": True}, {"removeOnComplete": 2}, {}):
        for _ in range(4):
            await node.call("add", name="x", data={}, opts=opts)
        async with our_worker(redis, QUEUE, concurrency=1) as ours:
            counters = ours.worker.counters
            await until(lambda counters=counters: counters.completed == 4)  # type: ignore[misc]
        assert len(ours.begun) == 4
        kept = (await node.call("counts"))["completed"]
        assert kept == {"True": 0, "2": 2, "None": 6}[str(opts.get("removeOnComplete"))]


async def test_node_hears_what_our_worker_does(node: NodePeer, queue: Queue, redis: Redis) -> None:
    await node.call("listen")
    async with our_worker(redis, QUEUE):
        good = (await queue.add("x", {"progress": {"pages": 1}}, KEEP)).id
        bad = (
            await queue.add("x", {"todo": "fail"}, JobOptions(attempts=2, backoff=Backoff("fixed", 10)))
        ).id
        await node.happening("event:active", jobId=good)
        await node.happening("event:progress", jobId=good, data={"pages": 1})
        (done,) = await node.happening("event:completed", jobId=good)
        assert done["returnvalue"] == {"by": "us", "progress": {"pages": 1}}
        (failed,) = await node.happening("event:failed", jobId=bad)
        assert failed["failedReason"] == "RuntimeError: told to fail 1"
        await node.happening("event:retries-exhausted", jobId=bad, attemptsMade="2")
        await node.happening("event:drained")


# --- we add, they process ------------------------------------------------------------------------


async def test_node_processes_what_we_add(node: NodePeer, queue: Queue) -> None:
    await node.call("startWorker", opts={"concurrency": 10})
    added = await queue.add_many(
        [NewJob("x", {"n": n, "progress": n, "log": f"row {n}"}, KEEP) for n in range(50)]
    )
    await finished(queue, 50)
    job = await queue.get_job(added[7].id)
    assert job is not None
    assert (job.state, job.progress, job.attempts_made) == ("completed", 7, 1)
    assert job.returnvalue == {"by": "node", "n": 7, "progress": 7, "log": "row 7"}
    assert await queue.get_logs(job.id) == ["row 7"]
    assert job.processed_on is not None
    assert (job.finished_on or 0) >= job.processed_on >= job.timestamp
    assert len(await queue.workers()) == 1


async def test_node_honours_our_retries(node: NodePeer, queue: Queue) -> None:
    options = JobOptions(attempts=3, backoff=Backoff("exponential", 20, 0.5), remove_on_complete=Retention())
    recovers = await queue.add("x", {"times": 2}, options)
    fails = await queue.add("x", {"todo": "fail"}, options)
    gives_up = await queue.add("x", {"todo": "give up"}, options)
    await node.call("startWorker")
    await finished(queue, 3)
    for added, state, runs in ((recovers, "completed", 3), (fails, "failed", 3), (gives_up, "failed", 1)):
        job = await queue.get_job(added.id)
        assert job is not None
        assert (job.state, job.attempts_made) == (state, runs)
    job = await queue.get_job(fails.id)
    assert job is not None
    assert (job.failed_reason, len(job.stacktrace)) == ("told to fail 2", 3)
    await queue.retry_job(fails.id)
    await finished(queue, 3)
    await node.happening("processing", 6, id=fails.id)


async def test_node_honours_our_delays_and_priorities(node: NodePeer, queue: Queue) -> None:
    delayed = await queue.add("x", {}, JobOptions(delay_ms=1500, remove_on_complete=Retention()))
    added = [
        await queue.add("x", {}, JobOptions(priority=p, remove_on_complete=Retention())) for p in (5, 1, 3)
    ]
    await node.call("startWorker", opts={"concurrency": 1})
    await finished(queue, 4)
    order = [each["id"] for each in await node.happening("processing", 4)]
    assert order == [added[1].id, added[2].id, added[0].id, delayed.id]
    job = await queue.get_job(delayed.id)
    assert job is not None
    assert (job.processed_on or 0) - job.timestamp >= 1500


# --- both at once -------------------------------------------------------------------------------


async def test_both_workers_share_one_queue(node: NodePeer, queue: Queue, redis: Redis) -> None:
    await node.call("startWorker", opts={"concurrency": 10})
    async with our_worker(redis, QUEUE, concurrency=10) as ours:
        added = await queue.add_many([NewJob("x", {"ms": 5, "n": n}, KEEP) for n in range(300)])
        ids = await node.call("addBulk", jobs=[{"name": "x", "data": {"ms": 5, "n": n}} for n in range(300)])
        counts = await finished(queue, 600)
        assert len(await node.call("getWorkers")) == 2
    assert (counts["completed"], counts["failed"], counts["active"], counts["waiting"]) == (600, 0, 0, 0)
    by_node = [each["id"] for each in node.happenings if each["happened"] == "processing"]
    assert sorted(ours.begun + by_node) == sorted([*ids, *(each.id for each in added)])  # each exactly once
    assert len(ours.begun) > 50
    assert len(by_node) > 50


async def test_a_pause_of_either_side_stops_both_workers(node: NodePeer, queue: Queue, redis: Redis) -> None:
    await node.call("startWorker")
    async with our_worker(redis, QUEUE) as ours:
        for pause, resume in (
            (queue.pause, lambda: node.call("resume")),
            (lambda: node.call("pause"), queue.resume),
        ):
            await pause()
            await queue.add_many([NewJob("x", {}, JobOptions(remove_on_complete=Retention(0)))] * 20)
            await node.call(
                "addBulk", jobs=[{"name": "x", "data": {}, "opts": {"removeOnComplete": True}}] * 20
            )
            before = len(ours.begun)
            assert (await queue.counts())["waiting"] == 40
            assert (await node.call("counts"))["active"] == 0
            await resume()
            assert await until(lambda: _is_empty(queue))
        assert before <= len(ours.begun)


async def _is_empty(queue: Queue) -> bool:
    counts = await queue.counts()
    return counts["waiting"] + counts["active"] == 0


async def test_a_global_limit_of_node_binds_our_worker(node: NodePeer, queue: Queue, redis: Redis) -> None:
    await node.call("setGlobalConcurrency", limit=2)
    most = 0
    async with our_worker(redis, QUEUE, concurrency=20) as ours:
        await queue.add_many([NewJob("x", {"ms": 20}, KEEP) for _ in range(20)])
        while ours.worker.counters.completed < 20:
            most = max(most, (await queue.counts())["active"])
    assert 1 <= most <= 2


# --- the other side dies ------------------------------------------------------------------------


async def test_we_recover_the_jobs_of_a_killed_node_worker(
    node: NodePeer, queue: Queue, redis: Redis, valkey: EmbeddedValkey
) -> None:
    async with doomed_peer(valkey.socket_path, QUEUE) as doomed:
        await doomed.call("startWorker", opts={"concurrency": 3, **SHORT})
        added = await queue.add_many([NewJob("x", {"ms": 2000}, KEEP) for _ in range(3)])
        await doomed.happening("processing", 3)
        doomed.kill()
    async with our_worker(redis, QUEUE, stalled_interval_ms=300) as ours:
        counts = await finished(queue, 3)
    assert (counts["completed"], counts["active"]) == (3, 0)
    assert sorted(ours.begun) == sorted(each.id for each in added)
    for each in added:
        assert (await node.call("getJob", id=each.id))["stalledCounter"] == 1


async def test_node_recovers_the_jobs_of_a_killed_worker_of_ours(
    node: NodePeer, queue: Queue, valkey: EmbeddedValkey
) -> None:
    await node.call("listen")
    ids = await node.call("addBulk", jobs=[{"name": "x", "data": {}}] * 3)
    async with doomed_worker(valkey.url) as doomed:
        begun = [await doomed.begun() for _ in range(3)]
        doomed.kill()
    await node.call("startWorker", opts={"stalledInterval": 300})
    await node.happening("event:stalled", 3)
    counts = await finished(queue, 3)
    assert (counts["completed"], counts["active"]) == (3, 0)
    by_node = [each["id"] for each in await node.happening("completed", 3)]
    assert sorted(by_node) == sorted(begun) == sorted(ids)
    assert {(await node.call("getJob", id=job_id))["stalledCounter"] for job_id in ids} == {1}


async def test_a_job_that_kills_each_side_once_fails_unrun(
    node: NodePeer, queue: Queue, redis: Redis, valkey: EmbeddedValkey
) -> None:
    added = await queue.add("x", {"ms": 60_000}, KEEP)
    async with doomed_peer(valkey.socket_path, QUEUE) as node_s:
        await node_s.call("startWorker", opts=SHORT)
        await node_s.happening("processing", id=added.id)
        node_s.kill()
    async with doomed_worker(valkey.url) as ours_too:
        assert await ours_too.begun() == added.id
        ours_too.kill()
    async with our_worker(redis, QUEUE, stalled_interval_ms=300) as ours:
        counts = await finished(queue, 1)
    job = await queue.get_job(added.id)
    assert job is not None
    assert (counts["failed"], ours.begun) == (1, [])
    assert "stalled" in (job.failed_reason or "")


@pytest.mark.parametrize("who", ["us", "node"])
async def test_a_worker_that_closes_leaves_nothing_active(
    who: str, node: NodePeer, queue: Queue, redis: Redis
) -> None:
    jobs: list[Any] = [NewJob("x", {"ms": 30}, KEEP) for _ in range(40)]
    await queue.add_many(jobs)
    if who == "us":
        async with our_worker(redis, QUEUE, concurrency=5) as ours:
            await until(lambda: len(ours.begun) > 5)
    else:
        await node.call("startWorker", opts={"concurrency": 5})
        await node.happening("processing", 6)
        await node.call("stopWorkers")
    counts = await queue.counts()
    assert counts["active"] == 0
    assert counts["completed"] + counts["waiting"] == 40
