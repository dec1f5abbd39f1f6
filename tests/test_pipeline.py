"""The way of a job with real parts: embedded Valkey, SQLite, and origins on loopback that do as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from mediascrape import Mediascrape, Settings
from mediascrape.errors import JobDataError, StoreUnavailableError
from mediascrape.pipeline import JOB_NAME, ScrapeTask, read_task
from mediascrape.scrape.urls import without_credentials
from mediascrape.store import Validators
from scrape.hostile_origin import HostileOrigin, Request, hostile_origin

PAGE = b'<title>A page</title><img src="/a.png"><img src="/b.png">'
MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    def make(**changes: object) -> Settings:
        given = {"data_dir": tmp_path / "data", "allow_networks": "127.0.0.0/8", "backoff_ms": 10}
        return Settings.load(**{**given, "concurrency": 20, **changes})

    return make


@pytest.fixture
async def near() -> AsyncIterator[HostileOrigin]:
    async with hostile_origin() as running:
        running.handlers["/robots.txt"] = not_found
        yield running


@pytest.fixture
async def far() -> AsyncIterator[HostileOrigin]:
    """Another host: politeness counts by scheme, name and port."""
    async with hostile_origin() as running:
        running.handlers["/robots.txt"] = not_found
        yield running


async def not_found(request: Request) -> None:
    await request.answer("404 Not Found")


def paths(origin: HostileOrigin) -> list[str]:
    return [request.path for request in origin.requests]


async def outcomes(service: Mediascrape, *urls: str, force: bool = False) -> dict[str, str]:
    """How the job of each URL ended."""
    async with asyncio.timeout(30):
        submission = await service.submit(urls, force=force)
        await service.wait(submission)
    return {scrape.url: scrape.outcome for scrape in (await service.outcomes(submission)).values()}


# --- what a job asks for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task",
    [ScrapeTask("https://example.org/"), ScrapeTask("https://example.org/", "batch", force=True)],
)
def test_a_task_is_read_as_it_was_written(task: ScrapeTask) -> None:
    assert read_task(JOB_NAME, task.to_data()) == task


def test_force_must_be_true_or_false() -> None:
    with pytest.raises(JobDataError, match="force"):
        read_task(JOB_NAME, {"url": "https://example.org/", "force": "yes"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@example.org/a@b", "https://***@example.org/a@b"),
        ("http:\\\\user:secret@example.org", "http:\\\\***@example.org"),
        ("https:secret@example.org?x", "https:***@example.org?x"),
        (" ftp://a:b@c@example.org/", " ftp://***@example.org/"),
        ("https://example.org/@user", "https://example.org/@user"),
        ("not a URL, mail me@example.org", "not a URL, mail me@example.org"),
    ],
)
def test_passwords_are_blotted_out(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


async def test_a_password_of_a_foreign_producer_is_not_stored(make_settings: MakeSettings) -> None:
    async with Mediascrape(make_settings()) as service:
        job = await service.queue.add(JOB_NAME, {"url": "http://user:secret@127.0.0.1/"})
        async with asyncio.timeout(20):
            while not (stored := await service.store.scrapes_for([job.id])):
                await asyncio.sleep(0.02)
    scrape = stored[job.id]
    assert (scrape.url, scrape.outcome) == ("http://***@127.0.0.1/", "url_credentials")
    assert "secret" not in repr(scrape)


# --- pages that were scraped before ------------------------------------------------------------------


async def test_a_page_that_has_not_changed_is_not_sent_again(
    make_settings: MakeSettings, near: HostileOrigin
) -> None:
    @near.on("/page")
    async def answer_page(request: Request) -> None:
        if request.header("if-none-match") == '"1"':
            await request.answer("304 Not Modified", b"", etag='"1"', content_length="")
        else:
            await request.answer(body=PAGE, etag='"1"')

    url = near.url("/page")
    async with Mediascrape(make_settings(keep_completed_count=10)) as service:
        for _ in range(2):
            submission = await service.submit([url])
            async with asyncio.timeout(20):
                progress = await service.wait(submission)
            assert (progress.done, progress.found) == (1, 2)
            assert [item.url async for item in service.media(submission)] == [
                near.url("/a.png"), near.url("/b.png"),
            ]  # fmt: skip
        results = [job.returnvalue for job in await service.queue.list_jobs(("completed",))]
        assert {"found": 2, "new": 2} in results
        assert {"found": 2, "new": 0, "unchanged": True} in results
        assert await outcomes(service, url, force=True) == {url: "ok"}
    assert [request.header("if-none-match") for request in near.requests if request.path == "/page"] == [
        None, '"1"', None,
    ]  # fmt: skip


async def test_it_may_be_told_not_to_ask_for_changes_only(
    make_settings: MakeSettings, near: HostileOrigin
) -> None:
    @near.on("/page")
    async def answer_again(request: Request) -> None:
        await request.answer(body=PAGE, last_modified="Sat, 01 Jan 2022 00:00:00 GMT")

    async with Mediascrape(make_settings(revalidate=False)) as service:
        for _time in range(2):
            await outcomes(service, near.url("/page"))
    asked = [request.header("if-modified-since") for request in near.requests if request.path == "/page"]
    assert asked == [None, None]


# --- what a job's log tells ----------------------------------------------------------------------------


async def test_the_log_tells_of_redirects_holds_failures_and_what_was_found(
    make_settings: MakeSettings, near: HostileOrigin
) -> None:
    @near.on("/moved")
    async def answer_moved(request: Request) -> None:
        await request.answer("301 Moved Permanently", location="/page")

    @near.on("/page")
    async def answer_busy_once(request: Request) -> None:
        if paths(near).count("/page") == 1:
            await request.answer("503 Service Unavailable", retry_after="1")
        else:
            await request.answer(body=PAGE)

    async with Mediascrape(make_settings(keep_completed_count=10)) as service:
        await outcomes(service, near.url("/moved"))
        async with asyncio.timeout(10):
            while not (jobs := await service.queue.list_jobs(("completed",))):
                await asyncio.sleep(0.02)
        rows = [row.partition(" ")[2] for row in await service.queue.get_logs(jobs[0].id)]
    moved = f"redirected to {near.url('/page')}"
    assert rows[0] == rows[-2] == moved
    assert rows[1].startswith("attempt 1 of 2 failed: rate_limited: ")
    assert rows[1].endswith("; next in 1.0 s, as the host asked")
    assert rows[-1] == "2 media found, 2 new"


# --- redirects to another host ------------------------------------------------------------------------


async def test_a_redirect_obeys_the_robots_txt_of_where_it_leads(
    make_settings: MakeSettings, near: HostileOrigin, far: HostileOrigin
) -> None:
    @near.on("*")
    async def lead_away(request: Request) -> None:
        await request.redirect(far.url(request.path))

    @far.on("/robots.txt")
    async def forbid(request: Request) -> None:
        await request.answer(body=b"User-agent: *\nDisallow: /private", content_type="text/plain")

    async with Mediascrape(make_settings()) as service:
        assert await outcomes(service, near.url("/private"), near.url("/public")) == {
            near.url("/private"): "robots_disallowed",
            near.url("/public"): "ok",
        }
    assert paths(near).count("/private") == 1, "a refusal is final"
    assert "/private" not in paths(far)
    assert paths(far).count("/robots.txt") == 1


async def test_a_redirect_within_a_host_obeys_its_robots_txt(
    make_settings: MakeSettings, near: HostileOrigin
) -> None:
    @near.on("/robots.txt")
    async def forbid_own(request: Request) -> None:
        await request.answer(body=b"User-agent: *\nDisallow: /private", content_type="text/plain")

    @near.on("/door")
    async def open_door(request: Request) -> None:
        await request.redirect("/private")

    async with Mediascrape(make_settings()) as service:
        assert set((await outcomes(service, near.url("/door"))).values()) == {"robots_disallowed"}
    assert "/private" not in paths(near)


async def test_redirects_keep_to_the_limit_of_the_host_they_lead_to(
    make_settings: MakeSettings, near: HostileOrigin, far: HostileOrigin
) -> None:
    """Where all must wait for the one slot, they go back to the queue: no attempt is used."""
    at_once = most = 0

    @near.on("*")
    async def lead_on(request: Request) -> None:
        await request.redirect(far.url(request.path))

    @far.on("*")
    async def count_callers(request: Request) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        await request.answer(body=PAGE)

    async with Mediascrape(make_settings(host_concurrency=1)) as service:
        ended = await outcomes(service, *(near.url(f"/{number}") for number in range(8)))
        assert list(ended.values()) == ["ok"] * 8
        worker = service.worker
        assert worker is not None
        assert worker.counters.retried == 0
    assert most == 1


async def test_a_store_that_is_away_is_told_once_and_costs_no_attempt(
    make_settings: MakeSettings,
    near: HostileOrigin,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line for each of thousands of jobs in flight would fill disks, or stop a worker whose log is a full pipe."""

    async def away(url: str) -> Validators | None:
        raise StoreUnavailableError("PostgreSQL at db:5432/media: Connection refused")

    async with Mediascrape(make_settings()) as service, asyncio.timeout(30):
        monkeypatch.setattr(service.store, "validators", away)
        await service.submit([near.url(f"/{number}") for number in range(8)])
        while (await service.queue.counts())["delayed"] < 8:
            await asyncio.sleep(0.01)
        held = await service.queue.list_jobs(["delayed"])
        assert [job.attempts_made for job in held] == [0] * 8
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert "waits: PostgreSQL at db:5432/media" in told[0]
