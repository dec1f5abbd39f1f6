"""Forgetting old scrapes in PostgreSQL; pages and media stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .postgresql_save import add_tallies
from .records import Saved
from .tallies import SCRAPES, Tallies

if TYPE_CHECKING:
    from asyncpg import Connection

_DELETE = """
WITH oldest AS (SELECT id, finished_at FROM scrapes ORDER BY id LIMIT $2)
DELETE FROM scrapes WHERE id IN (SELECT id FROM oldest WHERE finished_at < $1)
RETURNING batch_id, outcome, found, new
"""
_DELETE_EMPTY = """
DELETE FROM tallies WHERE scope IN (
    SELECT scope FROM tallies WHERE scope = ANY($1::text[]) GROUP BY scope HAVING sum(count) = 0
)
"""


async def prune_scrapes(db: Connection, shard: int, finished_before: int, limit: int) -> int:
    """Delete the oldest scrapes, at most `limit`, as far as they ended before that millisecond.

    Scrapes are numbered about as they end, so the oldest are found without an index on the time.
    """
    async with db.transaction():
        rows = await db.fetch(_DELETE, finished_before, limit)
        tallies = Tallies()
        for batch_id, outcome, found, new in rows:
            tallies.add_scrape(batch_id, outcome, Saved(found, new), -1)
        await add_tallies(db, tallies, shard)
        batches = sorted({scope for scope, *_ in tallies.rows()} - {SCRAPES})
        await db.execute(_DELETE_EMPTY, batches)
    return len(rows)
