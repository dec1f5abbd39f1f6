"""The whole as a library: real embedded Valkey, real SQLite, pages on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest

import mediascrape
from mediascrape import Mediascrape, Settings
from mediascrape.cli.serve import _serve
from mediascrape.cli.worker import _work
from mediascrape.errors import ConfigurationError, InvalidURLError, StoreUnavailableError
from mediascrape.loadtest.process import RunningOrigin
from mediascrape.parts import worker_name
from mediascrape.queue.pump import Pump
from mediascrape.store import ScrapeQuery
from mediascrape.submission import Progress


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        data_dir=tmp_path / "data", allow_networks=(ip_network("127.0.0.0/8"),), backoff_ms=10, concurrency=20
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Mediascrape]:
    async with Mediascrape(settings) as running:
        yield running


async def until_failed(service: Mediascrape, count: int) -> dict[str, str]:
    """Failed reasons by job id, once there are `count`."""
    async with asyncio.timeout(20):
        while (await service.queue.counts())["failed"] < count:
            await asyncio.sleep(0.05)
    return {job.id: job.failed_reason or "" for job in await service.queue.list_jobs(("failed",))}


async def test_jobs_that_are_not_ours_fail_with_a_reason_and_are_recorded(service: Mediascrape) -> None:
    foreign = {
        (await service.queue.add("send-mail", {"url": "http://127.0.0.1/"})).id: "bad_job_data",
        (await service.queue.add("scrape-page", ["not", "an", "object"])).id: "bad_job_data",
        (await service.queue.add("scrape-page", {"url": 7})).id: "bad_job_data",
        (await service.queue.add("scrape-page", {"url": "ftp://example.org/"})).id: "unsupported_scheme",
    }
    reasons = await until_failed(service, len(foreign))
    assert {job_id: reason.partition(":")[0] for job_id, reason in reasons.items()} == foreign
    recorded = await service.store.scrapes_for(list(foreign))
    assert {job_id: scrape.outcome for job_id, scrape in recorded.items()} == foreign


async def broken(_: Pump) -> None:
    raise ArithmeticError("a mistake of ours")


@pytest.mark.parametrize("command", [_work, partial(_serve, worker=True)], ids=["worker", "serve"])
async def test_a_service_ends_when_its_worker_dies(
    settings: Settings, command: Callable[[Settings], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What watches over the process starts another; one that works on nothing would stay."""
    monkeypatch.setattr(Pump, "run", broken)
    with pytest.raises(ArithmeticError, match="a mistake of ours"):
        async with asyncio.timeout(20):
            await command(settings.model_copy(update={"port": 0, "shutdown_grace_s": 0.1}))


async def test_a_second_submission_shares_the_pending_jobs_and_waits_for_them(
    service: Mediascrape, origin: RunningOrigin
) -> None:
    urls = origin.urls(10)
    await service.queue.pause()
    first = await service.submit([*urls, urls[3], "nonsense"])
    second = await service.submit(urls)
    assert (first.queued, first.duplicates, len(first.rejected)) == (10, 1, 1)
    assert (second.queued, second.duplicates) == (0, 10)
    assert [job.id for job in second.jobs] == [job.id for job in first.jobs]
    await service.queue.resume()
    seen: list[Progress] = []
    async with asyncio.timeout(20):
        progress = await service.wait(second, report=seen.append)
        assert (await service.wait(first)).done == 10
    assert (progress.total, progress.done, progress.failed) == (10, 10, 0)
    assert seen[-1] == progress
    assert {item.page_url async for item in service.media(second)} == set(urls)
    third = await service.submit(urls)
    assert third.queued == 10, "a finished page may be scraped again"


async def test_jobs_removed_by_somebody_do_not_keep_anyone_waiting(
    service: Mediascrape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediascrape.service.MISSING_CHECK_S", 0.3)
    await service.queue.pause()
    submission = await service.submit(["http://127.0.0.1:9/1", "http://127.0.0.1:9/2"])
    await service.queue.remove_job(submission.jobs[0].id)
    await service.queue.remove_job(submission.jobs[1].id)
    async with asyncio.timeout(10):
        progress = await service.wait(submission)
    assert (progress.missing, progress.done, progress.failed) == (2, 0, 0)


async def test_a_store_that_is_away_for_a_while_costs_no_attempt(
    service: Mediascrape, origin: RunningOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediascrape.pipeline.SERVICE_AWAY_MS", 50)
    save, refused = service.store.save, 0

    async def away(record: object) -> object:
        nonlocal refused
        if refused < 5:
            refused += 1
            raise StoreUnavailableError("the disk is full")
        return await save(record)  # type: ignore[arg-type]

    monkeypatch.setattr(service.store, "save", away)
    async with asyncio.timeout(20):
        progress = await service.wait(await service.submit(origin.urls(3)))
    assert (progress.done, refused) == (3, 5)
    scrapes = await service.store.list_scrapes(ScrapeQuery())
    assert {scrape.attempts for scrape in scrapes.items} == {1}


async def test_the_functions_of_the_original_design(settings: Settings, origin: RunningOrigin) -> None:
    with pytest.raises(ConfigurationError, match="initialize_queue"):
        await mediascrape.add_scraping_job(origin.url(0))
    service = await mediascrape.initialize_queue(settings)
    try:
        assert await mediascrape.initialize_queue(settings) is service
        job = await mediascrape.add_scraping_job(origin.url(0))
        async with asyncio.timeout(20):
            while job.id not in await service.store.scrapes_for([job.id]):
                await asyncio.sleep(0.05)
        with pytest.raises(InvalidURLError):
            await mediascrape.add_scraping_job("nonsense")
    finally:
        await mediascrape.close_queue()
    await mediascrape.close_queue()


async def test_nothing_is_left_running_when_a_part_cannot_start(settings: Settings, tmp_path: Path) -> None:
    broken = settings.model_copy(update={"data_dir": tmp_path / "data"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mediascrape.db").mkdir()
    before = asyncio.all_tasks()
    with pytest.raises(ConfigurationError):
        async with Mediascrape(broken):
            pass
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("host", "name"), [("box", "box:7"), ("Anna's Mac", "Anna's-Mac:7"), ("kühlschrank", "k-hlschrank:7")]
)
def test_a_worker_s_name_is_one_that_the_server_takes(host: str, name: str) -> None:
    assert worker_name(host, 7) == name
