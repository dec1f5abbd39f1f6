"""What a commit does to pages and scrapes, decided without I/O, the same for both backends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .prepare import Prepared, millis
from .records import Saved, ScrapeRecord
from .tallies import PAGES, Tallies

Values = tuple[object, ...]


@dataclass(slots=True)
class PageState:
    """A page as it is stored, or will be."""

    id: int
    items_hash: bytes
    items: int


@dataclass(slots=True)
class PastScrape:
    """What an earlier run of the same job left."""

    batch_id: str | None
    outcome: str
    found: int
    new: int


@dataclass(slots=True)
class PagePlan:
    """By page id: `upserts`, whole rows; `touches`, (status, etag, last_modified, last_scraped, id), to
    be written after them.

    `changed`: the records whose items replace those of their page, by page id; `had_items`: those of
    these pages that show items so far.
    """

    upserts: dict[int, Values] = field(default_factory=dict)
    touches: dict[int, Values] = field(default_factory=dict)
    changed: dict[int, Prepared] = field(default_factory=dict)
    had_items: list[int] = field(default_factory=list)


def plan_pages(
    batch: Iterable[Prepared], pages: dict[str, PageState], new_id: Callable[[str], int], tallies: Tallies
) -> PagePlan:
    """What to do for the pages of records, in their order; `pages` is brought up to date.

    A page that is not in `pages` gets its id from `new_id`. Within one batch the last content of a page
    counts.
    """
    plan = PagePlan()
    for prepared in batch:
        record = prepared.record
        page = pages.get(record.url)
        if page is None:
            page = pages[record.url] = PageState(new_id(record.url), b"", 0)
            tallies.add(PAGES, "", 1)
        elif prepared.items is None:
            plan.touches[page.id] = _touch(page, record)
            continue
        if prepared.items is not None and prepared.items_hash != page.items_hash:
            if page.items and page.id not in plan.changed:
                plan.had_items.append(page.id)
            page.items_hash = prepared.items_hash
            page.items = len(prepared.items.url)
            plan.changed[page.id] = prepared
        plan.upserts[page.id] = _upsert(page, record)
        plan.touches.pop(page.id, None)
    return plan


def _upsert(page: PageState, record: ScrapeRecord) -> Values:
    got = record.page
    assert got is not None
    finished = millis(record.finished_at)
    about = (got.final_url, got.title, got.status, got.etag, got.last_modified, got.content_hash)
    return (page.id, record.url, *about, page.items_hash, page.items, finished, finished)


def _touch(page: PageState, record: ScrapeRecord) -> Values:
    got = record.page
    assert got is not None
    return (got.status, got.etag, got.last_modified, millis(record.finished_at), page.id)


def plan_scrapes(
    batch: Sequence[Prepared],
    pages: Mapping[str, PageState],
    past: dict[str, PastScrape],
    new: Callable[[Prepared], int],
    tallies: Tallies,
) -> tuple[dict[str, Values], list[Saved]]:
    """The rows of the scrapes by job id, and what each saver is told.

    A job that was saved before (`past`) gives its old share of the tallies back and adds to its `new`.
    """
    rows: dict[str, Values] = {}
    results: list[Saved] = []
    for prepared in batch:
        record = prepared.record
        before = past.get(record.job_id)
        page = pages[record.url] if record.page is not None else None
        saved = Saved(page.items if page else 0, new(prepared) + (before.new if before else 0))
        if before is not None:
            tallies.add_scrape(before.batch_id, before.outcome, Saved(before.found, before.new), -1)
        tallies.add_scrape(record.batch_id, record.outcome, saved)
        past[record.job_id] = PastScrape(record.batch_id, record.outcome, saved.found, saved.new)
        rows[record.job_id] = _scrape(record, page.id if page else None, saved)
        results.append(saved)
    return rows, results


def _scrape(record: ScrapeRecord, page_id: int | None, saved: Saved) -> Values:
    return (
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
    )
