"""`mediascrape doctor`: is this machine set up, and if not, what to do."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from importlib import metadata

import click

from mediascrape.cli.findings import (
    Finding,
    judge_clock,
    judge_connections,
    judge_disk,
    judge_files,
    judge_memory,
    judge_server,
)
from mediascrape.cli.options import SERVICE, with_settings
from mediascrape.cli.running import run
from mediascrape.cli.terminal import bytes_text, safe
from mediascrape.errors import MediascrapeError
from mediascrape.settings import Settings
from mediascrape.variables import unknown_variables

Check = Callable[[Settings], AsyncIterator[Finding]]


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(SERVICE)
def doctor_command(settings: Settings, as_json: bool) -> int:
    """Check this machine, the queue's server and the database, and say what to do.

    Versions, disk, memory, open files, the queue's memory policy, persistence and clock, the
    database's version, size and connections, and whether host names can be resolved.

    Exit status 0 when all is well (warnings included), else 1; 2 for a wrong setting, 4 when a service is
    out of reach.
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
    return [finding for check in CHECKS async for finding in check(settings)]


async def check_versions(_: Settings) -> AsyncIterator[Finding]:
    try:
        loop = f"uvloop {metadata.version('uvloop')}"
    except metadata.PackageNotFoundError:
        loop = "the standard event loop"
    version = metadata.version("mediascrape")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding("version", "ok", f"mediascrape {version}, {python} with {loop}")


async def check_settings(_: Settings) -> AsyncIterator[Finding]:
    unknown = unknown_variables()
    for name, meant in unknown.items():
        advice = f"did you mean {meant}?" if meant else "docs/settings.md lists those there are"
        yield Finding("settings", "warning", f"{name} is no setting and changes nothing", advice)
    if not unknown:
        yield Finding("settings", "ok", "no variable that is unknown")


async def check_data_dir(settings: Settings) -> AsyncIterator[Finding]:
    directory = settings.data_dir.expanduser().absolute()
    problem = ""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        problem = f"{directory}: {error.strerror}"
    else:
        if not os.access(directory, os.W_OK | os.X_OK):
            problem = f"{directory} is not writable"
    if problem:
        yield Finding("data", "error", problem, "choose another with MEDIASCRAPE_DATA_DIR")
    else:
        yield judge_disk("data", str(directory), shutil.disk_usage(directory).free)


async def check_files(settings: Settings) -> AsyncIterator[Finding]:
    from mediascrape.parts import files_wanted

    soft, hard = (
        None if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    yield judge_files(soft, hard, files_wanted(settings))


async def check_memory(_: Settings) -> AsyncIterator[Finding]:
    from mediascrape.governor import MemoryGauge

    reading = MemoryGauge().read()
    yield judge_memory(reading.limit, reading.limit - reading.used)


async def check_queue(settings: Settings) -> AsyncIterator[Finding]:
    from mediascrape.parts import open_queue_server
    from mediascrape.queue.connection import check_server, connect, redact

    try:
        async with AsyncExitStack() as stack:
            url = await open_queue_server(settings, stack)
            client = connect(url)
            stack.push_async_callback(client.aclose)
            server = await check_server(client, url)
            info = await client.info()
            before = time.time()
            seconds, micros = await client.time()
            skew = (before + time.time()) / 2 - (int(seconds) + int(micros) / 1e6)
    except MediascrapeError as error:
        # The error's own words say what to do.
        yield Finding("queue", "error", str(error), exit_code=error.exit_code)
        return
    where = "embedded" if settings.queue_url is None else redact(url)
    used = bytes_text(int(info.get("used_memory", 0)))
    yield Finding("queue", "ok", f"{server} ({where}), {used} of memory used")
    for warning in server.warnings:
        problem, _, advice = warning.rpartition("; ")
        yield Finding("queue", "warning", problem, advice)
    for finding in judge_server(info):
        yield finding
    yield judge_clock(abs(skew))


async def check_store(settings: Settings) -> AsyncIterator[Finding]:
    from mediascrape.queue.connection import redact
    from mediascrape.store import open_store
    from mediascrape.store.store import sqlite_path

    try:
        async with open_store(settings.store_url) as store:
            totals, info = await store.totals(), await store.info()
    except MediascrapeError as error:
        yield Finding("store", "error", str(error), exit_code=error.exit_code)
        return
    media = sum(totals.media.values())
    yield Finding(
        "store", "ok",
        f"{info} ({redact(settings.store_url)}), {bytes_text(info.bytes)}, {totals.pages} pages, {media} media",
    )  # fmt: skip
    if info.connections and (finding := judge_connections(*info.connections)):
        yield finding
    path = sqlite_path(settings.store_url)
    if path is not None and path.parent != settings.data_dir.expanduser().absolute():
        yield judge_disk("store", str(path.parent), shutil.disk_usage(path.parent).free)


async def check_names(_: Settings) -> AsyncIterator[Finding]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(5):
            await loop.getaddrinfo("example.com", 443)
    except (OSError, TimeoutError):
        yield Finding(
            "names", "warning", "example.com cannot be resolved",
            "no DNS server answers: only pages at numeric addresses or in /etc/hosts can be scraped",
        )  # fmt: skip
    else:
        yield Finding("names", "ok", "host names can be resolved")


CHECKS: tuple[Check, ...] = (
    check_versions,
    check_settings,
    check_data_dir,
    check_files,
    check_memory,
    check_queue,
    check_store,
    check_names,
)
