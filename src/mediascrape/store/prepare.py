"""What a scrape record weighs before it is written: pure, and the same for both backends.

A page whose items are those stored before costs one digest and no item row, which is what most
scrapes of a running system are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import compress
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from .records import MediaLike, ScrapeRecord

MAX_INT = 2**31 - 1
"""Largest width or height kept; what exceeds it is no size."""

Texts = Sequence[str | None]


class Columns(NamedTuple):
    """The items of a page, a column at a time: the cheapest form to build, digest and bind."""

    url: Sequence[str]
    kind: Sequence[str]
    via: Sequence[str]
    places: Sequence[Collection[str]]
    alt: Texts
    title: Texts
    width: Sequence[int | None]
    height: Sequence[int | None]
    mime_type: Texts
    flags: Sequence[Collection[str]]
    provider: Texts
    provider_id: Texts


@dataclass(slots=True)
class Prepared:
    """A record with its items, each URL once, and their digest.

    `items` is None where they are as before (not modified, or a failure).
    """

    record: ScrapeRecord
    items: Columns | None
    items_hash: bytes


def prepare(record: ScrapeRecord) -> Prepared:
    """The record ready to be written.

    Raises whatever the record's own values cause (AttributeError, TypeError, ...): the caller fails
    that record alone.
    """
    record = _without_nul(record)
    if record.items is None or record.page is None:
        return Prepared(record, None, b"")
    columns = _columns(record.items)
    if len(set(columns.url)) != len(columns.url):
        first: dict[str, MediaLike] = {}
        for item in record.items:
            first.setdefault(item.url, item)
        columns = _columns([*first.values()])
    packed = orjson.dumps(tuple(columns), default=_sorted)
    if b"\\" in packed and b"\\u0000" in packed:  # a single byte is looked for in a tenth of the time
        columns = Columns._make([_clean(value) for value in column] for column in columns)
    return Prepared(record, columns, blake2b(packed, digest_size=16).digest())


_values = attrgetter(*Columns._fields)


def _columns(items: Sequence[MediaLike]) -> Columns:
    """One look at each item for all of its values: a quarter of the time that a look for each takes."""
    if not items:
        return Columns._make(() for _ in Columns._fields)
    return Columns._make(zip(*map(_values, items), strict=True))


def _without_nul(record: ScrapeRecord) -> ScrapeRecord:
    """The record with U+FFFD for U+0000, which PostgreSQL has no place for and browsers replace too."""
    page = record.page
    if page is not None and "\0" in f"{page.final_url}{page.title}{page.etag}{page.last_modified}":
        page = page._replace(
            final_url=_clean(page.final_url),
            title=_clean(page.title),
            etag=_clean(page.etag),
            last_modified=_clean(page.last_modified),
        )
        record = record._replace(page=page)
    return record._replace(error=_clean(record.error)) if "\0" in (record.error or "") else record


def _clean(value: Any) -> Any:
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def select(columns: Columns, chosen: Sequence[bool]) -> Columns:
    """The items for which `chosen` is true."""
    return Columns._make([*compress(column, chosen)] for column in columns)


def millis(seconds: float) -> int:
    """Whole milliseconds of a time in seconds."""
    return int(seconds * 1000)


def sizes(values: Iterable[int | None]) -> list[int | None]:
    """Widths or heights, with None for what can't be one."""
    return [value if value is None or 0 <= value <= MAX_INT else None for value in values]


def texts(values: Iterable[str | None]) -> Texts:
    """Texts, with None for empty ones."""
    return [value or None for value in values]


def words(values: Iterable[Collection[str]]) -> Texts:
    """Flags of each item as one column: blanks between, None for none."""
    return [" ".join(sorted(value)) if value else None for value in values]


def more_places(values: Iterable[Collection[str]]) -> Texts:
    """All vias of each item as one column; None where there is but the one that `via` names."""
    return [" ".join(value) if len(value) > 1 else None for value in values]


def hosts_of(urls: Iterable[str]) -> list[str]:
    """Host and port of normalised URLs, without credentials; empty where there is none."""
    urls = [*urls]
    try:
        hosts = [url.split("/", 3)[2] for url in urls]
    except IndexError:
        hosts = [[*url.split("/", 3), "", ""][2] for url in urls]
    if any("@" in host for host in set(hosts)):
        return [host.rpartition("@")[2] for host in hosts]
    return hosts


def _sorted(value: Any) -> list[str]:
    """How sets, whose order differs between processes, enter the digest."""
    if isinstance(value, Collection):
        return sorted(value)
    msg = f"a media item holds a {type(value).__name__}"
    raise TypeError(msg)
