"""`mediascrape submit`: add pages to the queue and return."""

from __future__ import annotations

import json
from typing import Any

import click

from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import SERVICE, with_settings
from mediascrape.cli.running import run
from mediascrape.cli.sources import gather_urls
from mediascrape.cli.terminal import safe
from mediascrape.settings import Settings
from mediascrape.submission import Submission


@click.command("submit")
@click.argument("urls", nargs=-1)
@click.option(
    "-f", "--file", "files", multiple=True, metavar="FILE", help="One URL per line; - for standard input."
)
@click.option("--priority", type=click.IntRange(0, 2**21 - 1), default=0, show_default=True,
              help="1 is the most urgent; jobs without a priority (0) go before all.")  # fmt: skip
@click.option(
    "--delay-ms", type=click.IntRange(min=0), default=0, show_default=True, help="Start no earlier than this."
)
@click.option("--force", is_flag=True, help="Read pages again that have not changed since the last time.")
@click.option("--json", "as_json", is_flag=True, help="Print the submission as JSON.")
@with_settings(SERVICE)
def submit_command(
    settings: Settings,
    urls: tuple[str, ...],
    files: tuple[str, ...],
    priority: int,
    delay_ms: int,
    force: bool,
    as_json: bool,
) -> int:
    """Add a job for each URL and return without waiting.

    A URL that a pending job already answers for is not added again. A worker
    (`mediascrape worker`, `serve` or `scrape`) does the rest.
    """
    configure_logging(settings.log_level)
    submission = run(
        _submit(settings, gather_urls(urls, files), priority=priority, delay_ms=delay_ms, force=force)
    )
    if as_json:
        click.echo(json.dumps(to_json(submission)))
    else:
        for one in submission.rejected:
            click.echo(f"rejected  {safe(one.url, 120)}  {safe(one.reason, 200)}", err=True)
        click.echo(
            f"batch {submission.batch_id}: {submission.queued} queued, {submission.duplicates} duplicates, "
            f"{len(submission.rejected)} rejected"
        )
    return 3 if submission.rejected else 0


async def _submit(settings: Settings, urls: list[str], **options: Any) -> Submission:
    from mediascrape.service import Mediascrape

    async with Mediascrape(settings, worker=False) as service:
        return await service.submit(urls, **options)


def to_json(submission: Submission) -> dict[str, object]:
    """The form that the HTTP API gives too."""
    return {
        "batch_id": submission.batch_id,
        "queued": submission.queued,
        "duplicates": submission.duplicates,
        "rejected": [{"url": one.url, "reason": one.reason} for one in submission.rejected],
        "jobs": [{"id": job.id, "url": job.url} for job in submission.jobs],
    }
