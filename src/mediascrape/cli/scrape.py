"""`mediascrape scrape`: the main job. Queue pages, work on them, show what was found."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from mediascrape.cli import EXIT_JOBS_FAILED
from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import SCRAPING, SERVICE, with_settings
from mediascrape.cli.results import require_writable, write_media
from mediascrape.cli.running import run
from mediascrape.cli.sources import gather_urls
from mediascrape.cli.terminal import WIDE, console, duration, kinds_text, safe, size, table
from mediascrape.errors import ForbiddenAddressError
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from mediascrape.cli.results import Form
    from mediascrape.service import Mediascrape
    from mediascrape.store import StoredMedia
    from mediascrape.submission import Progress, Submission

#: Rows of a table on a terminal; more is for a file.
TABLE_ROWS = 40
#: Failures listed one by one; the rest is counted by reason.
FAILURE_ROWS = 20


@click.command("scrape")
@click.argument("urls", nargs=-1)
@click.option(
    "-f", "--file", "files", multiple=True, metavar="FILE", help="One URL per line; - for standard input."
)
@click.option("--format", "output_format", type=click.Choice(["table", "jsonl", "csv"]),
              help="Default: table on a terminal, jsonl in a pipe or file.")  # fmt: skip
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write the media there instead of standard output.",
)
@click.option("--force", is_flag=True, help="Read pages again that have not changed since the last time.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary; failures are still told.")
@with_settings(SERVICE, SCRAPING)
def scrape_command(
    settings: Settings,
    urls: tuple[str, ...],
    files: tuple[str, ...],
    output_format: Form | Literal["table"] | None,
    output: str | None,
    force: bool,
    quiet: bool,
) -> int:
    """Scrape pages and show the images, videos, audio files and embeds found on them.

    Pages go through the queue, so an interrupted run loses nothing: what is left is done by the next
    `scrape` or `worker`. Everything found is kept in the store (`mediascrape media list`).

    \b
    mediascrape scrape https://example.org
    mediascrape scrape -f urls.txt --format csv -o media.csv
    cat urls.txt | mediascrape scrape -f - --kind video | jq .url
    """
    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    if output_format is None:
        output_format = "table" if output is None and sys.stdout.isatty() else "jsonl"
    if output is not None:
        require_writable(Path(output))
    return run(_Scrape(settings, output_format, output, quiet).run(gather_urls(urls, files), force=force))


class _Scrape:
    """One run of the command."""

    def __init__(
        self, settings: Settings, output_format: Form | Literal["table"], output: str | None, quiet: bool
    ) -> None:
        self._settings = settings
        self._format = output_format
        self._output = output
        self._quiet = quiet
        self._err = console(stderr=True)

    async def run(self, urls: list[str], *, force: bool) -> int:
        from mediascrape.service import Mediascrape

        started = time.monotonic()
        async with Mediascrape(self._settings) as service:
            submission = await service.submit(urls, force=force)
            self._tell_rejected(submission)
            with self._progress(len(submission.jobs)) as report:
                try:
                    progress = await service.wait(submission, report=report)
                except BaseException:
                    self._err.print(
                        "interrupted; what is left stays in the queue for the next scrape or worker"
                    )
                    raise
            elapsed = time.monotonic() - started
            kinds = await self._show_media(service, submission)
            await self._show_failures(service, submission)
        if not self._quiet:
            self._summarise(submission, progress, kinds, elapsed)
        return EXIT_JOBS_FAILED if progress.failed or progress.missing or submission.rejected else 0

    def _tell_rejected(self, submission: Submission) -> None:
        for one in submission.rejected[:FAILURE_ROWS]:
            self._err.print(f"rejected  {safe(one.url, 120)}  {safe(one.reason, 200)}", style="yellow")
        if len(submission.rejected) > FAILURE_ROWS:
            self._err.print(f"… and {len(submission.rejected) - FAILURE_ROWS} more rejected")

    @contextmanager
    def _progress(self, total: int) -> Any:
        if self._quiet or not self._err.is_terminal:
            yield None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        with Progress(
            TextColumn("pages"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(), console=self._err, transient=True,
        ) as bar:  # fmt: skip
            task = bar.add_task("pages", total=total, detail="")
            started = time.monotonic()

            def report(progress: Any) -> None:
                rate = progress.ended / max(time.monotonic() - started, 0.001)
                detail = f"{rate:.0f}/s  {progress.found} media" + (
                    f"  [red]{progress.failed} failed[/red]" if progress.failed else ""
                )
                bar.update(task, completed=progress.ended, detail=detail)

            yield report

    async def _show_media(self, service: Mediascrape, submission: Submission) -> Counter[str]:
        items = service.media(submission)
        if self._format == "table":
            return await self._show_table(items)
        return await write_media(items, self._format, self._output)

    async def _show_table(self, items: AsyncIterator[StoredMedia]) -> Counter[str]:
        kinds: Counter[str] = Counter()
        rows: list[tuple[object, ...]] = []
        async for item in items:
            kinds[item.kind] += 1
            if len(rows) < TABLE_ROWS:
                rows.append(
                    (item.kind, item.via, size(item), item.url, safe(item.alt or item.title or "", 40))
                )
        out = console()
        names = (
            ("kind", "via", "size", "url", "text") if out.width >= WIDE else ("kind", "via", "size", "url")
        )
        if rows:
            out.print(table(names, (row[: len(names)] for row in rows), folded=("url",)))
        if kinds.total() > len(rows):
            out.print(f"… and {kinds.total() - len(rows)} more: --format jsonl or csv shows all")
        return kinds

    async def _show_failures(self, service: Mediascrape, submission: Submission) -> None:
        outcomes = await service.outcomes(submission)
        failed = [scrape for scrape in outcomes.values() if scrape.outcome != "ok"]
        for scrape in failed[:FAILURE_ROWS]:
            self._err.print(
                f"failed    {safe(scrape.url, 120)}  {scrape.outcome}: {safe(scrape.error or '', 200)}",
                style="red",
            )
        if len(failed) > FAILURE_ROWS:
            rest = Counter(scrape.outcome for scrape in failed[FAILURE_ROWS:])
            counted = ", ".join(f"{count} {reason}" for reason, count in rest.most_common())
            self._err.print(f"… and {len(failed) - FAILURE_ROWS} more: {counted}", style="red")
        if not self._quiet and any(scrape.outcome == ForbiddenAddressError.code for scrape in failed):
            self._err.print(
                "hint: --allow-network lets pages of your own network be scraped, e.g. --allow-network 127.0.0.0/8"
            )

    def _summarise(
        self, submission: Submission, progress: Progress, kinds: Counter[str], elapsed: float
    ) -> None:
        parts = [f"{progress.done} of {progress.total} pages"]
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if progress.missing:
            parts.append(f"{progress.missing} removed by somebody")
        if submission.rejected:
            parts.append(f"{len(submission.rejected)} rejected")
        found = kinds_text(dict(kinds.most_common())) or "no media"
        rate = f" ({progress.ended / elapsed:.0f} pages/s)" if progress.ended > 1 else ""
        self._err.print(
            f"{', '.join(parts)}: {found}; {progress.new} new; {duration(elapsed)}{rate}", style="bold"
        )
