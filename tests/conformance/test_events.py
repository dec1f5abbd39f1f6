"""Both sides' listeners hear both sides' queues and workers, the same things in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bullmq  # type: ignore[import-untyped]
import pytest
from redis.asyncio import Redis

from conformance.ours import our_worker
from conformance.peers import PATIENCE, QUEUE, NodePeer, until
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.events import QueueEvent, QueueEvents
from mediascrape.queue.job import Backoff, Deduplication, JobOptions, Retention
from mediascrape.queue.queue import Queue

#: What `peer.mjs` listens to.
HEARD_BY_NODE = {
    "added", "waiting", "active", "progress", "completed", "failed", "delayed", "stalled", "duplicated",
    "deduplicated", "paused", "resumed", "removed", "drained", "retries-exhausted", "cleaned",
}  # fmt: skip


@asynccontextmanager
async def heard(redis: Redis) -> AsyncIterator[list[QueueEvent]]:
    """What our listener hears, as it goes on hearing."""
    told: list[QueueEvent] = []
    async with QueueEvents(redis, QUEUE) as events:

        async def listen() -> None:
            async for event in events.follow(HEARD_BY_NODE):
                told.append(event)  # noqa: PERF401  read while it grows

        task = asyncio.create_task(listen())
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def of(told: list[QueueEvent], kind: str, job_id: str | None = None) -> list[QueueEvent]:
    return [event for event in told if event.kind == kind and job_id in {None, event.job_id}]


async def test_we_hear_node_s_worker_and_queue(node: NodePeer, redis: Redis) -> None:
    async with heard(redis) as told:
        await node.call("startWorker")
        good = (await node.call("add", name="x", data={"n": 1, "progress": {"pages": 1}}))["id"]
        bad = (
            await node.call(
                "add",
                name="x",
                data={"todo": "fail"},
                opts={"attempts": 2, "backoff": {"type": "fixed", "delay": 5}},
            )
        )["id"]
        await until(lambda: of(told, "completed", good) and of(told, "retries-exhausted", bad))
        await node.call("pause")
        await node.call("resume")
        await until(lambda: of(told, "paused") and of(told, "resumed"))
    assert of(told, "progress", good)[0].value == {"pages": 1}
    assert of(told, "completed", good)[0].value == {"by": "node", "n": 1, "progress": {"pages": 1}}
    assert of(told, "failed", bad)[0].reason == "told to fail 1"
    (delayed,) = of(told, "delayed", bad)
    assert delayed.due_ms is not None
    assert abs(delayed.due_ms - delayed.at_ms) < 10_000


async def test_both_listeners_hear_the_same_of_both_workers(
    node: NodePeer, queue: Queue, redis: Redis
) -> None:
    await node.call("listen")
    async with heard(redis) as told:
        await node.call("startWorker", opts={"concurrency": 3})
        async with our_worker(redis, QUEUE, concurrency=3):
            keep = JobOptions(attempts=2, backoff=Backoff("fixed", 5), remove_on_complete=Retention())
            for n in range(20):
                data: dict[str, Any] = {"n": n, "ms": 2, "progress": n}
                await queue.add("x", data | ({"todo": "fail"} if n % 5 == 0 else {}), keep)
                await node.call("add", name="x", data=data)
            once = JobOptions(deduplication=Deduplication("d"), delay_ms=60_000)
            await queue.add("x", {}, once)
            await queue.add("x", {}, once)
            await queue.add("x", {}, JobOptions(job_id="twice", delay_ms=60_000))
            await queue.add("x", {}, JobOptions(job_id="twice", delay_ms=60_000))
            await until(lambda: len(of(told, "completed")) + len(of(told, "retries-exhausted")) == 40)
            await node.call("stopWorkers")
        await queue.remove_job("twice")
        await until(lambda: of(told, "removed", "twice"))
        last = told[-1].id
        await until(lambda: any(each.get("streamId") == last for each in node.happenings))
    by_node = [
        (each["streamId"], each["happened"].removeprefix("event:"), each.get("jobId"))
        for each in node.happenings
        if each["happened"].startswith("event:")
    ]
    ours = [(event.id, event.kind, event.job_id) for event in told]
    assert [event for event in by_node if event[0] >= ours[0][0]] == ours
    assert len({event.kind for event in told}) >= 11


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_python_package_hears_our_worker(
    queue: Queue, redis: Redis, valkey: EmbeddedValkey
) -> None:
    theirs = bullmq.QueueEvents(QUEUE, {"connection": valkey.url, "lastEventId": "0-0"})
    over: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def completed(fields: dict[str, Any], _stream_id: str) -> None:
        if not over.done():
            over.set_result(fields)

    theirs.on("completed", completed)
    try:
        async with our_worker(redis, QUEUE), asyncio.timeout(PATIENCE):
            added = await queue.add("x", {"n": 1})
            fields = await over
    finally:
        await theirs.close()
    assert fields["jobId"] == added.id
