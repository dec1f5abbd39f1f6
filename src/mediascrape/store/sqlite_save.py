"""One group commit in SQLite.

All statements are fixed text over a raw connection: per page with 60 new items the writing of 120
rows is the cost, and SQLAlchemy's execution would double it. The caller holds the write lock
(`BEGIN IMMEDIATE`), so ids may be handed out here: nobody else writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import apsw

from .prepare import Prepared, millis
from .records import Saved, ScrapeRecord
from .sqlite_items import ItemRows, Known, next_id, select_in
from .tallies import PAGES, Tallies

_UPSERT_PAGE = (
    "INSERT INTO pages (id, url, final_url, title, status, etag, last_modified, content_hash, items_hash,"
    " items, first_scraped, last_scraped) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT (id) DO UPDATE SET final_url = excluded.final_url, title = excluded.title,"
    " status = excluded.status, etag = excluded.etag, last_modified = excluded.last_modified,"
    " content_hash = excluded.content_hash, items_hash = excluded.items_hash, items = excluded.items,"
    " last_scraped = excluded.last_scraped"
)
_TOUCH_PAGE = (
    "UPDATE pages SET status = ?, etag = coalesce(?, etag), last_modified = coalesce(?, last_modified),"
    " last_scraped = ? WHERE id = ?"
)
_UPSERT_SCRAPE = (
    "INSERT INTO scrapes (job_id, batch_id, page_id, url, outcome, error, found, new, attempts, duration_ms,"
    " started_at, finished_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT (job_id) DO UPDATE SET batch_id = excluded.batch_id, page_id = excluded.page_id,"
    " url = excluded.url, outcome = excluded.outcome, error = excluded.error, found = excluded.found,"
    " new = excluded.new, attempts = excluded.attempts, duration_ms = excluded.duration_ms,"
    " started_at = excluded.started_at, finished_at = excluded.finished_at"
)
ADD_TALLY = (
    "INSERT INTO tallies (scope, name, shard, count, found, new) VALUES (?,?,0,?,?,?)"
    " ON CONFLICT (scope, name, shard) DO UPDATE SET count = count + excluded.count,"
    " found = found + excluded.found, new = new + excluded.new"
)


@dataclass(slots=True)
class _Page:
    id: int
    items_hash: bytes
    items: int


@dataclass(slots=True)
class _Past:
    """What an earlier run of the same job left."""

    batch_id: str | None
    outcome: str
    found: int
    new: int


class GroupCommit:
    """Writes one batch. Made, used and left within one transaction that its caller began and will commit."""

    def __init__(self, connection: apsw.Connection, known: Known) -> None:
        self._db = connection
        self._pages: dict[str, _Page] = {}
        self._items = ItemRows(connection, known)
        self._tallies = Tallies()

    def write(self, batch: Sequence[Prepared]) -> list[Saved]:
        """Write the records in their order; a later one sees what an earlier one left."""
        with_page = [p for p in batch if p.record.page is not None]
        self._load_pages(p.record.url for p in with_page)
        changed = self._write_pages(with_page)
        for page_id, prepared in changed.items():
            self._items.add(page_id, prepared)
        self._items.write(self._tallies)
        new = {id(p): self._items.new[page_id] for page_id, p in changed.items()}
        saved = self._write_scrapes(batch, new)
        self._db.executemany(ADD_TALLY, self._tallies.rows())
        return saved

    def learn(self) -> None:
        """Remember the ids given out; to be called once the transaction is committed."""
        self._items.learn()

    # --- pages ---

    def _load_pages(self, urls: Iterable[str]) -> None:
        rows = select_in(self._db, "SELECT url, id, items_hash, items FROM pages WHERE url IN", urls)
        self._pages = {url: _Page(page_id, items_hash, items) for url, page_id, items_hash, items in rows}

    def _write_pages(self, batch: list[Prepared]) -> dict[int, Prepared]:
        """Insert, update or touch the page of each record; the pages whose items must be replaced."""
        changed: dict[int, Prepared] = {}
        new_id = next_id(self._db, "pages")
        for prepared in batch:
            url = prepared.record.url
            page = self._pages.get(url)
            if page is None:
                page = self._pages[url] = _Page(new_id, b"", 0)
                new_id += 1
                self._tallies.add(PAGES, "", 1)
            elif prepared.items is None:
                self._touch_page(page, prepared.record)
                continue
            if prepared.items is not None and prepared.items_hash != page.items_hash:
                if page.items:
                    self._items.load(page.id)
                page.items_hash = prepared.items_hash
                page.items = len(prepared.items.url)
                changed[page.id] = prepared
            self._upsert_page(page, prepared.record)
        return changed

    def _upsert_page(self, page: _Page, record: ScrapeRecord) -> None:
        got = record.page
        assert got is not None
        finished = millis(record.finished_at)
        self._db.execute(
            _UPSERT_PAGE,
            (
                page.id,
                record.url,
                got.final_url,
                got.title,
                got.status,
                got.etag,
                got.last_modified,
                got.content_hash,
                page.items_hash,
                page.items,
                finished,
                finished,
            ),
        )

    def _touch_page(self, page: _Page, record: ScrapeRecord) -> None:
        got = record.page
        assert got is not None
        row = (got.status, got.etag, got.last_modified, millis(record.finished_at), page.id)
        self._db.execute(_TOUCH_PAGE, row)

    # --- scrapes ---

    def _write_scrapes(self, batch: Sequence[Prepared], new: dict[int, int]) -> list[Saved]:
        query = "SELECT job_id, batch_id, outcome, found, new FROM scrapes WHERE job_id IN"
        jobs = (p.record.job_id for p in batch)
        past = {job: _Past(*rest) for job, *rest in select_in(self._db, query, jobs)}
        saved: list[Saved] = []
        for prepared in batch:
            record = prepared.record
            before = past.get(record.job_id)
            added = new.get(id(prepared), 0) + (before.new if before else 0)
            page = self._pages[record.url] if record.page is not None else None
            result = Saved(page.items if page else 0, added)
            if before is not None:
                self._tallies.add_scrape(before.batch_id, before.outcome, Saved(before.found, before.new), -1)
            self._tallies.add_scrape(record.batch_id, record.outcome, result)
            past[record.job_id] = _Past(record.batch_id, record.outcome, result.found, result.new)
            self._upsert_scrape(record, page.id if page else None, result)
            saved.append(result)
        return saved

    def _upsert_scrape(self, record: ScrapeRecord, page_id: int | None, saved: Saved) -> None:
        self._db.execute(
            _UPSERT_SCRAPE,
            (
                record.job_id,
                record.batch_id,
                page_id,
                record.url,
                record.outcome,
                record.error,
                saved.found,
                saved.new,
                record.attempts,
                record.duration_ms,
                millis(record.started_at),
                millis(record.finished_at),
            ),
        )
