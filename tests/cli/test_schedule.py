"""`mediascrape schedule`, and the schedules of the library."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click import UsageError

from command_line import CommandLine
from mediascrape.cli.schedule import repeat_of
from mediascrape.errors import MediascrapeError
from mediascrape.loadtest.process import RunningOrigin
from mediascrape.queue.job import NewJob
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule
from mediascrape.service import Mediascrape
from mediascrape.settings import Settings
from mediascrape.store import ScrapeQuery

PAGE = "http://127.0.0.1:9/"


async def test_a_url_that_is_none_is_told_once(mediascrape: CommandLine) -> None:
    added = await mediascrape.run("schedule", "add", "nonsense", "--every", "1h")
    assert (added.status, added.out) == (3, "")
    assert added.err == "rejected  nonsense  invalid_url: not an absolute URL\n"


async def test_add_list_and_remove(mediascrape: CommandLine) -> None:
    added = await mediascrape.run("schedule", "add", PAGE, PAGE + "#top", "nonsense", "--every", "1h30m")
    assert added.status == 3
    assert "nonsense  invalid_url" in added.err
    assert "every 1h30m" in added.out
    arguments = (
        "schedule",
        "add",
        PAGE + "b",
        "--cron",
        "0 6 * * 1-5",
        "--tz",
        "Europe/Berlin",
        "--format",
        "json",
    )
    (shown,) = json.loads((await mediascrape.run(*arguments)).out)
    assert (shown["url"], shown["cron"], shown["tz"]) == (PAGE + "b", "0 6 * * 1-5", "Europe/Berlin")
    listed = json.loads((await mediascrape.run("schedule", "list", "--format", "json")).out)
    assert [one["url"] for one in listed] == [PAGE, PAGE + "b"]

    replaced = await mediascrape.run("schedule", "add", PAGE, "--every", "2h", "--limit", "7")
    assert replaced.status == 0
    listed = json.loads((await mediascrape.run("schedule", "list", "--format", "json")).out)
    assert [(one["every_ms"], one["limit"]) for one in listed] == [(7_200_000, 7), (None, None)]

    removed = await mediascrape.run("schedule", "remove", PAGE, listed[1]["id"], "http://127.0.0.1:9/other")
    assert removed.status == 1
    assert "http://127.0.0.1:9/other: has no schedule" in removed.err
    assert "no schedules" in (await mediascrape.run("schedule", "list")).err


TIMING = {
    "limit": None,
    "start": None,
    "end": None,
    "immediately": False,
    "tz": None,
    "every": None,
    "cron": None,
}


@pytest.mark.parametrize(
    ("timing", "message"),
    [
        ({}, "either --every DURATION or --cron EXPRESSION"),
        ({"every": "1h", "cron": "@daily"}, "either --every DURATION or --cron EXPRESSION"),
        ({"every": "soon"}, "'soon' is no duration"),
        ({"cron": "0 25 * * *"}, "Bad hour"),
        ({"every": "1h", "tz": "UTC"}, "--tz goes with --cron"),
        ({"every": "1h", "start": "tomorrow"}, "--start 'tomorrow' is no time"),
    ],
)
def test_what_makes_no_schedule(timing: dict[str, Any], message: str) -> None:
    with pytest.raises((MediascrapeError, UsageError), match=re.escape(message)):
        repeat_of(**TIMING | timing)


async def test_a_wrong_schedule_is_wrong_usage(mediascrape: CommandLine) -> None:
    result = await mediascrape.run("schedule", "add", PAGE, "--cron", "@daily", "--tz", "Berlin\x1b[31m")
    assert result.status == 2
    assert "is no time zone" in result.err
    assert "\x1b" not in result.err


async def test_a_page_is_really_scraped_again_and_again(origin: RunningOrigin, tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, allow_networks="127.0.0.0/8", concurrency=2)
    url = origin.url(0)
    async with Mediascrape(settings) as service, asyncio.timeout(30):
        done = await service.schedules.add([url, "nonsense"], Repeat(every_ms=200))
        assert [one.url for one in done.rejected] == ["nonsense"]
        (schedule,) = done.schedules
        while len(scrapes := (await service.store.list_scrapes(ScrapeQuery())).items) < 3:
            await asyncio.sleep(0.05)
        assert await service.schedules.remove([url]) == [url]
    assert {scrape.url for scrape in scrapes} == {url}
    assert {scrape.outcome for scrape in scrapes} == {"ok"}
    assert all(scrape.job_id.startswith(f"repeat:{schedule.id}:") for scrape in scrapes)


async def test_all_are_removed_also_foreign_ones(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    async with Mediascrape(settings, worker=False) as service:
        await service.schedules.add([f"{PAGE}{n}" for n in range(5)], Repeat(cron="@yearly"))
        foreign = NewSchedule("theirs", Repeat(every_ms=3_600_000), NewJob("report", {"n": 1}))
        await service.queue.schedules.upsert([foreign])
        assert await service.schedules.count() == 6
        assert await service.schedules.remove_all() == 6
        assert await service.schedules.page() == []
