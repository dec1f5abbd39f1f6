"""What response headers say, read once: fields, media type, Retry-After. Pure."""

from __future__ import annotations

import email.utils
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache


class Headers(Mapping[str, str]):
    """Field names without regard to case; `headers[name]` joins repeated fields by ", " (RFC 9110, 5.3)."""

    __slots__ = ("_fields",)

    def __init__(self, lines: list[bytes]) -> None:
        fields: dict[str, list[str]] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if colon:
                fields.setdefault(name.decode("latin-1").strip().lower(), []).append(_text(value))
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def joined(self, name: str) -> str | None:
        """What `headers[name]` gives, or None when the field is absent."""
        values = self._fields.get(name.lower())
        return ", ".join(values) if values else None

    def first(self, name: str) -> str | None:
        """The first value, where a repetition has no meaning."""
        values = self._fields.get(name.lower())
        return values[0] if values else None


def _text(value: bytes) -> str:
    """Fields are Latin-1 by history; today's servers send UTF-8 in Location and file names."""
    value = value.strip()
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


@lru_cache(maxsize=64)
def parse_content_type(value: str | None) -> tuple[str | None, str | None]:
    """(essence in lower case, charset as given), each None when absent or unreadable."""
    if not value:
        return None, None
    # A server that sends the field twice means its last one (Fetch standard, "extract a MIME type").
    essence, _, parameters = value.rpartition(",")[2].partition(";")
    essence = essence.strip().lower()
    charset = None
    for parameter in parameters.split(";"):
        name, _, text = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = text.strip().strip("\"'") or None
            break
    return (essence if "/" in essence else None), charset


def parse_content_length(headers: Headers) -> int | None:
    """Bytes of body announced, or None."""
    value = headers.first("content-length")
    return int(value) if value and value.isascii() and value.isdigit() else None


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, never negative, or None when absent or unreadable.

    RFC 9110, 10.2.3: a whole number of seconds or an HTTP date. `now` must be aware of its zone.
    """
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value) if len(value) <= 12 else None
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
