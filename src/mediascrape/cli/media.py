"""`mediascrape media`: what was found, over all scrapes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import STORE, with_settings
from mediascrape.cli.results import Form, write_media
from mediascrape.cli.running import run
from mediascrape.cli.terminal import WIDE, console, safe, size, table
from mediascrape.settings import Settings
from mediascrape.store.records import MediaQuery, StoredMedia

if TYPE_CHECKING:
    from rich.table import Table


def _query_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--batch", "batch_id", metavar="ID", help="On pages of this submission only."),
        click.option("--page", "page_url", metavar="URL", help="On this page only."),
        click.option("--host", help="Media served by this host only."),
        click.option("--search", "q", metavar="TEXT", help="Words in alt text, title, page title or URL."),
        click.option(
            "--kind", type=click.Choice(["image", "video", "audio", "embed"]), help="Of this kind only."
        ),
    ):
        function = option(function)
    return function


@click.group("media")
def media_group() -> None:
    """List and export the media of all pages scraped so far."""


@media_group.command("list")
@_query_options
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)
@click.option("--cursor", metavar="TEXT", help="Go on where an earlier list ended.")
@click.option("--format", "output_format", type=click.Choice(["table", "jsonl", "csv"]),
              help="Default: table on a terminal, else jsonl.")  # fmt: skip
@with_settings(STORE)
def list_command(settings: Settings, output_format: Form | Literal["table"] | None, **criteria: Any) -> None:
    """List media, newest first."""
    configure_logging(settings.log_level)
    output_format = output_format or ("table" if sys.stdout.isatty() else "jsonl")
    run(_list(settings, MediaQuery(**criteria), output_format))


@media_group.command("export")
@_query_options
@click.option("--format", "output_format", type=click.Choice(["jsonl", "csv", "parquet"]),
              help="Default: by the file's name, else jsonl.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Default: standard output.")
@with_settings(STORE)
def export_command(
    settings: Settings, output_format: Form | None, output: str | None, **criteria: Any
) -> None:
    """Write all media to a file, in constant memory however many there are."""
    configure_logging(settings.log_level)
    output_format = output_format or _format_of(output)
    count = run(_export(settings, MediaQuery(**criteria), output_format, output))
    if output:
        click.echo(f"{count} media written to {output}", err=True)


#: How a file's name ends, and what is then written into it.
_FORMS: Final[dict[str, Form]] = {
    "": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet",
}  # fmt: skip


def _format_of(output: str | None) -> Form:
    """Raises UsageError for a name that promises something else."""
    suffix = Path(output or "").suffix.lower()
    if suffix not in _FORMS:
        raise click.UsageError(
            f"-o {output}: {suffix!r} is none of .jsonl, .csv and .parquet; say which by --format jsonl|csv|parquet"
        )
    return _FORMS[suffix]


async def _list(settings: Settings, query: MediaQuery, output_format: Form | Literal["table"]) -> None:
    from mediascrape.store import open_store

    async with open_store(settings.store_url) as store:
        page = await store.list_media(query)
    if output_format != "table":
        await write_media(_each(page.items), output_format, None)
    else:
        out = console()
        out.print(_table(page.items, wide=out.width >= WIDE) if page.items else "no media")
    if page.next_cursor:
        click.echo(f"more: --cursor {page.next_cursor}", err=True)


def _table(items: list[StoredMedia], *, wide: bool) -> Table:
    if not wide:
        rows: Iterable[tuple[object, ...]] = ((one.kind, size(one), one.url, one.page_url) for one in items)
        return table(("kind", "size", "url", "page"), rows, folded=("url", "page"))
    rows = (
        (one.kind, one.via, size(one), one.url, safe(one.alt or one.title or "", 40), one.page_url)
        for one in items
    )
    return table(("kind", "via", "size", "url", "text", "page"), rows, folded=("url", "page"))


async def _export(settings: Settings, query: MediaQuery, output_format: Form, output: str | None) -> int:
    from mediascrape.store import open_store

    async with open_store(settings.store_url) as store:
        kinds = await write_media(store.iter_media(query), output_format, output)
    return kinds.total()


async def _each(items: list[StoredMedia]) -> AsyncIterator[StoredMedia]:
    for item in items:
        yield item
