"""Progress of what one call submitted together, by polling and by server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape import Mediascrape, Settings
from mediascrape.loadtest.process import RunningOrigin
from mediascrape.queue.adding import JobIds, id_runs, ids_of, made_at
from mediascrape.queue.connection import connect
from web.raw_http import Connection, call, served


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        data_dir=tmp_path / "data", allow_networks=(ip_network("127.0.0.0/8"),), backoff_ms=10
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Mediascrape]:
    async with Mediascrape(settings, worker=False) as running:
        yield running


async def submit(url: str, *pages: str) -> str:
    answer = await call(url, "POST", "/api/media/ingest", json.dumps({"urls": pages}).encode())
    assert answer.status == 202
    return str(answer.json()["batch_id"])


async def state(url: str, batch_id: str, *names: str) -> tuple[Any, ...]:
    batch = (await call(url, "GET", f"/api/batches/{batch_id}")).json()
    return tuple(batch[name] for name in names or ("queued", "active", "done", "failed", "missing"))


@given(st.lists(st.tuples(st.integers(0, 2**41), st.integers(1, 40), st.sampled_from(["", "foreign", "j1"]))))
def test_many_ids_are_one_short_text(calls: list[tuple[int, int, str]]) -> None:
    own = JobIds()
    ids = [
        job_id
        for now, count, odd in calls
        for job_id in [*(own.next(now) for _ in range(count)), odd]
        if job_id
    ]
    assert ids_of(id_runs(ids)) == ids


@given(st.lists(st.integers(0, 2**45), min_size=1))
def test_an_id_tells_when_it_was_made(times: list[int]) -> None:
    own = JobIds()
    ids = [own.next(now) for now in times]
    latest = max(times[: 1 + times.index(max(times))])
    assert made_at(ids[times.index(latest)]) == latest / 1000
    assert made_at("foreign") is made_at("j1") is None


def test_ids_of_one_call_cost_next_to_nothing() -> None:
    own = JobIds()
    assert len(id_runs(own.next(1_700_000_000_000) for _ in range(5000))) < 60


@pytest.mark.parametrize("count", [1, 12])
async def test_a_batch_outlives_the_service(settings: Settings, origin: RunningOrigin, count: int) -> None:
    """Submitted to one process, worked on by the next, and asked of a third."""
    async with Mediascrape(settings, worker=False) as service, served(service) as url:
        batch_id = await submit(url, *origin.urls(count))
        assert await state(url, batch_id) == (count, 0, 0, 0, 0)
    async with Mediascrape(settings) as service, served(service) as url, asyncio.timeout(30):
        while (await state(url, batch_id, "done"))[0] < count:
            await asyncio.sleep(0.05)
    async with Mediascrape(settings, worker=False) as service, served(service) as url:
        assert await state(url, batch_id) == (0, 0, count, 0, 0)
        found, new, finished = await state(url, batch_id, "found", "new", "finished")
        assert found >= new > 0
        assert finished


async def test_events_tell_each_change_and_end_with_the_batch(
    settings: Settings, origin: RunningOrigin
) -> None:
    async with Mediascrape(settings) as service, served(service) as url:
        await service.queue.pause()
        batch_id = await submit(url, *origin.urls(5), "http://127.0.0.1:9/", "nonsense")
        connection = await Connection.open(url)
        connection.send("GET", f"/api/events?batch={batch_id}")
        await asyncio.sleep(0.1)
        await service.queue.resume()
        async with asyncio.timeout(30):
            answer = await connection.receive()  # the stream ends by itself
        connection.close()
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    assert (told[0]["queued"], told[0]["finished"]) == (6, False)
    last = {name: told[-1][name] for name in ("total", "done", "failed", "missing", "rejected", "finished")}
    assert last == {"total": 6, "done": 5, "failed": 1, "missing": 0, "rejected": 1, "finished": True}
    assert [one["done"] + one["failed"] for one in told] == sorted(
        one["done"] + one["failed"] for one in told
    )


async def test_jobs_lost_by_an_emptied_server_are_missing(service: Mediascrape) -> None:
    async with served(service) as url:
        several = await submit(url, "https://example.org/1", "https://example.org/2")
        single = await submit(url, "https://example.org/3")
        assert await state(url, single) == (1, 0, 0, 0, 0)
        redis = connect(service.queue_url)
        await redis.flushall()
        await redis.aclose()
        async with asyncio.timeout(5):  # the last look at the queue is taken as it was for half a second
            while await state(url, single) != (0, 0, 0, 0, 1):
                await asyncio.sleep(0.05)
        # How many there were is lost with them.
        assert (await call(url, "GET", f"/api/batches/{several}")).status == 404


async def test_a_removed_job_is_missing_while_others_wait(
    service: Mediascrape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediascrape.web.batches._MISSING_EVERY_S", -1.0)
    async with served(service) as url:
        batch_id = await submit(url, "https://example.org/1", "https://example.org/2")
        other = await submit(url, "https://example.org/3", "https://example.org/4")
        jobs = await service.queue.list_jobs(["waiting"])
        await service.queue.remove_job(next(job.id for job in jobs if job.data["url"].endswith("/2")))
        assert await state(url, batch_id) == (1, 0, 0, 0, 1)
        assert await state(url, other) == (2, 0, 0, 0, 0)


async def test_the_removed_job_of_a_single_url_is_missing_while_others_wait(
    service: Mediascrape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediascrape.web.batches._LONE_EVERY_S", -1.0)
    async with served(service) as url:
        other = await submit(url, "https://example.org/2")
        body = b'{"urls": ["https://example.org/1"]}'
        for headers in ({}, {"x_request_id": "1"}):  # the short way and the ordinary one
            answer = (await call(url, "POST", "/api/media/ingest", body, **headers)).json()
            batch_id = answer["batch_id"]
            assert await state(url, batch_id) == (1, 0, 0, 0, 0)
            await service.queue.remove_job(answer["jobs"][0]["id"])
            assert await state(url, batch_id, "queued", "missing", "finished") == (0, 1, True)
        assert await state(url, other) == (1, 0, 0, 0, 0)


async def test_an_unknown_batch_is_a_404(service: Mediascrape) -> None:
    async with served(service) as url:
        for path in ("/api/batches/none", "/api/events?batch=none", "/api/batches/one-123"):
            assert (await call(url, "GET", path)).status == 404
