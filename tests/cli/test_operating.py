"""Operating the queue from the command line, without a worker."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path

import pytest
from click import UsageError

from command_line import COMMAND, CommandLine
from mediascrape.cli.queue import limits_of
from mediascrape.errors import MediascrapeError

PAGES = [f"http://127.0.0.1:9/{number}" for number in range(3)]


async def counts(mediascrape: CommandLine) -> dict[str, int]:
    result = await mediascrape.run("queue", "counts", "--json")
    found: dict[str, int] = json.loads(result.out)
    return found


async def test_submitted_jobs_wait_and_survive_between_commands(mediascrape: CommandLine) -> None:
    result = await mediascrape.run("submit", *PAGES, PAGES[0], "nonsense", "--json")
    assert result.status == 3
    submission = json.loads(result.out)
    assert (submission["queued"], submission["duplicates"]) == (3, 1)
    assert [one["url"] for one in submission["rejected"]] == ["nonsense"]
    assert [job["url"] for job in submission["jobs"]] == PAGES
    assert (await counts(mediascrape))["waiting"] == 3
    again = await mediascrape.run("submit", *PAGES, "--json")
    assert json.loads(again.out)["queued"] == 0
    assert json.loads(again.out)["jobs"] == submission["jobs"]
    assert (await counts(mediascrape))["waiting"] == 3


async def test_counts_say_that_the_queue_is_paused(mediascrape: CommandLine) -> None:
    await mediascrape.run("submit", *PAGES)
    assert "paused" not in (await mediascrape.run("queue", "counts")).out
    await mediascrape.run("queue", "pause")
    assert "paused: no job is started" in (await mediascrape.run("queue", "counts")).out
    assert (await counts(mediascrape))["waiting"] == 3
    assert (await counts(mediascrape))["paused"] is True
    await mediascrape.run("queue", "resume")
    assert (await counts(mediascrape))["paused"] is False


async def test_a_job_is_shown_and_removed(mediascrape: CommandLine) -> None:
    submission = json.loads((await mediascrape.run("submit", *PAGES, "--json")).out)
    job_id = submission["jobs"][1]["id"]
    shown = json.loads((await mediascrape.run("jobs", "show", job_id, "--json")).out)
    assert (shown["state"], shown["data"]["url"], shown["attempts"]) == ("waiting", PAGES[1], 2)
    removed = await mediascrape.run("jobs", "remove", job_id, "no-such-job")
    assert removed.status == 1
    assert f"{job_id}: removed" in removed.out
    assert "no-such-job" in removed.err
    listed = await mediascrape.run("jobs", "list", "--json", "--oldest-first")
    assert [job["data"]["url"] for job in listed.lines()] == [PAGES[0], PAGES[2]]
    missing = await mediascrape.run("jobs", "show", job_id)
    assert missing.status == 1
    assert "not in the queue" in missing.err


async def test_pages_of_a_long_list(mediascrape: CommandLine) -> None:
    urls = [f"http://127.0.0.1:9/{number}" for number in range(25)]
    await mediascrape.run("submit", "--file", "-", stdin="\n".join(urls))
    pages = [
        await mediascrape.run(
            "jobs", "list", "--json", "--oldest-first", "--limit", "10", "--offset", str(offset)
        )
        for offset in (0, 10, 20)
    ]
    assert [job["data"]["url"] for page in pages for job in page.lines()] == urls


async def test_a_paused_queue_starts_nothing_until_resumed(mediascrape: CommandLine) -> None:
    await mediascrape.run("queue", "pause")
    await mediascrape.run("submit", *PAGES)
    monitor = json.loads((await mediascrape.run("monitor", "--json")).out)
    assert monitor["paused"] is True
    assert monitor["queue"]["waiting"] == 3
    await mediascrape.run("queue", "resume")
    assert json.loads((await mediascrape.run("monitor", "--json")).out)["paused"] is False


async def test_drain_asks_and_removes(mediascrape: CommandLine) -> None:
    await mediascrape.run("submit", *PAGES)
    refused = await mediascrape.run("queue", "drain", stdin="n\n")
    assert (refused.status, refused.err) == (0, "")
    assert "nothing removed" in refused.out
    assert (await counts(mediascrape))["waiting"] == 3
    drained = await mediascrape.run("queue", "drain", "--yes")
    assert "3 jobs removed" in drained.out
    assert (await counts(mediascrape))["waiting"] == 0


async def test_failed_jobs_are_retried_and_cleaned(mediascrape: CommandLine) -> None:
    scraped = await mediascrape.run("scrape", *PAGES, MEDIASCRAPE_BACKOFF_MS="10")
    assert scraped.status == 3
    assert (await counts(mediascrape))["failed"] == 3
    retried = await mediascrape.run("jobs", "retry", "--all")
    assert "3 jobs put back" in retried.out
    assert (await counts(mediascrape))["waiting"] == 3
    await mediascrape.run("scrape", PAGES[0], MEDIASCRAPE_BACKOFF_MS="10")
    cleaned = await mediascrape.run("jobs", "clean", "--state", "failed")
    assert "jobs removed" in cleaned.out
    assert (await counts(mediascrape))["failed"] == 0


async def test_completion_is_printed_for_each_shell(mediascrape: CommandLine) -> None:
    for shell in ("bash", "zsh", "fish"):
        result = await mediascrape.run("completion", shell)
        assert "_MEDIASCRAPE_COMPLETE" in result.out


async def test_wrong_usage_is_status_2(mediascrape: CommandLine) -> None:
    for arguments in (
        ["scrap"],
        ["scrape", "--format", "xml", "http://h/"],
        ["scrape", "-c", "many", "http://h/"],
    ):
        result = await mediascrape.run(*arguments)
        assert result.status == 2, arguments
        assert result.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("scrap", "mediascrape scrape"), ("https://example.org/", "mediascrape scrape https://example.org/")],
)
async def test_a_slip_of_the_pen_is_understood(mediascrape: CommandLine, typed: str, meant: str) -> None:
    result = await mediascrape.run(typed)
    assert (result.status, f"Did you mean `{meant}`?" in result.err) == (2, True)


async def test_networks_are_named_with_commas_or_one_by_one(mediascrape: CommandLine) -> None:
    command = (
        "scrape",
        "http://127.0.0.1:9/",
        "--allow-network",
        "10.0.0.0/8,127.0.0.0/8",
        "--allow-network",
        "::1",
    )
    assert "connect" in (await mediascrape.run(*command)).err  # contacted, and nobody is there
    help_text = (await mediascrape.run("scrape", "--help")).out
    assert "May be repeated." in help_text
    assert "N|auto" in help_text  # as it is to be written


async def test_what_happened_in_the_queue_is_told(mediascrape: CommandLine) -> None:
    await mediascrape.run("submit", *PAGES)
    told = await mediascrape.run("queue", "events", "--past", "--kind", "waiting", "--limit", "3", "--json")
    assert [event["kind"] for event in told.lines()] == ["waiting"] * 3
    listed = await mediascrape.run("jobs", "list", "--json")
    assert {event["job_id"] for event in told.lines()} == {job["id"] for job in listed.lines()}


async def test_limits_over_all_workers(mediascrape: CommandLine) -> None:
    limited = await mediascrape.run("queue", "limit", "--concurrency", "7", "--rate", "100/1m30s")
    assert limited.out == "jobs running at once: 7\njobs started: 100 in 90000 ms\n"
    lifted = await mediascrape.run("queue", "limit", "--rate", "off")
    assert lifted.out == "jobs running at once: 7\njobs started: no limit\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("0", None), "--concurrency: '0' is no number above 0"),
        (("many", None), "'many'"),
        ((None, "5"), "no duration"),
        ((None, "x/1s"), "--rate: 'x' is no number above 0"),
    ],
)
def test_what_is_no_limit(arguments: tuple[str | None, str | None], told: str) -> None:
    with pytest.raises((UsageError, MediascrapeError), match=re.escape(told)):
        limits_of(*arguments)


@pytest.mark.parametrize("arguments", [("jobs", "list"), ("jobs", "list", "--json"), ("--help",)])
async def test_a_reader_that_goes_away_is_no_failure(
    mediascrape: CommandLine, arguments: tuple[str, ...]
) -> None:
    await mediascrape.run("submit", *PAGES)
    with mediascrape.start(*arguments) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert await asyncio.to_thread(process.wait, 30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


async def test_watching_writes_look_after_look_into_a_pipe(mediascrape: CommandLine) -> None:
    with mediascrape.start("monitor", "--watch", "--interval", "0.2") as process:
        try:
            assert process.stdout is not None
            for _ in range(2):
                while "waiting " not in await asyncio.to_thread(process.stdout.readline):
                    assert process.poll() is None
        finally:
            process.kill()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
async def test_a_full_disk_is_told_in_one_line(mediascrape: CommandLine) -> None:
    page = mediascrape.directory / "page.html"
    page.write_text("<img src=a.png>" * 5)
    arguments = ("extract", str(page), "--base-url", "https://example.org/")
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, env=mediascrape.environment, stdout=full, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (
        1,
        b"mediascrape: error: cannot write: No space left on device\n",
    )
