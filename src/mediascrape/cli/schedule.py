"""`mediascrape schedule`: add, list, remove."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mediascrape.cli import EXIT_JOBS_FAILED
from mediascrape.cli.options import QUEUE, with_settings
from mediascrape.cli.queue import on_queue
from mediascrape.cli.sources import gather_urls
from mediascrape.cli.terminal import console, safe, table
from mediascrape.errors import ConfigurationError
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from mediascrape.queue.queue import Queue
    from mediascrape.queue.repeat import Repeat
    from mediascrape.queue.schedules import Schedule
    from mediascrape.scheduling import PageSchedules, Scheduled

_FORMAT = click.option(
    "--format", "output_format", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="json prints one array; times are milliseconds since 1970, UTC.",
)  # fmt: skip


@click.group("schedule")
def schedule_group() -> None:
    """Scrape pages again and again.

    Schedules live in the queue, one per page. Whatever worker takes a run adds the next one first,
    so they go on as long as any worker does (`mediascrape worker`, `serve`, or BullMQ's own). Runs
    missed while none worked are not made up for, except the last.

    \b
    mediascrape schedule add https://example.org --every 1h
    mediascrape schedule add -f urls.txt --cron '0 6 * * 1-5' --tz Europe/Berlin
    mediascrape schedule list
    """


@schedule_group.command("add")
@click.argument("urls", nargs=-1)
@click.option(
    "-f", "--file", "files", multiple=True, metavar="FILE", help="One URL per line; - for standard input."
)
@click.option("--every", metavar="DURATION", help="30s, 15m, 1h30m, 7d … between two runs; the first is now.")
@click.option("--cron", metavar="EXPRESSION", help="Five fields, or six with seconds, or @hourly, @daily ….")
@click.option("--tz", metavar="ZONE", help="Time zone of --cron, like Europe/Berlin. [default: UTC]")
@click.option("--now", "immediately", is_flag=True, help="With --cron: run once at once, too.")
@click.option("--limit", type=click.IntRange(min=1), help="Runs in all.")
@click.option("--start", metavar="TIME", help="First run no earlier; ISO 8601, local unless it has a zone.")
@click.option("--end", metavar="TIME", help="No run is planned after it; ISO 8601.")
@click.option("--priority", type=click.IntRange(0, 2**21 - 1), default=0, show_default=True,
              help="1 is the most urgent; jobs without a priority (0) go before all.")  # fmt: skip
@_FORMAT
@with_settings(QUEUE)
def add(
    settings: Settings, urls: tuple[str, ...], files: tuple[str, ...], priority: int, output_format: str, **timing: Any
) -> int:  # fmt: skip
    """Scrape each page on a schedule; one that a page already has is replaced."""
    repeat = repeat_of(**timing)
    pages = gather_urls(urls, files)
    done = on_queue(settings, lambda queue: _add(_of(queue, settings), pages, repeat, priority))
    for one in done.rejected:
        click.echo(f"rejected  {safe(one.url, 120)}  {safe(one.reason, 200)}", err=True)
    if done.schedules or output_format == "json":
        _show(done.schedules, output_format)
    return EXIT_JOBS_FAILED if done.rejected else 0


async def _add(schedules: PageSchedules, urls: list[str], repeat: Repeat, priority: int) -> Scheduled:
    return await schedules.add(urls, repeat, priority=priority)


@schedule_group.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)
@click.option(
    "--offset", type=click.IntRange(min=0), default=0, show_default=True, help="Leave out the first ones."
)
@_FORMAT
@with_settings(QUEUE)
def list_schedules(settings: Settings, limit: int, offset: int, output_format: str) -> None:
    """List schedules, the one due next first."""
    _show(on_queue(settings, lambda queue: queue.schedules.page(offset, limit)), output_format)


@schedule_group.command("remove")
@click.argument("names", nargs=-1, metavar="[URL|ID]...")
@click.option("--all", "every", is_flag=True, help="All schedules of the queue.")
@with_settings(QUEUE)
def remove(settings: Settings, names: tuple[str, ...], every: bool) -> int:
    """Remove schedules by page or id; a run that has begun goes on."""
    if every == bool(names):
        raise click.UsageError("name the pages or ids to remove, or --all")
    if every:
        click.echo(f"{on_queue(settings, lambda queue: _of(queue, settings).remove_all())} schedules removed")
        return 0
    removed = on_queue(settings, lambda queue: _of(queue, settings).remove(names))
    for name in names:
        found = name in removed
        click.echo(f"{safe(name)}: {'removed' if found else 'has no schedule'}", err=not found)
    return 0 if set(names) <= set(removed) else 1


def _of(queue: Queue, settings: Settings) -> PageSchedules:
    from mediascrape.scheduling import PageSchedules

    return PageSchedules(queue, max_url_length=settings.max_url_length)


def repeat_of(
    every: str | None, cron: str | None, tz: str | None, *,
    immediately: bool, limit: int | None, start: str | None, end: str | None,
) -> Repeat:  # fmt: skip
    """Raises ConfigurationError or InvalidScheduleError."""
    from mediascrape.queue.repeat import Repeat, parse_duration

    if (every is None) == (cron is None):
        raise click.UsageError("say how often: either --every DURATION or --cron EXPRESSION")
    if tz is not None and cron is None:
        raise click.UsageError("--tz goes with --cron")
    return Repeat(
        every_ms=None if every is None else parse_duration(every),
        cron=cron,
        tz=None if cron is None else tz or "UTC",
        limit=limit,
        start_ms=_time_ms("--start", start),
        end_ms=_time_ms("--end", end),
        immediately=immediately,
    )


def _time_ms(flag: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise ConfigurationError(
            f"{flag} {text!r} is no time; write it like 2030-01-31T08:00 or 2030-01-31T08:00+01:00"
        ) from None


def _show(schedules: list[Schedule], output_format: str) -> None:
    from mediascrape.queue.wire import now_ms
    from mediascrape.scheduling import page_url, rhythm, schedule_to_json

    if output_format == "json":
        click.echo(json.dumps([schedule_to_json(schedule) for schedule in schedules]))
        return
    if not schedules:
        click.echo("no schedules", err=True)
        return
    now = now_ms()
    rows = (
        (
            schedule.id,
            rhythm(schedule.repeat),
            "ended" if schedule.ended(now) else _when(schedule.next_ms),
            schedule.runs,
            safe(page_url(schedule) or f"({schedule.name})", 200),
        )
        for schedule in schedules
    )
    view = table(("id", "repeats", "next run", "runs", "page"), rows, right=("runs",), whole=("id",))
    console().print(view)


def _when(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
