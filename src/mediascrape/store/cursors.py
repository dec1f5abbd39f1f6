"""Where a listing goes on: positions as short texts."""

from __future__ import annotations

from mediascrape.errors import InvalidQueryError


def to_cursor(*position: int) -> str:
    """Text of a position."""
    return ".".join(map(str, position))


def from_cursor(cursor: str, length: int) -> tuple[int, ...]:
    """Position of a text; InvalidQueryError when it is not one of that length."""
    parts = cursor.split(".")
    if len(parts) != length or not all(
        part.isascii() and part.isdigit() and len(part) < 19 for part in parts
    ):
        raise InvalidQueryError("the cursor is not one that a listing of this kind gave")
    return tuple(map(int, parts))
