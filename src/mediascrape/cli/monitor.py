"""`mediascrape monitor`: the queue's health at a glance."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import click

from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import SERVICE, with_settings
from mediascrape.cli.running import run
from mediascrape.cli.terminal import console, kinds_text, safe, table
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mediascrape.service import Mediascrape

FAILED_ROWS = 10


@click.command("monitor")
@click.option("-w", "--watch", is_flag=True, help="Go on showing, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per look.")
@with_settings(SERVICE)
def monitor_command(settings: Settings, watch: bool, interval: float, as_json: bool) -> None:
    """Show how many jobs are in each state, what is done per second, and the latest failures."""
    configure_logging(settings.log_level)
    run(_monitor(settings, watch=watch, interval=interval, as_json=as_json))


async def _monitor(settings: Settings, *, watch: bool, interval: float, as_json: bool) -> None:
    from mediascrape.service import Mediascrape

    async with Mediascrape(settings, worker=False) as service:
        if as_json or not watch or not console().is_terminal:
            look = None
            while True:
                look = await take_look(service, look)
                if as_json:
                    click.echo(json.dumps(look))
                else:
                    console().print(_view(look))
                if not watch:
                    return
                await asyncio.sleep(interval)
        await _watch(service, interval)


async def _watch(service: Mediascrape, interval: float) -> None:
    from rich.live import Live

    look = await take_look(service, None)
    with Live(_view(look), console=console(), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(interval)
            look = await take_look(service, look)
            live.update(_view(look), refresh=True)


async def take_look(service: Mediascrape, before: dict[str, Any] | None) -> dict[str, Any]:
    """Counts now, and rates since the look before (None: no rates yet)."""
    totals = await service.store.totals()
    failed = await service.queue.list_jobs(("failed",), limit=FAILED_ROWS)
    done = totals.scrapes.get("ok", 0)
    ended = sum(totals.scrapes.values())
    look: dict[str, Any] = {
        "time": time.time(),
        "queue": await service.queue.counts(),
        "paused": await service.queue.is_paused(),
        "workers": len(await service.queue.workers()),
        "pages": totals.pages,
        "media": totals.media,
        "scrapes": {"ok": done, "failed": ended - done, "by_outcome": totals.scrapes},
        "per_second": None,
        "failed_jobs": [
            {
                "id": job.id,
                "url": job.data.get("url") if isinstance(job.data, dict) else None,
                "attempts_made": job.attempts_made,
                "reason": job.failed_reason,
            }
            for job in failed
        ],
    }
    if before is not None:
        ended_before = before["scrapes"]["ok"] + before["scrapes"]["failed"]
        look["per_second"] = round((ended - ended_before) / max(look["time"] - before["time"], 0.001), 1)
    return look


def _view(look: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    rate = "" if look["per_second"] is None else f"   {look['per_second']:g} jobs/s"
    head = Text(f"{look['workers']} workers{rate}" + ("   PAUSED" if look["paused"] else ""), style="bold")
    states = table(("state", "jobs"), look["queue"].items(), right=("jobs",))
    scrapes = look["scrapes"]
    media = kinds_text(look["media"]) or "none"
    lines = Text(
        f"\npages {look['pages']}   scrapes {scrapes['ok']} ok, {scrapes['failed']} failed   media {media}\n"
    )
    if not look["failed_jobs"]:
        return Group(head, states, lines)
    rows = (
        (job["id"], job["attempts_made"], safe(job["url"] or "", 70), safe(job["reason"] or "", 70))
        for job in look["failed_jobs"]
    )
    columns = ("failed job", "attempts", "url", "reason")
    failed = table(columns, rows, right=("attempts",), whole=("failed job",))
    return Group(head, states, lines, failed)
