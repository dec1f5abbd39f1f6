from __future__ import annotations

import asyncio
import csv
import io
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from command_line import CommandLine
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import RunningOrigin, running_origin

RECORD = {"url", "kind", "via", "page_url", "alt", "title", "width", "height", "mime_type"}


async def test_pages_in_media_out(mediascrape: CommandLine, origin: RunningOrigin) -> None:
    urls = origin.urls(20)
    result = await mediascrape.run("scrape", *urls)
    assert result.status == 0, result.err
    records = result.lines()
    assert {record["page_url"] for record in records} == set(urls)
    assert all(set(record) >= RECORD for record in records)
    assert {"image", "video"} <= {record["kind"] for record in records}
    assert "20 of 20 pages" in result.err
    listed = await mediascrape.run("media", "export")
    assert {record["url"] for record in listed.lines()} == {record["url"] for record in records}


async def test_an_export_is_of_the_form_that_its_name_promises(mediascrape: CommandLine) -> None:
    for name in ("out", "out.jsonl", "out.csv", "out.CSV"):
        result = await mediascrape.run("media", "export", "-o", name)
        assert (result.status, f"written to {name}" in result.err) == (0, True)
    refused = await mediascrape.run("media", "export", "-o", "out.xlsx")
    assert refused.status == 2
    assert "'.xlsx'" in refused.err
    assert "--format jsonl|csv|parquet" in refused.err
    assert not (mediascrape.directory / "out.xlsx").exists()
    assert (await mediascrape.run("media", "export", "-o", "out.xlsx", "--format", "csv")).status == 0


async def test_a_bad_url_is_reported_and_the_rest_is_scraped(
    mediascrape: CommandLine, origin: RunningOrigin
) -> None:
    bad = [
        "nonsense",
        "ftp://example.org/x",
        "http://",
        "http://user:secret@example.org/",
        "http://h/" + "x" * 300_000,
    ]
    urls = origin.urls(5)
    result = await mediascrape.run(
        "scrape", "--file", "-", "--format", "csv", stdin="\n".join([*bad, "# note", "", *urls])
    )
    assert result.status == 3
    for code in ("invalid_url", "unsupported_scheme", "missing_host", "url_credentials", "url_too_long"):
        assert code in result.err
    assert "\x1b" not in result.err
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert {row["page_url"] for row in rows} == set(urls)


async def test_every_fault_is_named_and_disturbs_nobody(mediascrape: CommandLine) -> None:
    kinds = {
        "404": "not_found", "500": "http_server_error",
        "reset": "connection_reset", "truncate": "connection_reset",
        "drip": "too_slow", "huge": "body_too_large", "bomb": "decompression_bomb", "empty": "empty_body",
        "binary": "unsupported_content", "loop": "redirect_loop",
    }  # fmt: skip
    async with running_origin(OriginOptions(hosts=20, pages=4, mean_size=20_000)) as origin:
        good = origin.urls(10)
        faulty = {origin.url(100 + number, kind): code for number, (kind, code) in enumerate(kinds.items())}
        private = "http://10.0.0.1/"
        result = await mediascrape.run(
            "scrape", *good, *faulty, private, "http://no-such-name.invalid/", "http://127.0.0.1:9/",
            "-c", "50", MEDIASCRAPE_BACKOFF_MS="50", MEDIASCRAPE_JOB_TIMEOUT_MS="6000",
        )  # fmt: skip
        assert result.status == 3
        assert {record["page_url"] for record in result.lines()} == set(good)
        for url, code in faulty.items():
            assert f"{url}  {code}" in result.err
        assert f"{private}  forbidden_address" in result.err
        assert "http://127.0.0.1:9/  connection_refused" in result.err
        assert (
            "no-such-name.invalid/  host_not_found" in result.err
            or "no-such-name.invalid/  dns_failure" in result.err
        )
        failed = await mediascrape.run("jobs", "list", "--state", "failed", "--json", "--limit", "100")
        reasons = Counter(job["failed_reason"].partition(":")[0] for job in failed.lines())
        assert reasons >= Counter(kinds.values())


async def test_what_an_interrupted_run_leaves_is_done_by_the_next(mediascrape: CommandLine) -> None:
    async with running_origin(OriginOptions(hosts=4, pages=4, mean_size=20_000, latency="0.3")) as origin:
        urls = origin.urls(60)
        with mediascrape.start("scrape", *urls, "-c", "4", "--host-concurrency", "2") as process:
            await asyncio.sleep(3)
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.to_thread(process.communicate, None, 30)
        assert process.returncode == 130, err
        assert "stays in the queue" in err
        counts = await mediascrape.run("queue", "counts", "--json")
        left = counts.lines()[0]
        assert left["active"] == 0
        assert left["waiting"] + left["delayed"] > 0
        result = await mediascrape.run("scrape", *urls, "--host-concurrency", "64")
        assert result.status == 0, result.err
        assert {record["page_url"] for record in result.lines()} == set(urls)


@pytest.fixture
def without_nohup() -> Iterator[None]:
    """A program started by one that ignores a signal ignores it, too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("without_nohup")
async def test_a_terminal_that_is_closed_is_an_interruption(mediascrape: CommandLine) -> None:
    with mediascrape.start("worker") as process:
        assert process.stderr is not None
        while "working on the queue" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGHUP)
        try:
            _, err = await asyncio.to_thread(process.communicate, None, 30)
        finally:
            process.kill()
    assert process.returncode == 130, err


async def test_whoever_asks_for_a_page_of_his_own_network_is_told_how(mediascrape: CommandLine) -> None:
    result = await mediascrape.run("scrape", "http://10.0.0.1/")
    assert "forbidden_address" in result.err
    assert "--allow-network" in result.err
    quiet = await mediascrape.run("scrape", "-q", "http://10.0.0.1/")
    assert "--allow-network" not in quiet.err


@pytest.mark.parametrize("arguments", [(), ("--file", "missing.txt")])
async def test_nothing_to_do_is_wrong_usage(mediascrape: CommandLine, arguments: tuple[str, ...]) -> None:
    result = await mediascrape.run("scrape", *arguments)
    assert result.status == 2
    assert "error" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("scrape", "https://example.org/", "-o", "missing/media.jsonl"),
        ("loadtest", "--report", "missing/load.html"),
    ],
)
async def test_a_file_that_cannot_be_written_is_told_before_the_work(
    mediascrape: CommandLine, arguments: tuple[str, ...]
) -> None:
    result = await mediascrape.run(*arguments)
    assert result.status == 2
    assert result.err.endswith("there is no directory missing\n")
    assert not (mediascrape.directory / "data").exists()


async def test_a_server_out_of_reach_is_status_4(mediascrape: CommandLine) -> None:
    result = await mediascrape.run("scrape", "http://example.org", REDIS_URL="redis://127.0.0.1:1")
    assert result.status == 4
    assert "127.0.0.1:1" in result.err


async def test_an_encoding_that_lacks_a_letter_breaks_nothing(
    mediascrape: CommandLine, origin: RunningOrigin
) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = await mediascrape.run("scrape", *origin.urls(3), "--format", "table", **ascii_only)
    assert result.status == 0, result.err
    assert "\\xd7" in result.out  # the sign between width and height
