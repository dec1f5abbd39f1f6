"""`mediascrape queue`: pause, resume, drain, count."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import click

from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import QUEUE, with_settings
from mediascrape.cli.running import run
from mediascrape.cli.terminal import safe
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from mediascrape.queue.events import QueueEvent
    from mediascrape.queue.queue import Limits, Queue, State

T = TypeVar("T")


def on_queue(settings: Settings, use: Callable[[Queue], Awaitable[T]]) -> T:
    """Run `use` on the queue of the settings; no store, no worker."""
    configure_logging(settings.log_level)

    async def call() -> T:
        from contextlib import AsyncExitStack

        from mediascrape.parts import open_queue, open_queue_server

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
    """Count the jobs in each state, and say whether the queue is paused."""
    found, paused = on_queue(settings, _count_jobs)
    if as_json:
        click.echo(json.dumps({**found, "paused": paused}))
        return
    for state, count in found.items():
        click.echo(f"{state:<17}{count:>9}")
    if paused:
        click.echo("paused: no job is started until `mediascrape queue resume`")


async def _count_jobs(queue: Queue) -> tuple[dict[State, int], bool]:
    return await queue.counts(), await queue.is_paused()


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


@queue_group.command("events")
@click.option("--kind", "kinds", multiple=True, metavar="KIND",
              help="Only these: added, active, progress, completed, failed, stalled …; may be repeated.")  # fmt: skip
@click.option("--past", is_flag=True, help="Begin with what the queue still remembers (about 10,000).")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many; otherwise with Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@with_settings(QUEUE)
def events(settings: Settings, kinds: tuple[str, ...], past: bool, limit: int | None, as_json: bool) -> None:
    """Show what happens in the queue, whichever worker it happens in."""
    tell = _event_to_json if as_json else _event_to_text
    on_queue(settings, lambda queue: _follow(queue, kinds, past, limit, tell))


async def _follow(
    queue: Queue, kinds: tuple[str, ...], past: bool, limit: int | None, tell: Callable[[QueueEvent], str]
) -> None:
    from mediascrape.queue.events import BEGINNING

    async with queue.events(after=BEGINNING if past else None) as reader:
        told = 0
        async for event in reader.follow(kinds or None):
            click.echo(tell(event))
            told += 1
            if told == limit:
                return


def _event_to_json(event: QueueEvent) -> str:
    return json.dumps({
        "id": event.id, "at_ms": event.at_ms, "kind": event.kind, "job_id": event.job_id, "prev": event.prev,
        "value": event.value, "reason": event.reason, "due_ms": event.due_ms,
    })  # fmt: skip


def _event_to_text(event: QueueEvent) -> str:
    at = datetime.fromtimestamp(event.at_ms / 1000).astimezone()
    detail = event.reason or ("" if event.value is None else json.dumps(event.value))
    return (
        f"{at:%H:%M:%S.%f}"[:-3] + f"  {safe(event.kind):<17} {safe(event.job_id or '')}  {safe(detail, 200)}"
    )


@queue_group.command("limit")
@click.option("--concurrency", metavar="N|off", help="Jobs running at once, over all workers.")
@click.option("--rate", metavar="N/DURATION|off", help="Jobs started, over all workers: 100/1s, 500/1m.")
@with_settings(QUEUE)
def limit(settings: Settings, concurrency: str | None, rate: str | None) -> None:
    """Set or show limits over all workers of the queue, BullMQ's own included.

    Hosts are treated politely without these. They are for the sake of your own machines.
    """
    wanted = limits_of(concurrency, rate)
    found = on_queue(settings, lambda queue: _set_limits(queue, wanted))
    at_once = "no limit" if found.concurrency is None else str(found.concurrency)
    started = "no limit" if found.jobs is None else f"{found.jobs} in {found.per_ms} ms"
    held = f" (none for the next {found.held_ms} ms)" if found.held_ms else ""
    click.echo(f"jobs running at once: {at_once}\njobs started: {started}{held}")


def limits_of(concurrency: str | None, rate: str | None) -> dict[str, tuple[int, ...] | None]:
    """What to set; None lifts a limit. Raises UsageError or InvalidScheduleError."""
    from mediascrape.queue.repeat import parse_duration

    wanted: dict[str, tuple[int, ...] | None] = {}
    if concurrency is not None:
        wanted["concurrency"] = None if concurrency == "off" else (_count("--concurrency", concurrency),)
    if rate is not None:
        jobs, _, per = rate.partition("/")
        wanted["rate"] = None if rate == "off" else (_count("--rate", jobs), parse_duration(per))
    return wanted


def _count(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise click.UsageError(f"{flag}: {text!r} is no number above 0")
    return int(text)


async def _set_limits(queue: Queue, wanted: dict[str, tuple[int, ...] | None]) -> Limits:
    if "concurrency" in wanted:
        await queue.set_global_concurrency(*(wanted["concurrency"] or (None,)))
    if "rate" in wanted:
        await queue.set_rate_limit(*(wanted["rate"] or (None,)))
    return await queue.limits()


@queue_group.command("drain")
@click.option("--delayed", is_flag=True, help="Jobs that wait for a later time too (retries, polite waits).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@with_settings(QUEUE)
def drain(settings: Settings, delayed: bool, yes: bool) -> None:
    """Remove all jobs that wait. What runs or has ended stays."""
    if not yes and not click.confirm("Remove all waiting jobs?"):
        click.echo("nothing removed")
        return
    before = on_queue(settings, lambda queue: _drain(queue, delayed))
    click.echo(f"{before} jobs removed")


async def _drain(queue: Queue, delayed: bool) -> int:
    before = sum((await queue.counts()).values())
    await queue.drain(delayed=delayed)
    return max(before - sum((await queue.counts()).values()), 0)
