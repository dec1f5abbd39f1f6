"""The store: pages and the media on them.

async with open_store("sqlite:///media.db") as store:
    saved = await store.save(record)
    listing = await store.list_media(MediaQuery(kind="video"))
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mediascrape.errors import (
    ConfigurationError,
    InvalidQueryError,
    StoreRejectedError,
    StoreUnavailableError,
)

from .committer import CommitStats, Committer, Savers
from .cursors import to_cursor
from .lookups import Lookups
from .options import StoreOptions
from .prepare import millis, prepare
from .records import (
    KINDS,
    OK,
    BatchProgress,
    MediaDetail,
    MediaPage,
    MediaQuery,
    Saved,
    ScrapePage,
    ScrapeQuery,
    ScrapeRecord,
    Sighting,
    StoredMedia,
    StoredScrape,
    Totals,
    Validators,
)
from .search import search_terms, search_words
from .tallies import MEDIA, PAGES, SCRAPES, batch_scope

if TYPE_CHECKING:
    from .backend import Backend, DatabaseInfo, Row
    from .queries import Select

MAX_LIMIT = 10_000
"""Most entries that one listing gives."""

_PRUNE_CHUNK = 1_000
_SAVED_WITHIN = 3600.0
"""Seconds within which what a page showed is saved, all retries of a busy database included."""
_INDEX_CHUNK = 2_000
_INDEX_BEFORE_SEARCH = 5_000
"""Media made findable at most while a search waits, and the commits behind it: some 0.03 s."""
_INDEX_WHILE_BUSY = 500
"""The same while records wait to be committed: the search is for what was there, and they come first."""
_FLAGS = [field.name for field in fields(StoredMedia)].index("flags")


@asynccontextmanager
async def open_store(url_or_path: str | Path, options: StoreOptions | None = None) -> AsyncIterator[Store]:
    """The store of a `sqlite:///PATH` URL or a path; its tables are made or brought up to date.

    Raises StoreUnavailableError when the database can't be opened, ConfigurationError when the URL
    names no database that we know. What is being saved at the end is committed before the store closes.
    """
    options = options or StoreOptions()
    store = Store(await open_backend(url_or_path, options), options)
    try:
        yield store
    finally:
        await store.close()


async def open_backend(url_or_path: str | Path, options: StoreOptions) -> Backend:
    """The database of a URL or path, as `open_store` takes them."""
    if (path := sqlite_path(url_or_path)) is not None:
        from .sqlite import SQLiteBackend

        return await SQLiteBackend.open(path, options)
    scheme, _, rest = str(url_or_path).partition("://")
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        from .postgresql import PostgreSQLBackend

        return await PostgreSQLBackend.open(f"postgresql://{rest}", options)
    raise ConfigurationError(f"no database of the kind {scheme!r} can be used: sqlite or postgresql")


def sqlite_path(url_or_path: str | Path) -> Path | None:
    """The file of a `sqlite:///PATH` URL or a path; None for another database."""
    scheme, separator, rest = str(url_or_path).partition("://")
    if separator and scheme != "sqlite":
        return None
    return Path(rest.removeprefix("/") if separator else url_or_path)


class Store:
    """Saves scrapes and lists what they found. Made by `open_store`; belongs to one event loop."""

    def __init__(self, backend: Backend, options: StoreOptions) -> None:
        self._backend = backend
        self._committer = Committer(backend.write, linger=options.linger, max_batch=options.max_batch)
        self._committer.start()
        self._validators = Lookups(backend.validators)
        self._indexer = asyncio.create_task(self._index(options.search_interval), name="store-indexer")

    async def close(self) -> None:
        """Commit what waits and let go of the database."""
        self._indexer.cancel()
        await asyncio.wait([self._indexer])
        await self._committer.close()
        await self._backend.close()

    @property
    def commit_stats(self) -> CommitStats:
        """Counts and times of the commits so far."""
        return self._committer.stats

    async def _index(self, interval: float) -> None:
        """Let the search catch up while nobody waits to save, and one chunk per interval in any case."""
        while True:
            await asyncio.sleep(interval)
            with suppress(StoreUnavailableError):
                while await self._backend.index_search(_INDEX_CHUNK) and not self._committer.busy:
                    pass

    # --- writing ---

    @property
    def savers(self) -> Savers:
        """To be entered by whoever works on something that will be saved: a commit then waits for no more
        than seven eighths of them. Those who are not in it cost others nothing but a longer wait."""
        return self._committer.savers

    async def save(self, record: ScrapeRecord) -> Saved:
        """Store a scrape; returns once it is committed, in one transaction with others.

        Saving a job again replaces what it left, and adds to its `new`. Raises StoreUnavailableError
        (save again later) or StoreRejectedError (this record can't be stored).
        """
        try:
            prepared = prepare(record)
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise StoreRejectedError(f"{type(error).__name__}: {error}") from error
        return await self._committer.save(prepared)

    async def prune(self, *, scrapes_older_than: float) -> int:
        """Forget scrapes that ended before that time; pages and media stay. How many were forgotten."""
        before, pruned = millis(scrapes_older_than), 0
        while deleted := await self._backend.prune(before, _PRUNE_CHUNK):
            pruned += deleted
        return pruned

    async def optimize(self) -> None:
        """Make all media findable and bring the planner's statistics up to date; minutes at most."""
        while await self._backend.index_search(_INDEX_BEFORE_SEARCH):
            pass
        await self._backend.optimize()

    async def vacuum(self) -> None:
        """Make the room of what was deleted usable again; takes as long as the store is large."""
        await self._backend.vacuum()

    # --- reading ---

    async def info(self) -> DatabaseInfo:
        """Which database, which version of it, how large."""
        return await self._backend.info()

    async def validators(self, url: str) -> Validators | None:
        """What a conditional GET of the page may send; None when the page is not known."""
        return await self._validators.get(url)

    async def list_media(self, query: MediaQuery) -> MediaPage:
        """One page of media. Raises InvalidQueryError for a bad limit or cursor."""
        await _load_queries()
        from . import queries

        _check(query)
        if not query.by_page:
            found = await self._searched(query) if query.q else queries.newest_media(query)
            if query.since is not None or query.until is not None:
                found = queries.within_ids(found, *await self._ids_between(query.since, query.until))
            rows = await self._backend.fetch(found)
            items = [_media(row) for row in rows[: query.limit]]
            more = len(rows) > query.limit
            return MediaPage(items, to_cursor(items[-1].id) if more else None)
        rows = await self._backend.fetch(queries.media_by_page(query))
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        return MediaPage([_media(row[2:]) for row in rows], to_cursor(*rows[-1][:2]) if more else None)

    async def _searched(self, query: MediaQuery) -> Select:
        await self._backend.index_search(_INDEX_WHILE_BUSY if self._committer.busy else _INDEX_BEFORE_SEARCH)
        words = search_words(query.q or "")
        known = {word for word in words if await self._backend.has_word(word)}
        return await self._backend.search(query, search_terms(words, known))

    async def _ids_between(self, since: float | None, until: float | None) -> tuple[int, int]:
        """A range of ids that holds all media first seen in a span of time.

        Ids follow the time of saving, which is at most `_SAVED_WITHIN` after the time of seeing: two
        searches by halving take the place of an index that every save would pay for.
        """
        from . import queries

        newest = await self._backend.fetch(queries.last_id())
        last = int(newest[0][0]) if newest else 0
        lowest = 0 if since is None else await self._first_id(since - _SAVED_WITHIN, last)
        highest = last if until is None else await self._first_id(until + _SAVED_WITHIN, last)
        return lowest, highest

    async def _first_id(self, moment: float, last: int) -> int:
        """The first id whose item was seen at or after a moment; one past the last when none was."""
        from . import queries

        low, high, wanted = 0, last + 1, millis(moment)
        while low < high:
            middle = (low + high) // 2
            rows = await self._backend.fetch(queries.first_from(middle))
            if rows and rows[0][1] < wanted:
                low = int(rows[0][0]) + 1
            else:
                high = middle
        return low

    async def iter_media(self, query: MediaQuery, *, chunk: int = 1000) -> AsyncIterator[StoredMedia]:
        """All media of the query, `chunk` in memory at a time; its limit does not count."""
        query = replace(query, limit=chunk)
        while True:
            page = await self.list_media(query)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            query = replace(query, cursor=page.next_cursor)

    async def get_media(self, media_id: int, *, sightings: int = 1000) -> MediaDetail | None:
        """One item with at most `sightings` of the pages that show it; None when there is none."""
        from . import queries

        rows = await self._backend.fetch(queries.one_media(media_id))
        if not rows:
            return None
        seen = await self._backend.fetch(queries.sightings(media_id, sightings))
        return MediaDetail(_media(rows[0]), [_sighting(row) for row in seen])

    async def scrapes_for(self, job_ids: Sequence[str]) -> dict[str, StoredScrape]:
        """What is stored of these jobs, by job id; those not ended are left out."""
        await _load_queries()
        from . import queries

        rows: list[Row] = []
        for start in range(0, len(job_ids), _PRUNE_CHUNK):
            chunk = list(job_ids[start : start + _PRUNE_CHUNK])
            rows += await self._backend.fetch(queries.scrapes_of(chunk))
        return {scrape.job_id: scrape for scrape in map(_scrape, rows)}

    async def list_scrapes(self, query: ScrapeQuery) -> ScrapePage:
        """One page of scrapes, newest first. Raises InvalidQueryError for a bad limit or cursor."""
        await _load_queries()
        from . import queries

        _check_limit(query.limit)
        rows = await self._backend.fetch(queries.newest_scrapes(query))
        items = [_scrape(row) for row in rows[: query.limit]]
        return ScrapePage(items, to_cursor(items[-1].id) if len(rows) > query.limit else None)

    async def batch_progress(self, batch_id: str) -> BatchProgress:
        """How many of a batch's jobs have ended, and how."""
        await _load_queries()
        from . import queries

        rows = await self._backend.fetch(queries.sums(batch_scope(batch_id)))
        ended = {name: (int(count), int(found), int(new)) for _, name, count, found, new in rows}
        return BatchProgress(
            done=ended.get(OK, (0, 0, 0))[0],
            failed={name: sums[0] for name, sums in sorted(ended.items()) if name != OK and sums[0]},
            found=sum(found for _, found, _ in ended.values()),
            new=sum(new for _, _, new in ended.values()),
        )

    async def totals(self) -> Totals:
        """Counts of everything, at a cost that does not grow with it."""
        await _load_queries()
        from . import queries

        rows = await self._backend.fetch(queries.sums(PAGES, MEDIA, SCRAPES))
        counts: dict[str, dict[str, int]] = {PAGES: {}, MEDIA: {}, SCRAPES: {}}
        for scope, name, count, _, _ in rows:
            if count:
                counts[scope][name] = int(count)
        return Totals(sum(counts[PAGES].values()), counts[MEDIA], counts[SCRAPES])


async def _load_queries() -> None:
    """Import SQLAlchemy, which takes a third of a second, without holding up the loop: pages may be in
    flight."""
    name = f"{__package__}.queries"
    module = sys.modules.get(name)
    if module is None or getattr(module.__spec__, "_initializing", False):
        await asyncio.to_thread(import_module, name)


def _check(query: MediaQuery) -> None:
    _check_limit(query.limit)
    if query.kind is not None and query.kind not in KINDS:
        raise InvalidQueryError(f"no media are of the kind {query.kind!r}: {', '.join(KINDS)}")
    if query.q is not None and not search_words(query.q):
        raise InvalidQueryError("there is no word to search for")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQueryError(f"the limit must be from 1 to {MAX_LIMIT}")


def _media(row: Row) -> StoredMedia:
    values = list(row)
    values[_FLAGS] = tuple((values[_FLAGS] or "").split())
    values[-1] /= 1000
    return StoredMedia(*values)


def _sighting(row: Row) -> Sighting:
    url, page_title, via, places, position, alt, title, last_scraped = row
    vias = tuple((places or via).split())
    return Sighting(url, page_title, via, vias, position, alt, title, last_scraped / 1000)


def _scrape(row: Row) -> StoredScrape:
    values = list(row)
    values[-2] /= 1000
    values[-1] /= 1000
    return StoredScrape(*values)
