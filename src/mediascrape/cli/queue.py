"""`mediascrape queue`: pause, resume, drain, count."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import QUEUE, with_settings
from mediascrape.cli.running import run
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from mediascrape.queue.queue import Queue

T = TypeVar("T")


def on_queue(settings: Settings, use: Callable[[Queue], Awaitable[T]]) -> T:
    """Run `use` on the queue of the settings; no store, no worker."""
    configure_logging(settings.log_level)

    async def call() -> T:
        from contextlib import AsyncExitStack

        from mediascrape.service import open_queue, open_queue_server

        async with AsyncExitStack() as stack:
            url = await open_queue_server(settings, stack)
            return await use(await open_queue(settings, url, stack))

    return run(call())


@click.group("queue")
def queue_group() -> None:
    """Operate the queue as a whole."""


@queue_group.command("counts")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(QUEUE)
def counts(settings: Settings, as_json: bool) -> None:
    """Count the jobs in each state."""
    found = on_queue(settings, lambda queue: queue.counts())
    if as_json:
        click.echo(json.dumps(found))
    else:
        for state, count in found.items():
            click.echo(f"{state:<17}{count:>9}")


@queue_group.command("pause")
@with_settings(QUEUE)
def pause(settings: Settings) -> None:
    """Let no worker start another job; running ones go on."""
    on_queue(settings, lambda queue: queue.pause())
    click.echo("paused; `mediascrape queue resume` goes on")


@queue_group.command("resume")
@with_settings(QUEUE)
def resume(settings: Settings) -> None:
    """Let workers start jobs again."""
    on_queue(settings, lambda queue: queue.resume())
    click.echo("resumed")


@queue_group.command("drain")
@click.option("--delayed", is_flag=True, help="Jobs that wait for a later time too (retries, polite waits).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@with_settings(QUEUE)
def drain(settings: Settings, delayed: bool, yes: bool) -> None:
    """Remove all jobs that wait. What runs or has ended stays."""
    if not yes:
        click.confirm("Remove all waiting jobs?", abort=True)
    before = on_queue(settings, lambda queue: _drain(queue, delayed))
    click.echo(f"{before} jobs removed")


async def _drain(queue: Queue, delayed: bool) -> int:
    before = sum((await queue.counts()).values())
    await queue.drain(delayed=delayed)
    return max(before - sum((await queue.counts()).values()), 0)
