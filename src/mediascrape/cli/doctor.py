"""`mediascrape doctor`: is this machine set up, and if not, what to do."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Literal

import click

from mediascrape.cli.options import SERVICE, with_settings
from mediascrape.cli.running import run
from mediascrape.cli.terminal import safe
from mediascrape.errors import MediascrapeError
from mediascrape.settings import Settings

Verdict = Literal["ok", "warning", "error"]

#: Below this much free space the append-only file and the database may soon fail to grow.
LOW_DISK_BYTES = 1024**3
#: More than this and delays, locks and schedules of different machines disagree.
CLOCK_SKEW_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; `advice` says what to do about it."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""
    exit_code: int = 1


Check = Callable[[Settings], Awaitable[Finding]]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(SERVICE)
def doctor_command(settings: Settings, as_json: bool) -> int:
    """Check Python, the data directory, limits, the queue's server and the database.

    Exit status 0 when all is well (warnings included), else 1, or 4 when a service is out of reach.
    """
    findings = run(_examine(settings))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            _tell(finding)
    return max((finding.exit_code for finding in findings if finding.verdict == "error"), default=0)


def _tell(finding: Finding) -> None:
    colour = {"ok": "green", "warning": "yellow", "error": "red"}[finding.verdict]
    click.echo(f"{click.style(f'{finding.verdict:<8}', fg=colour)} {finding.check:<10} {safe(finding.text)}")
    if finding.advice:
        click.echo(f"{'':<20}{safe(finding.advice)}")


async def _examine(settings: Settings) -> list[Finding]:
    return [await check(settings) for check in CHECKS]


async def check_python(_: Settings) -> Finding:
    try:
        loop = f"uvloop {metadata.version('uvloop')}"
    except metadata.PackageNotFoundError:
        loop = "the standard event loop"
    return Finding(
        "python", "ok", f"{platform.python_implementation()} {platform.python_version()} with {loop}"
    )


async def check_data_dir(settings: Settings) -> Finding:
    directory = settings.data_dir.expanduser().absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        return Finding(
            "data", "error", f"{directory}: {error.strerror}", "choose another with MEDIASCRAPE_DATA_DIR"
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        return Finding(
            "data", "error", f"{directory} is not writable", "choose another with MEDIASCRAPE_DATA_DIR"
        )
    free = shutil.disk_usage(directory).free
    text = f"{directory}, {free / 1024**3:.1f} GB free"
    if free < LOW_DISK_BYTES:
        return Finding(
            "data", "warning", text, "make room: the queue and the store stop when the disk is full"
        )
    return Finding("data", "ok", text)


async def check_files(settings: Settings) -> Finding:
    """Each request in flight holds a socket; the rest is for files and the other services."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    from mediascrape.service import files_wanted

    wanted = files_wanted(settings)
    if most != resource.RLIM_INFINITY and most < wanted:
        return Finding(
            "files", "warning", f"{most} open files allowed, {wanted} wanted",
            f"raise it (ulimit -n {wanted}; LimitNOFILE= in systemd) or lower MEDIASCRAPE_MAX_CONCURRENCY",
        )  # fmt: skip
    return Finding(
        "files",
        "ok",
        f"{limit} open files allowed, raised to {wanted} when needed"
        if limit < wanted
        else f"{limit} open files allowed",
    )


async def check_queue(settings: Settings) -> Finding:
    from mediascrape.queue.connection import check_server, connect, redact
    from mediascrape.service import open_queue_server

    try:
        async with AsyncExitStack() as stack:
            url = await open_queue_server(settings, stack)
            client = connect(url)
            stack.push_async_callback(client.aclose)
            server = await check_server(client, url)
            seconds, micros = await client.time()
            skew = abs(time.time() - (int(seconds) + int(micros) / 1e6))
    except MediascrapeError as error:
        return Finding("queue", "error", str(error), exit_code=error.exit_code)
    where = "embedded" if settings.queue_url is None else redact(url)
    if server.warnings:
        return Finding("queue", "warning", f"{server} ({where}): {'; '.join(server.warnings)}")
    if skew > CLOCK_SKEW_S:
        return Finding(
            "queue", "warning", f"{server} ({where}): its clock differs by {skew:.1f} s",
            "synchronise the clocks (NTP): delays, locks and schedules depend on them",
        )  # fmt: skip
    return Finding("queue", "ok", f"{server} ({where})")


async def check_store(settings: Settings) -> Finding:
    from mediascrape.queue.connection import redact
    from mediascrape.store import open_store

    try:
        async with open_store(settings.store_url) as store:
            totals = await store.totals()
    except MediascrapeError as error:
        return Finding("store", "error", str(error), exit_code=error.exit_code)
    media = sum(totals.media.values())
    return Finding("store", "ok", f"{redact(settings.store_url)}, {totals.pages} pages, {media} media")


async def check_names(_: Settings) -> Finding:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(5):
            await loop.getaddrinfo("example.com", 443)
    except (OSError, TimeoutError):
        return Finding(
            "names", "warning", "example.com cannot be resolved",
            "no DNS server answers: only pages at numeric addresses or in /etc/hosts can be scraped",
        )  # fmt: skip
    return Finding("names", "ok", "host names can be resolved")


CHECKS: tuple[Check, ...] = (check_python, check_data_dir, check_files, check_queue, check_store, check_names)
