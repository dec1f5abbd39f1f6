"""The newest media that have words, in PostgreSQL.

Its index of words knows no order: it gives all items that have a word, from the oldest on, and to read them all
takes minutes where a word has many. So: a common word is met among the newest items; of a rare one all are read;
for what is between, the index of words and that of ranges together give those of a range of ids, wider and wider
until enough are found, and narrower where a range has too many.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import sqlalchemy as sa

from .backend import Row
from .cursors import from_cursor
from .queries import Select, last_id, matching_ids, with_ids
from .records import MediaQuery
from .search import Term

Fetch = Callable[[Select], Awaitable[Sequence[Row]]]

_WALKED, _WALKED_AGAIN, _RANGE = 2_000, 16_000, 128_000
_WIDER = 8
_SPARE = 2_000
"""How many more than are wanted are read of one range."""


async def has_word(fetch: Fetch, word: str) -> bool:
    """Whether any item has it."""
    found = matching_ids(f"'{word}'", MediaQuery()).limit(1)
    high = await _newest(fetch)
    return bool(await fetch(_walk(found, high - _WALKED, high, 1)) or await fetch(found))


async def search(fetch: Fetch, query: MediaQuery, terms: Sequence[Term]) -> Select:
    """How to list the newest media that have all the terms, from the query's cursor on."""
    match = " & ".join(f"'{term.word}':*" if term.prefix else f"'{term.word}'" for term in terms)
    return with_ids(query, await _matching(fetch, matching_ids(match, query), query))


async def _matching(fetch: Fetch, found: Select, query: MediaQuery) -> list[int]:
    """The newest that match, one more than the query's limit."""
    wanted = query.limit + 1
    most = wanted + _SPARE
    high = await _newest(fetch) if query.cursor is None else from_cursor(query.cursor, 1)[0] - 1
    ids = _ids(await fetch(_walk(found, high - _WALKED, high, wanted)))
    if len(ids) < wanted and query.cursor is None:
        every = await fetch(found.limit(most))
        if len(every) < most:
            return sorted(_ids(every), reverse=True)[:wanted]
    high, width = high - _WALKED, _RANGE
    while len(ids) < wanted and high >= 0:
        if width <= _WALKED_AGAIN:
            rows = await fetch(_walk(found, high - width, high, wanted))
        else:
            rows = await fetch(_between(found, high - width, high).limit(most))
            if len(rows) == most:
                width //= _WIDER
                continue
        ids += sorted(_ids(rows), reverse=True)
        high -= width
        width *= _WIDER
    return ids[:wanted]


async def _newest(fetch: Fetch) -> int:
    rows = await fetch(last_id())
    return int(rows[0][0]) if rows else 0


def _ids(rows: Sequence[Row]) -> list[int]:
    return [int(row[0]) for row in rows]


def _between(found: Select, above: int, upto: int) -> Select:
    ids = found.selected_columns.id
    return found.where(ids > sa.literal(above, sa.BigInteger), ids <= sa.literal(upto, sa.BigInteger))


def _walk(found: Select, above: int, upto: int, limit: int) -> Select:
    return _between(found, above, upto).order_by(found.selected_columns.id.desc()).limit(limit)
