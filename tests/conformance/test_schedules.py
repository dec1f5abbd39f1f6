"""Job schedulers of both sides: written by one, read, advanced and removed by the other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import bullmq  # type: ignore[import-untyped]
import pytest
from redis.asyncio import Redis

from conformance.ours import our_worker
from conformance.peers import QUEUE, NodePeer, doomed_peer, until
from mediascrape.errors import InvalidScheduleError
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import Backoff, JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue
from mediascrape.queue.repeat import Repeat, next_cron_ms
from mediascrape.queue.schedules import NewSchedule

GONE = JobOptions(remove_on_complete=Retention(0))
TEMPLATE = {"name": "x", "data": {"n": 1}, "opts": {"removeOnComplete": True}}


async def test_node_reads_a_schedule_of_ours(node: NodePeer, queue: Queue) -> None:
    options = JobOptions(attempts=2, backoff=Backoff("exponential", 50, 0.5), keep_logs=3)
    cron = Repeat(cron="0 3 * * *", tz="Europe/Berlin", limit=9, start_ms=5_000, end_ms=2**41)
    every = Repeat(every_ms=60_000, offset_ms=1_000)
    await queue.schedules.upsert([
        NewSchedule("cron", cron, NewJob("scrape-page", {"url": "https://example.org/"}, options)),
        NewSchedule("every", every, NewJob("x", {}, GONE)),
    ])  # fmt: skip
    theirs = {each["key"]: each for each in await node.call("getJobSchedulers")}
    ours = {each.id: each for each in await queue.schedules.page()}
    shown = theirs["cron"]
    assert shown["template"]["opts"].pop("keepLogs") == 3
    assert shown == {
        "key": "cron", "name": "scrape-page", "next": ours["cron"].next_ms, "iterationCount": 1, "limit": 9,
        "startDate": 5_000, "endDate": 2**41, "tz": "Europe/Berlin", "pattern": "0 3 * * *", "offset": 0,
        "template": {
            "data": {"url": "https://example.org/"},
            "opts": {"attempts": 2, "backoff": {"type": "exponential", "delay": 50, "jitter": 0.5}},
        },
    }  # fmt: skip
    shown = theirs["every"]
    assert (shown["every"], shown["offset"], shown["next"]) == (60_000, 1_000, ours["every"].next_ms)


async def test_we_read_a_schedule_of_node(node: NodePeer, queue: Queue) -> None:
    end = "2039-01-01T00:00:00.000Z"
    repeat = {"pattern": "0 0 3 * * *", "tz": "Asia/Kolkata", "limit": 4, "endDate": end}
    job = await node.call("upsertJobScheduler", id="cron", repeat=repeat, template=TEMPLATE)
    schedule = await queue.schedules.get("cron")
    assert schedule is not None
    end_ms = round(datetime.fromisoformat(end).timestamp() * 1000)
    assert schedule.repeat == Repeat(cron="0 0 3 * * *", tz="Asia/Kolkata", limit=4, end_ms=end_ms)
    assert (schedule.name, schedule.data, schedule.runs) == ("x", {"n": 1}, 1)
    assert schedule.options.remove_on_complete == Retention(0)
    assert job["id"] == f"repeat:cron:{schedule.next_ms}"
    assert schedule.next_ms == next_cron_ms("0 0 3 * * *", "Asia/Kolkata", job["timestamp"])


@pytest.mark.parametrize("who", ["us", "node"])
async def test_each_removes_the_other_s(who: str, node: NodePeer, queue: Queue) -> None:
    if who == "us":
        await node.call("upsertJobScheduler", id="s", repeat={"every": 60_000}, template=TEMPLATE)
        assert await queue.schedules.remove("s")
    else:
        await queue.schedules.upsert([NewSchedule("s", Repeat(every_ms=60_000), NewJob("x", {}))])
        assert await node.call("removeJobScheduler", id="s")
    assert await node.call("getJobSchedulers") == []
    assert await queue.schedules.page() == []


async def test_our_worker_runs_node_s_schedules(node: NodePeer, queue: Queue, redis: Redis) -> None:
    await node.call("upsertJobScheduler", id="every", repeat={"every": 60}, template=TEMPLATE)
    cron = {"pattern": "* * * * * *", "immediately": True}
    await node.call("upsertJobScheduler", id="cron", repeat=cron, template=TEMPLATE)
    async with our_worker(redis, QUEUE) as ours:
        await until(lambda: _runs(ours.begun, "every") >= 5 and _runs(ours.begun, "cron") >= 3)
    assert len(ours.begun) == len(set(ours.begun))
    counts = await queue.counts()
    assert counts["delayed"] + counts["waiting"] == 2
    iterations = {each["key"]: each["iterationCount"] for each in await node.call("getJobSchedulers")}
    assert iterations["cron"] == _runs(ours.begun, "cron") + 1


async def test_node_runs_our_schedules(node: NodePeer, queue: Queue) -> None:
    await queue.schedules.upsert([
        NewSchedule("every", Repeat(every_ms=60), NewJob("x", {}, GONE)),
        NewSchedule("cron", Repeat(cron="* * * * * *", immediately=True), NewJob("x", {}, GONE)),
    ])  # fmt: skip
    await node.call("startWorker")
    begun = node.happenings
    await until(lambda: _runs(_ids(begun), "every") >= 5 and _runs(_ids(begun), "cron") >= 3)
    await node.call("stopWorkers")
    assert len(_ids(begun)) == len(set(_ids(begun)))
    counts = await queue.counts()
    assert counts["delayed"] + counts["waiting"] == 2


async def test_both_workers_together_make_no_run_twice(node: NodePeer, queue: Queue, redis: Redis) -> None:
    repeat = {"every": 40}
    for n in range(3):
        await node.call("upsertJobScheduler", id=f"node{n}", repeat=repeat, template=TEMPLATE)
        await queue.schedules.upsert([
            NewSchedule(f"ours{n}", Repeat(every_ms=40), NewJob("x", {"n": n}, GONE))
        ])  # fmt: skip
    cron = NewSchedule("cron", Repeat(cron="* * * * * *", immediately=True), NewJob("x", {}, GONE))
    await queue.schedules.upsert([cron])
    await node.call("startWorker", opts={"concurrency": 5})
    async with our_worker(redis, QUEUE, concurrency=5) as ours:
        await until(lambda: len(ours.begun) >= 30 and len(_ids(node.happenings)) >= 30)
        await node.call("stopWorkers")
    ran = ours.begun + _ids(node.happenings)
    assert len(ran) == len(set(ran))
    counts = await queue.counts()
    assert counts["delayed"] + counts["waiting"] == 7
    assert (counts["active"], counts["failed"]) == (0, 0)


async def test_our_worker_goes_on_with_a_schedule_whose_node_worker_was_killed(
    node: NodePeer, queue: Queue, redis: Redis, valkey: EmbeddedValkey
) -> None:
    job = await node.call(
        "upsertJobScheduler",
        id="s",
        repeat={"every": 86_400_000},
        template={**TEMPLATE, "data": {"ms": 2000}},
    )
    async with doomed_peer(valkey.socket_path, QUEUE) as doomed:
        await doomed.call("startWorker", opts={"lockDuration": 1000, "stalledInterval": 300})
        await doomed.happening("processing")
        doomed.kill()
    async with our_worker(redis, QUEUE, stalled_interval_ms=300) as ours:
        await until(lambda: ours.begun == [job["id"]])
    assert (await queue.counts())["delayed"] == 1  # the next run, once
    schedule = await queue.schedules.get("s")
    assert schedule is not None
    assert schedule.runs == 2


async def test_the_python_package_reads_and_writes_schedules(queue: Queue, valkey: EmbeddedValkey) -> None:
    theirs = bullmq.Queue(QUEUE, {"connection": valkey.url})
    try:
        await theirs.upsertJobScheduler("theirs", {"pattern": "0 3 * * *", "tz": "Europe/Berlin"}, "x")
        await queue.schedules.upsert([NewSchedule("ours", Repeat(every_ms=60_000), NewJob("x", {"n": 1}))])
        read = await queue.schedules.get("theirs")
        assert read is not None
        assert read.repeat == Repeat(cron="0 3 * * *", tz="Europe/Berlin")
        shown = await theirs.getJobScheduler("ours")
        assert (shown["every"], shown["template"]["data"]) == (60_000, {"n": 1})
    finally:
        await theirs.close()


@pytest.mark.parametrize(
    "repeat",
    [
        Repeat(every_ms=86_400_000, start_ms=2**41 - 7),
        Repeat(every_ms=86_400_000, offset_ms=12_345),
        Repeat(cron="0 6 * * 1-5", tz="America/New_York", start_ms=2**41 - 7),
        Repeat(cron="30 5 1 * *", tz="Asia/Kolkata"),
    ],
)
async def test_both_plan_the_same_first_run(node: NodePeer, queue: Queue, repeat: Repeat) -> None:
    await queue.schedules.upsert([NewSchedule("ours", repeat, NewJob("x", {}))])
    await node.call("upsertJobScheduler", id="theirs", repeat=repeat.to_wire(), template={"name": "x"})
    ours, theirs = await queue.schedules.get_many(["ours", "theirs"])
    assert ours is not None
    assert theirs is not None
    assert (ours.next_ms, ours.repeat) == (theirs.next_ms, theirs.repeat)
    jobs = [await queue.get_job(f"repeat:{one.id}:{one.next_ms}") for one in (ours, theirs)]
    mine, other = [dict(job.opts.other) for job in jobs if job is not None]
    for options in (mine, other):
        options.pop("repeatJobKey")
        options["repeat"] = {key: value for key, value in options["repeat"].items() if value is not None}
    if repeat.every_ms is not None:
        other.pop("prevMillis", None)  # not a number, with Node
    assert mine == other


CRONS = [
    "* * * * *", "0 * * * *", "*/15 * * * *", "0 3 * * *", "0 0 * * 0", "0 0 * * 7", "0 0 * * MON-FRI",
    "0 0 1 * *", "0 0 13 * 5", "0 0 L * *", "0 0 * * 5L", "0 0 * * 2#3", "*/10 * * * * *", "0 30 9 * * 1",
    "0 0 29 2 *", "15 10 ? * *", "@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@weekdays",
    "0 0 */2 * 1", "0 0 1 * */2", "5/20 * * * *", "0 */6 * * *", "0 0 31 * *", "0 0 * jan,JUL *",
    "0 0 * * 1-7", "61 * * * *", "* * 0 * *", "* * * 13 *", "0 22-2 * * *", "a b c d e", "* * * * * * *",
]  # fmt: skip
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
#: Around both changes of the clocks in Berlin, and some other moments.
MOMENTS = [1774738800000, 1774746000000, 1792882800000, 1792893600000, 1700000000123, 1795519800000]


async def test_cron_expressions_mean_what_they_mean_in_node(node: NodePeer) -> None:
    cases = [(cron, tz, at) for cron in CRONS for tz in ZONES for at in MOMENTS]
    theirs = await node.call("cronNext", cases=cases)
    differing = [
        (case, _readable(node_s), _readable(ours))
        for case, node_s in zip(cases, theirs, strict=True)
        if (ours := _next(*case)) != node_s
    ]
    assert not differing, json.dumps(differing, indent=1)


def _next(cron: str, tz: str, at: int) -> int | None:
    try:
        return next_cron_ms(cron, tz, at)
    except InvalidScheduleError:
        return None


def _readable(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def _runs(ids: list[str], schedule_id: str) -> int:
    return sum(job_id.startswith(f"repeat:{schedule_id}:") for job_id in ids)


def _ids(happenings: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in happenings if each["happened"] == "processing"]
