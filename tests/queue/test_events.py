from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from mediascrape.errors import ConfigurationError
from mediascrape.queue.events import BEGINNING, QueueEvent, QueueEvents
from mediascrape.queue.job import Deduplication, Job, JobOptions
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext
from mediascrape.queue.worker import Worker


async def processor(job: Job, context: JobContext) -> object:
    if "progress" in job.data:
        await context.update_progress(job.data["progress"])
    if job.data.get("fail"):
        raise RuntimeError("told to fail")
    return {"n": job.data["n"]}


async def take_until(events: QueueEvents, last: Callable[[QueueEvent], bool]) -> list[QueueEvent]:
    """All events up to the first that is the last."""
    taken: list[QueueEvent] = []
    async with asyncio.timeout(20), aclosing(events.follow()) as following:
        async for event in following:
            taken.append(event)
            if last(event):
                return taken
    raise AssertionError("the events ended")


async def test_the_life_of_jobs_is_told(queue: Queue, redis: Redis) -> None:
    async with queue.events() as events, Worker(redis, queue.name, processor):
        good = await queue.add("x", {"n": 1, "progress": {"percent": 50}})
        bad = await queue.add("x", {"n": 2, "fail": True})
        over: set[str | None] = set()

        def both_ended(event: QueueEvent) -> bool:
            over.update({event.job_id} if event.kind in {"completed", "retries-exhausted"} else set())
            return len(over) == 2

        told = await take_until(events, both_ended)
    of_good = [event for event in told if event.job_id == good.id]
    assert [event.kind for event in of_good] == ["added", "waiting", "active", "progress", "completed"]
    assert of_good[3].value == {"percent": 50}
    assert (of_good[4].value, of_good[4].prev) == ({"n": 1}, "active")
    failed = next(event for event in told if event.kind == "failed")
    assert (failed.job_id, failed.reason, failed.value) == (bad.id, "RuntimeError: told to fail", None)
    assert [event.at_ms for event in told] == sorted(event.at_ms for event in told)


async def test_only_what_happens_from_the_start_on_unless_told_otherwise(queue: Queue, redis: Redis) -> None:
    first = await queue.add("x", {})
    async with QueueEvents(redis, queue.name) as events:
        second = await queue.add("x", {})
        told = await take_until(events, lambda event: event.kind == "waiting")
        assert {event.job_id for event in told} == {second.id}
    async with QueueEvents(redis, queue.name, after=BEGINNING) as events:
        told = await take_until(events, lambda event: event.job_id == second.id)
        assert told[0].job_id == first.id


async def test_another_reader_goes_on_where_one_stopped(queue: Queue, redis: Redis) -> None:
    async with QueueEvents(redis, queue.name) as one:
        await queue.add("x", {})
        await take_until(one, lambda event: event.kind == "added")
    await queue.add("x", {})
    async with QueueEvents(redis, queue.name, after=one.last_id) as two:
        told = await take_until(two, lambda event: event.kind == "added")
    assert [event.kind for event in told] == ["waiting", "added"]


async def test_a_lost_connection_loses_no_event(queue: Queue, redis: Redis) -> None:
    async with QueueEvents(redis, queue.name) as events:
        following = events.follow({"added"})
        first = await queue.add("x", {})
        assert (await anext(following)).job_id == first.id
        waiting = asyncio.ensure_future(anext(following))
        async with asyncio.timeout(20):
            while not any(row["cmd"] == "xread" for row in await redis.client_list()):
                await asyncio.sleep(0.01)
        for row in await redis.client_list():
            if row["cmd"] == "xread":
                await redis.client_kill_filter(_id=row["id"])
        second = await queue.add("x", {})
        async with asyncio.timeout(20):
            assert (await waiting).job_id == second.id


async def test_only_the_kinds_asked_for(queue: Queue, redis: Redis) -> None:
    async with QueueEvents(redis, queue.name) as events:
        await queue.add("x", {}, JobOptions(deduplication=Deduplication("d")))
        again = await queue.add("x", {}, JobOptions(deduplication=Deduplication("d")))
        late = await queue.add("x", {}, JobOptions(delay_ms=60_000))
        await queue.pause()
        following = events.follow({"deduplicated", "delayed", "paused"})
        async with asyncio.timeout(20):
            deduplicated, delayed, paused = [await anext(following) for _ in range(3)]
    assert deduplicated.job_id == again.id
    assert (delayed.job_id, paused.job_id) == (late.id, None)
    assert delayed.due_ms is not None
    assert abs(delayed.due_ms - delayed.at_ms - 60_000) < 5_000


async def test_an_id_that_is_none(queue: Queue, redis: Redis) -> None:
    await queue.add("x", {})
    async with QueueEvents(redis, queue.name, after="yesterday") as events:
        with pytest.raises(ConfigurationError, match="yesterday"):
            await anext(events.follow())


@given(
    st.text(), st.dictionaries(st.sampled_from(["event", "jobId", "delay", "data", "returnvalue"]), st.text())
)
def test_any_entry_is_read(entry_id: str, fields: dict[str, str]) -> None:
    event = QueueEvent.from_wire(entry_id, fields)
    assert (event.kind, event.job_id, event.fields) == (fields.get("event", ""), fields.get("jobId"), fields)
    assert isinstance(event.at_ms, int)
