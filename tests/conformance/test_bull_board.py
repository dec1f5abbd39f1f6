"""Bull Board, started by Node on our queue, asked over HTTP as its page asks."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest
from redis.asyncio import Redis

from conformance.ours import our_worker
from conformance.peers import QUEUE, NodePeer, until
from conformance.test_workers_with_node import finished
from mediascrape.queue.job import JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule


class Board:
    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}/board"

    async def ask(self, path: str, method: str = "GET") -> Any:
        """The reply, decoded where it is JSON; "" where there is none."""

        def ask() -> str:
            request = urllib.request.Request(f"{self.base}{path}", method=method)
            with urllib.request.urlopen(request, timeout=15) as response:
                return str(response.read().decode())

        text = await asyncio.to_thread(ask)
        return json.loads(text) if text.startswith(("{", "[")) else text


@pytest.fixture
async def board(node: NodePeer) -> Board:
    return Board(await node.call("board"))


async def test_the_page_is_there(board: Board) -> None:
    assert "<html" in await board.ask("/")


async def test_it_lists_and_shows_our_jobs(board: Board, queue: Queue, redis: Redis) -> None:
    keep = JobOptions(remove_on_complete=Retention())
    async with our_worker(redis, QUEUE):
        await queue.add_many([NewJob("scrape-page", {"n": 1, "log": "a row", "progress": 50}, keep)])
        bad = await queue.add("scrape-page", {"todo": "give up"})
        await finished(queue, 2)
    await queue.add("scrape-page", {"url": "https://example.org/"}, JobOptions(delay_ms=60_000))
    await queue.add("scrape-page", {"url": "https://example.org/"}, JobOptions(priority=2))
    waits = await queue.add("scrape-page", {"url": "https://example.org/"})

    (listed,) = (await board.ask(f"/api/queues?activeQueue={QUEUE}&status=failed&page=1"))["queues"]
    assert listed["name"] == QUEUE
    counts = listed["counts"]
    assert all(counts[state] == 1 for state in ("completed", "failed", "delayed", "prioritized", "waiting"))
    assert [job["id"] for job in listed["jobs"]] == [bad.id]
    assert "told to give up" in listed["jobs"][0]["failedReason"]

    shown = await board.ask(f"/api/queues/{QUEUE}/{waits.id}")
    assert shown["status"] == "waiting"
    assert shown["job"]["data"] == {"url": "https://example.org/"}


async def test_it_retries_a_failed_job(board: Board, queue: Queue, redis: Redis) -> None:
    async with our_worker(redis, QUEUE) as ours:
        bad = await queue.add("scrape-page", {"todo": "give up"})
        await finished(queue, 1)
        await board.ask(f"/api/queues/{QUEUE}/{bad.id}/retry", "PUT")
        await until(lambda: ours.begun.count(bad.id) == 2)


async def test_it_pauses_resumes_and_empties(board: Board, queue: Queue) -> None:
    await board.ask(f"/api/queues/{QUEUE}/pause", "PUT")
    assert await queue.is_paused()
    await board.ask(f"/api/queues/{QUEUE}/resume", "PUT")
    assert not await queue.is_paused()
    await queue.add("scrape-page", {})
    await board.ask(f"/api/queues/{QUEUE}/empty", "PUT")
    assert (await queue.counts())["waiting"] == 0


async def test_it_shows_the_log_of_a_job(board: Board, queue: Queue) -> None:
    added = await queue.add("scrape-page", {})
    await queue.add_log(added.id, "a row")
    assert "a row" in json.dumps(await board.ask(f"/api/queues/{QUEUE}/{added.id}/logs"))


async def test_it_shows_runs_and_removes_our_schedules(board: Board, queue: Queue) -> None:
    data = {"url": "https://example.org/"}
    repeat = Repeat(cron="0 6 * * 1-5", tz="Europe/Berlin")
    await queue.schedules.upsert([NewSchedule("s", repeat, NewJob("scrape-page", data))])
    (shown,) = (await board.ask("/api/job-schedulers"))["schedulers"]
    assert (shown["id"], shown["pattern"], shown["tz"]) == ("s", "0 6 * * 1-5", "Europe/Berlin")
    assert shown["template"]["data"] == data
    await board.ask(f"/api/queues/{QUEUE}/job-schedulers/s/run", "PUT")
    (job,) = await queue.list_jobs(["waiting"])
    assert (job.name, job.data) == ("scrape-page", data)
    await board.ask(f"/api/queues/{QUEUE}/job-schedulers/s/remove", "PUT")
    assert await queue.schedules.count() == 0


async def test_it_shows_what_our_workers_counted(board: Board, queue: Queue, redis: Redis) -> None:
    async with our_worker(redis, QUEUE, metrics_points=10):
        await queue.add_many([NewJob("x", {})] * 3)
        await finished(queue, 3)
    counted = await board.ask(f"/api/queues/{QUEUE}/metrics")
    assert counted["completed"]["meta"]["count"] == 3, counted
