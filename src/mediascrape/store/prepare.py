"""What a scrape record weighs before it is written: pure, and the same for both backends.

A page whose items are those stored before costs one digest and no item row, which is what most
scrapes of a running system are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import compress
from typing import Any, NamedTuple

import orjson

from .records import MediaLike, ScrapeRecord

MAX_INT = 2**31 - 1
"""Largest width or height kept; what exceeds it is no size."""

Texts = list[str | None]


class Columns(NamedTuple):
    """The items of a page, a column at a time: the cheapest form to build, digest and bind."""

    url: list[str]
    kind: list[str]
    via: list[str]
    places: list[Collection[str]]
    alt: Texts
    title: Texts
    width: list[int | None]
    height: list[int | None]
    mime_type: Texts
    flags: list[Collection[str]]
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
    if record.items is None or record.page is None:
        return Prepared(record, None, b"")
    columns = _columns(record.items)
    if len(set(columns.url)) != len(columns.url):
        first: dict[str, MediaLike] = {}
        for item in record.items:
            first.setdefault(item.url, item)
        columns = _columns([*first.values()])
    digest = blake2b(orjson.dumps(tuple(columns), default=_sorted), digest_size=16).digest()
    return Prepared(record, columns, digest)


def _columns(items: Sequence[MediaLike]) -> Columns:
    return Columns(
        [item.url for item in items],
        [item.kind for item in items],
        [item.via for item in items],
        [item.places for item in items],
        [item.alt for item in items],
        [item.title for item in items],
        [item.width for item in items],
        [item.height for item in items],
        [item.mime_type for item in items],
        [item.flags for item in items],
        [item.provider for item in items],
        [item.provider_id for item in items],
    )


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
