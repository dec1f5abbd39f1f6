"""`mediascrape extract`: the media of one document, without network or queue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from mediascrape.cli import EXIT_JOBS_FAILED
from mediascrape.errors import (
    BodyTooLargeError,
    ConfigurationError,
    InvalidURLError,
    ScrapeError,
    UnsupportedContentError,
)
from mediascrape.scrape.content import SNIFF_BYTES, sniff
from mediascrape.scrape.decoding import DecodingLimits, decode
from mediascrape.scrape.extract import ExtractOptions, ItemFilter, extract
from mediascrape.scrape.extract.items import KINDS
from mediascrape.scrape.urls import normalize_url

_GZIP: Final = b"\x1f\x8b\x08"
_MAX_BYTES: Final = 256 * 1024 * 1024


@click.command("extract")
@click.argument("file", metavar="FILE|-")
@click.option("--base-url", required=True, metavar="URL", help="Where the document came from.")
@click.option(
    "--content-type", metavar="TYPE", help="Its Content-Type header, when the charset is known from there."
)
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this kind; may be repeated."
)
@click.option("--min-width", type=click.IntRange(min=0), default=0, help="Drop media known to be narrower.")
@click.option("--min-height", type=click.IntRange(min=0), default=0, help="Drop media known to be lower.")
@click.option("--host", "hosts", multiple=True, help="Only media of this host and its subdomains.")
@click.option("--deny-host", "denied", multiple=True, help="No media of this host and its subdomains.")
@click.option("--extension", "extensions", multiple=True, help="Only media with this file extension.")
@click.option("--content-only", is_flag=True, help="Leave out icons, decoration, placeholders and pixels.")
@click.option("--deep", is_flag=True, help="Look into JSON state inside scripts too.")
def extract_command(
    file: str,
    base_url: str,
    content_type: str | None,
    kinds: tuple[str, ...],
    min_width: int,
    min_height: int,
    hosts: tuple[str, ...],
    denied: tuple[str, ...],
    extensions: tuple[str, ...],
    content_only: bool,
    deep: bool,
) -> int:
    """Print the media of the HTML document, feed or sitemap in FILE (- for standard input), one JSON object per line.

    FILE may be compressed with gzip. Everything found is printed, each item with its flags (icon,
    decoration, placeholder, pixel, tracker, in_noscript, in_template), unless a filter says otherwise.

    \b
    mediascrape extract page.html --base-url https://example.org/
    curl -s https://example.org/ | mediascrape extract - --base-url https://example.org/ --kind video
    """
    wanted = ItemFilter(
        kinds=frozenset(kinds),
        min_width=min_width,
        min_height=min_height,
        allow_hosts=hosts,
        deny_hosts=denied,
        extensions=frozenset(name.lower().removeprefix(".") for name in extensions),
        keep_decoration=not content_only,
    )
    url = _normalize(base_url)
    try:
        body = _document(_read(file), content_type)
        options = ExtractOptions(deep=deep, max_body_bytes=_MAX_BYTES)
        document = extract(body, base_url=url, content_type=content_type, options=options)
    except ScrapeError as error:
        from mediascrape.cli.terminal import safe

        click.echo(f"failed    {safe(file, 120)}  {error.reason}", err=True)
        return EXIT_JOBS_FAILED
    from mediascrape.cli.results import json_lines_output

    out = json_lines_output()
    for item in wanted.apply(document.items):
        out(item.to_record(url))
    return 0


def _normalize(base_url: str) -> str:
    try:
        return normalize_url(base_url)
    except InvalidURLError as error:
        raise ConfigurationError(f"--base-url {base_url!r}: {error}") from None


def _document(raw: bytes, content_type: str | None) -> bytes:
    """The text to look into; a file of one's own may be larger than a stranger's page.

    Raises UnsupportedContentError or what `decode` raises: silence would look as if a page without
    media had been given.
    """
    if raw.startswith(_GZIP):
        raw = decode(raw, ["gzip"], DecodingLimits(max_bytes=_MAX_BYTES))
    if content_type is None and (found := sniff(raw[:SNIFF_BYTES])) is not None:
        raise UnsupportedContentError(f"{found[0]} is neither HTML nor a feed")
    return raw


def _read(name: str) -> bytes:
    """Raises ConfigurationError when it cannot be read, BodyTooLargeError when it does not end in time."""
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {name}: {error.strerror}") from None
    if len(raw) > _MAX_BYTES:
        raise BodyTooLargeError(f"longer than {_MAX_BYTES:,} bytes")
    return raw
