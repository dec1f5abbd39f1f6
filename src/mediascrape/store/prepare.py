"""What a scrape record weighs before it is written: pure, and the same for both backends.

A page whose items are those stored before costs one digest and no item row, which is what most
scrapes of a running system are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import orjson

from .records import ScrapeRecord

MAX_INT = 2**31 - 1
"""Largest width or height kept; what exceeds it is no size."""

#: The order is that of `RawItem`, which the backends unpack.
_fields = attrgetter(
    "url",
    "kind",
    "via",
    "places",
    "alt",
    "title",
    "width",
    "height",
    "mime_type",
    "flags",
    "provider",
    "provider_id",
)

RawItem = tuple[
    str,
    str,
    str,
    Collection[str],
    str | None,
    str | None,
    int | None,
    int | None,
    str | None,
    Collection[str],
    str | None,
    str | None,
]


@dataclass(slots=True)
class Prepared:
    """A record with its items as tuples, each URL once, and their digest.

    `raw` is None where the items are as before (not modified, or a failure).
    """

    record: ScrapeRecord
    raw: list[RawItem] | None
    items_hash: bytes


def prepare(record: ScrapeRecord) -> Prepared:
    """The record ready to be written.

    Raises whatever the record's own values cause (AttributeError, TypeError, ...): the caller fails
    that record alone.
    """
    if record.items is None or record.page is None:
        return Prepared(record, None, b"")
    raw: list[RawItem] = list(map(_fields, record.items))
    digest = blake2b(orjson.dumps(raw, default=_sorted), digest_size=16).digest()
    return Prepared(record, raw, digest)


def millis(seconds: float) -> int:
    """Whole milliseconds of a time in seconds."""
    return int(seconds * 1000)


def size_or_none(value: int | None) -> int | None:
    """A width or height, or None for what can't be one."""
    return value if value is None or 0 <= value <= MAX_INT else None


def words(values: Collection[str]) -> str | None:
    """Flags or places as one column: blanks between, None for none."""
    return " ".join(values) if values else None


def host_of(url: str) -> str:
    """Host and port of a normalised URL, without credentials; empty when it has none."""
    parts = url.split("/", 3)
    return parts[2].rpartition("@")[2] if len(parts) > 2 else ""


def _sorted(value: Any) -> list[str]:
    """How sets, whose order differs between processes, enter the digest."""
    if isinstance(value, Collection):
        return sorted(value)
    msg = f"a media item holds a {type(value).__name__}"
    raise TypeError(msg)
