"""One group commit in SQLite.

All statements are fixed text over a raw connection: per page with 60 new items the writing of 120
rows is the cost, and SQLAlchemy's execution would double it. Items go many to a statement: the driver
lets go of Python's lock at every step of one, and on a busy machine another thread keeps it for
milliseconds each time. The caller holds the write lock (`BEGIN IMMEDIATE`), so ids may be handed out
here: nobody else writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import apsw

from .items import ItemRows, Known
from .plan import PagePlan, PageState, PastScrape, plan_pages, plan_scrapes
from .prepare import Prepared, hosts_of
from .records import Saved
from .tallies import Tallies

_IN_CHUNK = 512
"""Values of one IN list; shorter lists are padded to a power of two, so that few statements exist."""

_ROWS = 128
"""Most rows of one INSERT; the rest goes in halves of it, so that few statements exist."""

_PAGE_COLUMNS = (
    "id", "url", "final_url", "title", "status", "etag", "last_modified", "content_hash", "items_hash", "items",
    "first_scraped", "last_scraped",
)  # fmt: skip
_PAGE_EXISTS = (
    " ON CONFLICT (id) DO UPDATE SET final_url = excluded.final_url, title = excluded.title,"
    " status = excluded.status, etag = excluded.etag, last_modified = excluded.last_modified,"
    " content_hash = excluded.content_hash, items_hash = excluded.items_hash, items = excluded.items,"
    " last_scraped = excluded.last_scraped"
)
_TOUCH_PAGE = (
    "UPDATE pages SET status = ?, etag = coalesce(?, etag), last_modified = coalesce(?, last_modified),"
    " last_scraped = ? WHERE id = ?"
)
_SELECT_SHOWN = (
    "SELECT m.url, m.id, m.alt, m.title FROM page_media p JOIN media m ON m.id = p.media_id"
    " WHERE p.page_id = ?"
)
_SCRAPE_COLUMNS = (
    "job_id", "batch_id", "page_id", "url", "outcome", "error", "found", "new", "attempts", "duration_ms",
    "started_at", "finished_at",
)  # fmt: skip
_SCRAPE_EXISTS = (
    " ON CONFLICT (job_id) DO UPDATE SET batch_id = excluded.batch_id, page_id = excluded.page_id,"
    " url = excluded.url, outcome = excluded.outcome, error = excluded.error, found = excluded.found,"
    " new = excluded.new, attempts = excluded.attempts, duration_ms = excluded.duration_ms,"
    " started_at = excluded.started_at, finished_at = excluded.finished_at"
)
_TALLY_COLUMNS = ("scope", "name", "shard", "count", "found", "new")
_TALLY_EXISTS = (
    " ON CONFLICT (scope, name, shard) DO UPDATE SET count = count + excluded.count,"
    " found = found + excluded.found, new = new + excluded.new"
)


class GroupCommit:
    """Writes one batch. Made, used and left within one transaction that its caller began and will commit."""

    def __init__(self, connection: apsw.Connection, known: Known) -> None:
        self._db = connection
        self._next_page, next_media = _next_ids(connection)
        self._ids = _Ids(connection, known, next_media)
        self._items = ItemRows(known, self._ids)
        self._tallies = Tallies()

    def write(self, batch: Sequence[Prepared]) -> list[Saved]:
        """Write the records in their order; a later one sees what an earlier one left."""
        with_page = [prepared for prepared in batch if prepared.record.page is not None]
        pages = self._load_pages(prepared.record.url for prepared in with_page)
        next_page = count(self._next_page)
        plan = plan_pages(with_page, pages, lambda _: next(next_page), self._tallies)
        self._insert_rows("pages", _PAGE_COLUMNS, plan.upserts.values(), _PAGE_EXISTS)
        self._db.executemany(_TOUCH_PAGE, plan.touches.values())
        self._write_items(plan)
        new = {id(prepared): self._items.new[page_id] for page_id, prepared in plan.changed.items()}
        query = "SELECT job_id, batch_id, outcome, found, new FROM scrapes WHERE job_id IN"
        jobs = select_in(self._db, query, (prepared.record.job_id for prepared in batch))
        past = {job: PastScrape(*rest) for job, *rest in jobs}
        rows, saved = plan_scrapes(batch, pages, past, lambda p: new.get(id(p), 0), self._tallies)
        self._insert_rows("scrapes", _SCRAPE_COLUMNS, rows.values(), _SCRAPE_EXISTS)
        add_tallies(self._db, self._tallies)
        return saved

    def learn(self) -> None:
        """Remember ids; to be called once the transaction is committed."""
        self._items.learn()
        self._ids.learn()

    def _load_pages(self, urls: Iterable[str]) -> dict[str, PageState]:
        rows = select_in(self._db, "SELECT url, id, items_hash, items FROM pages WHERE url IN", urls)
        return {url: PageState(page_id, items_hash, items) for url, page_id, items_hash, items in rows}

    def _insert_rows(
        self, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]], exists: str
    ) -> None:
        _insert(self._db, table, names, [*zip(*rows, strict=True)], exists)

    def _write_items(self, plan: PagePlan) -> None:
        items = self._items
        for page_id in plan.had_items:  # most of what the page shows will be there again
            items.load(self._db.execute(_SELECT_SHOWN, (page_id,)))
        for page_id, prepared in plan.changed.items():
            items.add(page_id, prepared)
        before = self._db.total_changes()
        media, page_media = items.media, items.page_media
        _insert(self._db, "media", media.names, media.columns, " ON CONFLICT (url) DO NOTHING")
        if self._db.total_changes() - before < len(media):
            rows = self._db.execute("SELECT id FROM media WHERE id >= ?", (self._ids.first_media,))
            existing = items.existing({row[0] for row in rows})
            items.resolve(select_in(self._db, "SELECT url, id, alt, title FROM media WHERE url IN", existing))
        items.count(self._tallies)
        self._db.executemany("DELETE FROM page_media WHERE page_id = ?", [(id_,) for id_ in plan.had_items])
        _insert(self._db, "page_media", page_media.names, page_media.columns)


class _Ids:
    """Ids for new media and those of hosts."""

    def __init__(self, connection: apsw.Connection, known: Known, first_media: int) -> None:
        self._db = connection
        self._known = known.hosts
        self._hosts: dict[str, int] = {}
        self.first_media = self._next_media = first_media

    def take_media(self, amount: int) -> range:
        ids = range(self._next_media, self._next_media + amount)
        self._next_media = ids.stop
        return ids

    def of_hosts(self, urls: Sequence[str]) -> list[int]:
        names = hosts_of(urls)
        for name in set(names).difference(self._hosts):
            self._hosts[name] = self._known.get(name) or self._of_host(name)
        return [self._hosts[name] for name in names]

    def learn(self) -> None:
        self._known.update(self._hosts)

    def _of_host(self, name: str) -> int:
        found: int | None = self._db.execute("SELECT id FROM hosts WHERE name = ?", (name,)).get
        if found is not None:
            return found
        self._db.execute("INSERT INTO hosts (name) VALUES (?)", (name,))
        return self._db.last_insert_rowid()


def _next_ids(db: apsw.Connection) -> tuple[int, int]:
    """The ids after the last page's and the last media's; safe to give out under the write lock."""
    last = db.execute("SELECT (SELECT max(id) FROM pages), (SELECT max(id) FROM media)").get
    return 1 + (last[0] or 0), 1 + (last[1] or 0)


def add_tallies(db: apsw.Connection, tallies: Tallies) -> None:
    """Add to the sums; in SQLite all are in one share."""
    rows = ((scope, name, 0, *sums) for scope, name, *sums in tallies.rows())
    _insert(db, "tallies", _TALLY_COLUMNS, [*zip(*rows, strict=True)], _TALLY_EXISTS)


def _insert(
    db: apsw.Connection,
    table: str,
    names: Sequence[str],
    columns: Sequence[Sequence[Any]],
    conflict: str = "",
) -> None:
    """Insert rows, given as columns, many to a statement; no columns are no rows.

    Whatever fails ends the transaction, as its caller would: SQLite need not keep what each page was before
    the statement.
    """
    rows = len(columns[0]) if columns else 0
    start, amount, width = 0, _ROWS, len(names)
    while start < rows:
        end = start + amount
        if end <= rows:
            values = [None] * (amount * width)
            for place, column in enumerate(columns):
                values[place::width] = column[start:end]
            db.execute(_insert_text(table, names, conflict, amount), values)
            start = end
        else:
            amount //= 2


@lru_cache
def _insert_text(table: str, names: Sequence[str], conflict: str, rows: int) -> str:
    row = f"({','.join('?' * len(names))})"
    rest = f"{','.join([row] * rows)}{conflict}"
    return f"INSERT OR ROLLBACK INTO {table} ({', '.join(names)}) VALUES {rest}"  # noqa: S608


def select_in(db: apsw.Connection, query: str, values: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """Rows of `query IN (values)`, in as many statements as it takes."""
    wanted = list(dict.fromkeys(values))
    for start in range(0, len(wanted), _IN_CHUNK):
        chunk = wanted[start : start + _IN_CHUNK]
        size = 1 << (len(chunk) - 1).bit_length()
        chunk += chunk[-1:] * (size - len(chunk))
        yield from db.execute(f"{query} ({','.join('?' * size)})", chunk)
