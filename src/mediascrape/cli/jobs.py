"""`mediascrape jobs`: list, show, retry, remove, clean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from mediascrape.cli.options import QUEUE, with_settings
from mediascrape.cli.queue import on_queue
from mediascrape.cli.terminal import console, safe, table
from mediascrape.errors import JobNotFoundError, MediascrapeError
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from mediascrape.queue.job import Job
    from mediascrape.queue.queue import Queue

STATES = ("waiting", "active", "prioritized", "delayed", "completed", "failed", "waiting-children")


@click.group("jobs")
def jobs_group() -> None:
    """Look at single jobs and operate on them."""


@jobs_group.command("list")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only these states; may be repeated."
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)
@click.option(
    "--offset", type=click.IntRange(min=0), default=0, show_default=True, help="Leave out the first ones."
)
@click.option("--oldest-first", is_flag=True, help="Default: newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@with_settings(QUEUE)
def list_jobs(
    settings: Settings, states: tuple[str, ...], limit: int, offset: int, oldest_first: bool, as_json: bool
) -> None:
    """List jobs, newest first."""
    chosen: Any = states or STATES
    jobs = on_queue(
        settings, lambda queue: queue.list_jobs(chosen, start=offset, limit=limit, oldest_first=oldest_first)
    )
    if as_json:
        for job in jobs:
            click.echo(json.dumps(to_json(job)))
        return
    if not jobs:
        click.echo("no jobs", err=True)
        return
    rows = (
        (
            job.id,
            job.state,
            job.attempts_made,
            _when(job.timestamp),
            _url(job),
            safe(job.failed_reason or "", 80),
        )
        for job in jobs
    )
    columns = ("id", "state", "attempts", "added", "url", "reason")
    console().print(table(columns, rows, right=("attempts",), whole=("id", "state")))


@jobs_group.command("show")
@click.argument("job_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(QUEUE)
def show(settings: Settings, job_id: str, as_json: bool) -> None:
    """Show everything the queue knows of a job, its log included."""
    job, logs = on_queue(settings, lambda queue: _get(queue, job_id))
    shown = to_json(job) | {"logs": logs}
    if as_json:
        click.echo(json.dumps(shown))
        return
    for name, value in shown.items():
        if value in (None, [], {}, ""):
            continue
        lines = value if isinstance(value, list) else [value if isinstance(value, str) else json.dumps(value)]
        for line in (part for entry in lines for part in str(entry).splitlines()):
            click.echo(f"{name:<17} {safe(line)}")
            name = ""


@jobs_group.command("retry")
@click.argument("job_ids", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All failed jobs.")
@with_settings(QUEUE)
def retry(settings: Settings, job_ids: tuple[str, ...], every: bool) -> int:
    """Put failed jobs back into the queue with all their attempts."""
    if every == bool(job_ids):
        raise click.UsageError("name the jobs to retry, or --all")
    if every:
        count = on_queue(settings, _retry_all)
        click.echo(f"{count} jobs put back")
        return 0
    return on_queue(settings, lambda queue: _each(job_ids, "put back", queue.retry_job))


@jobs_group.command("remove")
@click.argument("job_ids", nargs=-1, required=True)
@with_settings(QUEUE)
def remove(settings: Settings, job_ids: tuple[str, ...]) -> int:
    """Remove jobs; a running one must be cancelled first."""
    return on_queue(settings, lambda queue: _each(job_ids, "removed", queue.remove_job))


@jobs_group.command("cancel")
@click.argument("job_id")
@with_settings(QUEUE)
def cancel(settings: Settings, job_id: str) -> int:
    """Cancel a running job, whichever worker runs it; it fails for good."""
    heard = on_queue(settings, lambda queue: queue.cancel_job(job_id))
    click.echo(f"{safe(job_id)}: " + ("cancelled if it runs" if heard else "no worker is listening"))
    return 0 if heard else 1


@jobs_group.command("clean")
@click.option("--state", type=click.Choice(["failed", "completed", "waiting", "prioritized", "delayed"]),
              default="failed", show_default=True, help="Which jobs to remove.")  # fmt: skip
@click.option(
    "--older-than-s",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="In that state for longer.",
)
@click.option(
    "--limit", type=click.IntRange(min=0), default=0, show_default=True, help="At most so many; 0 for all."
)
@with_settings(QUEUE)
def clean(settings: Settings, state: Any, older_than_s: int, limit: int) -> None:
    """Remove the jobs of one state."""
    removed = on_queue(settings, lambda queue: queue.clean(state, grace_ms=older_than_s * 1000, limit=limit))
    click.echo(f"{len(removed)} jobs removed")


async def _get(queue: Queue, job_id: str) -> tuple[Job, list[str]]:
    job = await queue.get_job(job_id)
    if job is None:
        raise JobNotFoundError(
            f"job {safe(job_id)} is not in the queue; completed jobs leave it (`mediascrape media list`)"
        )
    return job, await queue.get_logs(job_id)


async def _retry_all(queue: Queue) -> int:
    count = (await queue.counts())["failed"]
    await queue.retry_all("failed")
    return count - (await queue.counts())["failed"]


async def _each(job_ids: tuple[str, ...], done: str, change: Any) -> int:
    """Do it to every job; one that cannot be is told, and the others are still done."""
    status = 0
    for job_id in job_ids:
        try:
            await change(job_id)
            click.echo(f"{safe(job_id)}: {done}")
        except MediascrapeError as error:
            if error.exit_code == 4:
                raise
            click.echo(f"{safe(job_id)}: {safe(error)}", err=True)
            status = 1
    return status


def to_json(job: Job) -> dict[str, Any]:
    """A job for machines: plain names, times in ISO 8601."""
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "data": job.data,
        "attempts_made": job.attempts_made,
        "attempts": job.opts.attempts,
        "stalled": job.stalled_count,
        "priority": job.priority,
        "delay_ms": job.delay,
        "progress": job.progress,
        "added_at": _iso(job.timestamp),
        "started_at": _iso(job.processed_on),
        "finished_at": _iso(job.finished_on),
        "worker": job.processed_by,
        "failed_reason": job.failed_reason,
        "returnvalue": job.returnvalue,
        "stacktrace": job.stacktrace,
    }


def _iso(milliseconds: int | None) -> str | None:
    return (
        datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
        if milliseconds
        else None
    )


def _when(milliseconds: int) -> str:
    return (
        datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        if milliseconds
        else ""
    )


def _url(job: Job) -> str:
    return safe(job.data.get("url", "") if isinstance(job.data, dict) else "", 90)
