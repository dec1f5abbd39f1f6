"""`mediascrape store`: move the database, forget old scrapes, keep it in shape."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import STORE, with_settings
from mediascrape.cli.running import run
from mediascrape.cli.terminal import bytes_text, console, duration, safe
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mediascrape.store import Store

T = TypeVar("T")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class Age(click.ParamType[float]):
    """A time span as people write it; seconds."""

    name = "age"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", str(value))
        if found is None:
            self.fail(f"{value!r} is no age; write 30d, 12h or 2w", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def on_store(settings: Settings, use: Callable[[Store], Awaitable[T]]) -> T:
    """Run `use` on the store of the settings; no queue, no worker."""
    configure_logging(settings.log_level)

    async def call() -> T:
        from mediascrape.store import open_store

        async with open_store(settings.store_url) as store:
            return await use(store)

    return run(call())


@click.group("store")
def store_group() -> None:
    """Look after the database of pages and media."""


@store_group.command("info")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(STORE)
def info_command(settings: Settings, as_json: bool) -> None:
    """Say which database it is, how large, and what it holds."""

    from mediascrape.queue.connection import redact

    async def look(store: Store) -> dict[str, object]:
        info, totals = await store.info(), await store.totals()
        return {
            "database": str(info),
            "place": redact(settings.store_url),
            "bytes": info.bytes,
            "pages": totals.pages,
            "media": totals.media,
            "scrapes": totals.scrapes,
        }

    found = on_store(settings, look)
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {kind}" for kind, count in sorted(value.items())) or "none"
        shown = bytes_text(value) if name == "bytes" and isinstance(value, int) else safe(value)
        click.echo(f"{'size' if name == 'bytes' else name:<10}{shown}")


@store_group.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy_command(source: str, target: str) -> None:
    """Copy a whole store into an empty one, ids included, and count it again there.

    FROM and TO are a path or sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/DATABASE. Stop all
    workers first: what is saved meanwhile would be missing, and the copy says so. A copy that was
    cut off goes on where it was when the same command is given again; a target that holds anything
    else is refused.

    \b
    Example, to outgrow one machine:
      mediascrape store copy ~/.local/share/mediascrape/mediascrape.db postgresql://me@db/media
    """
    configure_logging("warning")
    from mediascrape.store.copying import copy_store

    started = time.monotonic()
    with _progress() as view:
        tasks: dict[str, TaskID] = {}

        def progress(table: str, rows: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = view.add_task(table, total=total)
            view.update(tasks[table], completed=rows)

        copied = run(copy_store(source, target, on_progress=progress))
    for table, rows in copied.rows.items():
        click.echo(f"{table:<12}{rows:>12}")
    took = duration(time.monotonic() - started)
    if copied.before:
        click.echo(f"went on after the {copied.before:,} rows that were there", err=True)
    click.echo(f"copied and counted again in {took}", err=True)


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console(stderr=True)
    return Progress(*columns, console=shown, disable=not shown.is_terminal)


@store_group.command("prune")
@click.option("--older-than", "age", type=Age(), required=True, metavar="AGE",
              help="How long ago a scrape must have ended: 30d, 12h, 2w.")  # fmt: skip
@with_settings(STORE)
def prune_command(settings: Settings, age: float) -> None:
    """Forget old scrapes: how jobs ended, when, and for which batch. Pages and media stay.

    Workers do this by themselves once an hour (MEDIASCRAPE_KEEP_SCRAPES_AGE_S).
    """
    forgotten = on_store(settings, lambda store: store.prune(scrapes_older_than=time.time() - age))
    click.echo(f"{forgotten} scrapes forgotten; `mediascrape store vacuum` makes their room usable again")


@store_group.command("optimize")
@with_settings(STORE)
def optimize_command(settings: Settings) -> None:
    """Bring the search index and the planner's statistics up to date. Workers may go on."""
    on_store(settings, lambda store: store.optimize())
    click.echo("optimized")


@store_group.command("vacuum")
@with_settings(STORE)
def vacuum_command(settings: Settings) -> None:
    """Make the room of deleted rows usable again.

    SQLite writes its file anew: as much free disk again as the file is large, and no worker meanwhile.
    PostgreSQL does it beside the workers; its own autovacuum usually suffices.
    """
    before = on_store(settings, lambda store: store.info()).bytes
    on_store(settings, lambda store: store.vacuum())
    after = on_store(settings, lambda store: store.info()).bytes
    click.echo(f"{bytes_text(before)} before, {bytes_text(after)} after")
