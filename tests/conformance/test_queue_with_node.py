"""What one side's Queue writes, the other side's Queue reads; no worker takes part."""

from __future__ import annotations

import pytest

from conformance.peers import NodePeer
from mediascrape.errors import JobNotFoundError
from mediascrape.queue.job import Backoff, Deduplication, JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue

DATA = {
    "url": "https://example.org/ä?q=\u2028",
    "list": [1, 2.5, None, True],
    "deep": {"empty": {}, "none": []},
}


async def test_node_reads_a_job_of_ours(node: NodePeer, queue: Queue) -> None:
    added = await queue.add(
        "scrape-page", DATA, JobOptions(attempts=2, backoff=Backoff("exponential", 2000, 0.5))
    )
    theirs = await node.call("getJob", id=added.id)
    assert (theirs["name"], theirs["data"], theirs["state"]) == ("scrape-page", DATA, "waiting")
    assert theirs["opts"]["attempts"] == 2
    assert theirs["opts"]["backoff"] == {"type": "exponential", "delay": 2000, "jitter": 0.5}
    assert theirs["attemptsMade"] == 0


async def test_we_read_a_job_of_node(node: NodePeer, queue: Queue) -> None:
    opts = {
        "attempts": 3,
        "backoff": {"type": "fixed", "delay": 50},
        "removeOnComplete": {"count": 5, "age": 60},
        "removeOnFail": False,
        "keepLogs": 7,
    }
    theirs = await node.call("add", name="scrape-page", data=DATA, opts=opts)
    job = await queue.get_job(theirs["id"])
    assert job is not None
    assert (job.name, job.data, job.state, job.malformed) == ("scrape-page", DATA, "waiting", None)
    assert (job.opts.attempts, job.opts.backoff) == (3, Backoff("fixed", 50))
    assert (job.opts.remove_on_complete, job.opts.remove_on_fail) == (Retention(5, 60), Retention())
    assert (job.opts.keep_logs, job.timestamp) == (7, theirs["timestamp"])


async def test_options_of_ours_arrive_at_node(node: NodePeer, queue: Queue) -> None:
    options = JobOptions(
        delay_ms=60_000, priority=7, attempts=4, keep_logs=3, timestamp=1_700_000_000_000, job_id="our-id",
        remove_on_complete=Retention(0), remove_on_fail=Retention(9, 60),
        deduplication=Deduplication("same", 60_000),
    )  # fmt: skip
    assert (await queue.add("scrape-page", {}, options)).id == "our-id"
    theirs = await node.call("getJob", id="our-id")
    assert (theirs["state"], theirs["delay"], theirs["priority"]) == ("delayed", 60_000, 7)
    assert theirs["opts"]["removeOnComplete"] is True
    assert theirs["opts"]["removeOnFail"] == {"count": 9, "age": 60}
    assert (theirs["deduplicationId"], theirs["timestamp"]) == ("same", 1_700_000_000_000)
    assert theirs["opts"]["keepLogs"] == 3


@pytest.mark.parametrize(
    ("wire", "kept"),
    [
        (True, Retention(0)),
        (False, Retention()),
        (3, Retention(3)),
        ({"age": 5}, Retention(None, 5)),
        (None, None),
    ],
)
async def test_retention_forms(node: NodePeer, queue: Queue, wire: object, kept: Retention | None) -> None:
    opts = {} if wire is None else {"removeOnComplete": wire}
    job = await queue.get_job((await node.call("add", name="x", data={}, opts=opts))["id"])
    assert job is not None
    assert job.opts.remove_on_complete == kept


async def test_counts_are_equal_in_every_state(node: NodePeer, queue: Queue) -> None:
    jobs = [NewJob("x", {"n": n}) for n in range(5)]
    jobs += [NewJob("x", {}, JobOptions(delay_ms=60_000)), NewJob("x", {}, JobOptions(priority=3))]
    await queue.add_many(jobs)
    await node.call(
        "addBulk", jobs=[{"name": "x", "data": {}}, {"name": "x", "data": {}, "opts": {"delay": 60_000}}]
    )
    theirs, ours = await node.call("counts"), await queue.counts()
    assert ours == {"waiting": 6, "active": 0, "prioritized": 1, "delayed": 2, "completed": 0, "failed": 0,
                    "waiting-children": 0}  # fmt: skip
    assert {state: theirs[state] for state in ours} == ours


async def test_the_same_jobs_in_the_same_order(node: NodePeer, queue: Queue) -> None:
    for n in range(3):
        await queue.add("x", {"n": n})
        await node.call("add", name="x", data={"n": n}, opts={})
    for ascending in (True, False):
        theirs = await node.call("getJobs", states=["waiting"], asc=ascending)
        ours = [job.id for job in await queue.list_jobs(["waiting"], oldest_first=ascending)]
        assert ours == theirs
    page = [job.id for job in await queue.list_jobs(["waiting"], start=2, limit=2, oldest_first=True)]
    assert page == await node.call("getJobs", states=["waiting"], start=2, end=3, asc=True)


async def test_lifo_goes_first_on_both_sides(node: NodePeer, queue: Queue) -> None:
    first = await queue.add("x", {})
    theirs = await node.call("add", name="x", data={}, opts={"lifo": True})
    ours = await queue.add("x", {}, JobOptions(lifo=True))
    order = await node.call("getJobs", states=["waiting"], asc=True)
    assert order == [ours.id, theirs["id"], first.id]


async def test_one_deduplication_for_both(node: NodePeer, queue: Queue) -> None:
    once = JobOptions(deduplication=Deduplication("page"))
    ours = await queue.add("x", {}, once)
    theirs = await node.call("add", name="x", data={}, opts={"deduplication": {"id": "page"}})
    assert theirs["id"] == ours.id
    assert (await queue.add("x", {}, once)).duplicate
    await node.call("removeDeduplicationKey", id="page")
    theirs = await node.call("add", name="x", data={}, opts={"deduplication": {"id": "page"}})
    again = await queue.add("x", {}, once)
    assert (again.id, again.duplicate) == (theirs["id"], True)


async def test_an_id_given_twice_is_one_job(node: NodePeer, queue: Queue) -> None:
    await node.call("add", name="x", data={"by": "node"}, opts={"jobId": "same"})
    added = await queue.add("x", {"by": "us"}, JobOptions(job_id="same"))
    assert added.id == "same"
    job = await queue.get_job("same")
    assert job is not None
    assert job.data == {"by": "node"}


async def test_pause_and_resume_each_way(node: NodePeer, queue: Queue) -> None:
    await queue.pause()
    assert await node.call("isPaused") is True
    await queue.add("x", {})
    await node.call("add", name="x", data={}, opts={})
    assert (await queue.counts())["waiting"] == 2
    await node.call("resume")
    assert not await queue.is_paused()
    await node.call("pause")
    assert await queue.is_paused()
    await queue.resume()
    assert await node.call("isPaused") is False
    assert (await node.call("counts"))["waiting"] == 2


async def test_each_side_removes_promotes_and_reorders_the_others_jobs(node: NodePeer, queue: Queue) -> None:
    ours = await queue.add("x", {}, JobOptions(delay_ms=60_000))
    theirs = (await node.call("add", name="x", data={}, opts={"delay": 60_000}))["id"]
    await queue.promote(theirs)
    await node.call("promote", id=ours.id)
    assert await node.call("getJobs", states=["waiting"], asc=True) == [theirs, ours.id]
    await queue.change_priority(ours.id, 9)
    await node.call("changePriority", id=theirs, priority=8)
    assert [job.id for job in await queue.list_jobs(["prioritized"], oldest_first=True)] == [theirs, ours.id]
    assert await node.call("countsPerPriority", priorities=[8, 9]) == {"8": 1, "9": 1}
    await queue.remove_job(theirs)
    assert await node.call("remove", id=ours.id) == 1
    assert await node.call("getJob", id=theirs) is None
    with pytest.raises(JobNotFoundError):
        await queue.remove_job(ours.id)


async def test_drain_and_clean_each_others_jobs(node: NodePeer, queue: Queue) -> None:
    await queue.add("x", {})
    await node.call("drain")
    assert (await queue.counts())["waiting"] == 0
    theirs = (await node.call("add", name="x", data={}, opts={"delay": 60_000}))["id"]
    assert await queue.clean("delayed") == [theirs]
    ours = await queue.add("x", {}, JobOptions(delay_ms=60_000))
    assert await node.call("clean", grace=0, limit=10, type="delayed") == [ours.id]


async def test_logs_and_progress_each_way(node: NodePeer, queue: Queue) -> None:
    job_id = (await node.call("add", name="x", data={}, opts={}))["id"]
    await queue.add_log(job_id, "from us: ä")
    await queue.update_progress(job_id, {"done": 0.5})
    theirs = await node.call("getJob", id=job_id)
    assert (theirs["logs"], theirs["progress"]) == (["from us: ä"], {"done": 0.5})


async def test_node_hears_the_events_of_our_queue(node: NodePeer, queue: Queue) -> None:
    await node.call("listen")
    added = await queue.add("scrape-page", {}, JobOptions(job_id="heard"))
    await queue.add("scrape-page", {}, JobOptions(job_id="heard"))
    await queue.add("x", {}, JobOptions(delay_ms=60_000, job_id="later"))
    await queue.update_progress(added.id, 42)
    await queue.pause()
    await queue.resume()
    await queue.remove_job(added.id)
    await node.happening("event:added", jobId="heard", name="scrape-page")
    await node.happening("event:waiting", jobId="heard")
    await node.happening("event:duplicated", jobId="heard")
    await node.happening("event:delayed", jobId="later")
    await node.happening("event:progress", jobId="heard", data=42)
    await node.happening("event:paused")
    await node.happening("event:resumed")
    await node.happening("event:removed", jobId="heard")
