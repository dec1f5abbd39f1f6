"""Forgetting old scrapes in SQLite; pages and media stay."""

from __future__ import annotations

from typing import Any

import apsw

from .records import Saved
from .sqlite_save import add_tallies
from .tallies import Tallies


def prune_scrapes(db: apsw.Connection, finished_before: int, limit: int) -> int:
    """Delete the oldest scrapes, at most `limit`, as far as they ended before that millisecond.

    Scrapes are numbered about as they end, so the oldest are found without an index on the time.
    """
    rows: list[tuple[Any, ...]] = db.execute(
        "SELECT id, batch_id, outcome, found, new FROM"
        " (SELECT * FROM scrapes ORDER BY id LIMIT ?) WHERE finished_at < ?",
        (limit, finished_before),
    ).fetchall()
    tallies = Tallies()
    for _, batch_id, outcome, found, new in rows:
        tallies.add_scrape(batch_id, outcome, Saved(found, new), -1)
    db.executemany("DELETE FROM scrapes WHERE id = ?", [(row[0],) for row in rows])
    add_tallies(db, tallies)
    emptied = [(scope, name) for scope, name, *_ in tallies.rows()]
    db.executemany("DELETE FROM tallies WHERE scope = ? AND name = ? AND count = 0", emptied)
    return len(rows)
