"""Full-text search in SQLite: FTS5, filled a little behind the writers.

Indexing an item costs 4 µs, as much as saving it. So a commit leaves it out, and the words follow when
the store has nothing else to do, or before a search, in the order of the ids.
"""

from __future__ import annotations

import apsw

_FILL = """
INSERT INTO media_search (rowid, words)
SELECT m.id,
       substr(m.url, instr(m.url, '//') + 2) || ' ' || coalesce(m.alt, '') || ' ' || coalesce(m.title, '')
       || ' ' || coalesce(p.title, '') || ' kind0' || m.kind || ' host0' || m.host_id
FROM media m LEFT JOIN pages p ON p.id = m.first_page_id
WHERE m.id > ? AND m.id <= ?
"""


def index_some(db: apsw.Connection, limit: int) -> int:
    """Index up to `limit` media that are not yet; how many. To be called in a transaction."""
    indexed = db.execute("SELECT indexed FROM search_progress").get
    last = db.execute("SELECT max(id) FROM media").get or 0
    upto = min(indexed + limit, last)
    if upto > indexed:
        db.execute(_FILL, (indexed, upto))
        db.execute("UPDATE search_progress SET indexed = ?", (upto,))
    return int(upto - indexed)


def waiting(db: apsw.Connection) -> int:
    """How many media are not indexed yet."""
    return int(db.execute("SELECT max(id) FROM media").get or 0) - int(
        db.execute("SELECT indexed FROM search_progress").get
    )
