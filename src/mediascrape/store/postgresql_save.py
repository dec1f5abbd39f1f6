"""One group commit in PostgreSQL.

Several processes commit at once. Each takes its locks in one order (pages, hosts, media, scrapes,
tallies; by URL, name or id within each), so that they wait for each other but never in a circle.

Few rows travel as one array per column, which the server unnests. Items travel by COPY, media into a
temporary table and on from there: as arrays they would cost this process 0.35 ms more per page of 60
items, and the server as much as this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .items import MEDIA_COLUMNS, ItemRows, Known
from .plan import PagePlan, PageState, PastScrape, plan_pages, plan_scrapes
from .prepare import Prepared, hosts_of, millis
from .records import Saved
from .tallies import Tallies

if TYPE_CHECKING:
    from asyncpg import Connection

_LOCK_PAGES = """
SELECT url, id, items_hash, items FROM pages WHERE url = ANY($1::text[]) ORDER BY id FOR UPDATE
"""
_INSERT_PAGES = """
INSERT INTO pages (url, items_hash, items, first_scraped, last_scraped)
SELECT url, '', 0, seen, seen FROM unnest($1::text[], $2::bigint[]) AS new (url, seen)
ON CONFLICT DO NOTHING RETURNING url, id
"""
_UPDATE_PAGES = """
UPDATE pages SET final_url = new.final_url, title = new.title, status = new.status, etag = new.etag,
    last_modified = new.last_modified, content_hash = new.content_hash, items_hash = new.items_hash,
    items = new.items, last_scraped = new.last_scraped
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[],
    $8::bytea[], $9::bytea[], $10::integer[], $11::bigint[], $12::bigint[])
    AS new (id, url, final_url, title, status, etag, last_modified, content_hash, items_hash, items,
        first_scraped, last_scraped)
WHERE pages.id = new.id
"""
_TOUCH_PAGES = """
UPDATE pages SET status = new.status, etag = coalesce(new.etag, pages.etag),
    last_modified = coalesce(new.last_modified, pages.last_modified), last_scraped = new.last_scraped
FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
    AS new (status, etag, last_modified, last_scraped, id)
WHERE pages.id = new.id
"""
_INSERT_HOSTS = """
INSERT INTO hosts (name) SELECT * FROM unnest($1::text[]) ON CONFLICT (name) DO NOTHING
"""
_SELECT_HOSTS = "SELECT name, id FROM hosts WHERE name = ANY($1::text[])"
_TAKE_MEDIA_IDS = """
SELECT array_agg(nextval(pg_get_serial_sequence('media', 'id'))) FROM generate_series(1, $1::integer)
"""
_SELECT_SHOWN = """
SELECT m.url, m.id, m.alt, m.title FROM page_media p JOIN media m ON m.id = p.media_id
WHERE p.page_id = ANY($1::bigint[])
"""
_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS media_stage (id bigint, host_id integer, first_page_id bigint,
    first_seen bigint, kind text, url text, via text, alt text, title text, width integer, height integer,
    mime_type text, flags text, provider text, provider_id text) ON COMMIT DELETE ROWS
"""
_INSERT_MEDIA = """
INSERT INTO media (id, host_id, first_page_id, first_seen, kind, url, via, alt, title, width, height,
    mime_type, flags, provider, provider_id, words)
SELECT new.*, mediascrape_words(left(
    concat_ws(' ', substr(new.url, strpos(new.url, '//')), new.alt, new.title, pages.title), 50000))
FROM media_stage AS new LEFT JOIN pages ON pages.id = new.first_page_id
ORDER BY new.host_id, new.url COLLATE "C"
ON CONFLICT (host_id, (md5(url)::uuid)) DO NOTHING RETURNING id
"""
_SELECT_MEDIA = """
SELECT media.url, media.id, media.alt, media.title FROM unnest($1::integer[], $2::text[]) AS wanted (host_id, url)
JOIN media ON media.host_id = wanted.host_id AND md5(media.url)::uuid = md5(wanted.url)::uuid
"""
_DELETE_PAGE_MEDIA = "DELETE FROM page_media WHERE page_id = ANY($1::bigint[])"
_SCRAPES = """
unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::integer[],
    $8::integer[], $9::integer[], $10::integer[], $11::bigint[], $12::bigint[])
    AS new (job_id, batch_id, page_id, url, outcome, error, found, new, attempts, duration_ms,
        started_at, finished_at)
"""
_LOCK_SCRAPES = """
SELECT job_id, batch_id, outcome, found, new FROM scrapes WHERE job_id = ANY($1::text[])
ORDER BY job_id COLLATE "C" FOR UPDATE
"""
_INSERT_SCRAPES = f"""
INSERT INTO scrapes (job_id, batch_id, page_id, url, outcome, error, found, new, attempts, duration_ms,
    started_at, finished_at)
SELECT * FROM {_SCRAPES}
ON CONFLICT (job_id) DO NOTHING RETURNING job_id
"""  # noqa: S608
_UPDATE_SCRAPES = f"""
UPDATE scrapes SET batch_id = new.batch_id, page_id = new.page_id, url = new.url, outcome = new.outcome,
    error = new.error, found = new.found, new = new.new, attempts = new.attempts,
    duration_ms = new.duration_ms, started_at = new.started_at, finished_at = new.finished_at
FROM {_SCRAPES}
WHERE scrapes.job_id = new.job_id
"""  # noqa: S608
ADD_TALLIES = """
INSERT INTO tallies (scope, name, shard, count, found, new)
SELECT scope, name, $6, count, found, new
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS added (scope, name, count, found, new)
ON CONFLICT (scope, name, shard) DO UPDATE SET count = tallies.count + excluded.count,
    found = tallies.found + excluded.found, new = tallies.new + excluded.new
"""


class ConcurrentSaveError(Exception):
    """Another process saved the same new page or job at this moment; the commit must begin again."""


class GroupCommit:
    """Writes one batch. Made, used and left within one transaction that its caller began and will commit."""

    def __init__(self, connection: Connection, known: Known, shard: int) -> None:
        self._db = connection
        self._shard = shard
        self._ids = _Ids(connection, known)
        self._items = ItemRows(known, self._ids)
        self._tallies = Tallies()

    async def write(self, batch: Sequence[Prepared]) -> list[Saved]:
        """Write the records in their order; a later one sees what an earlier one left.

        Raises ConcurrentSaveError.
        """
        with_page = [prepared for prepared in batch if prepared.record.page is not None]
        pages, new_pages = await self._lock_pages({p.record.url: p for p in with_page})
        plan = plan_pages(with_page, pages, new_pages.__getitem__, self._tallies)
        await self._run(_UPDATE_PAGES, plan.upserts.values())
        await self._run(_TOUCH_PAGES, plan.touches.values())
        await self._write_items(plan)
        new = {id(prepared): self._items.new[page_id] for page_id, prepared in plan.changed.items()}
        jobs = await self._db.fetch(_LOCK_SCRAPES, [prepared.record.job_id for prepared in batch])
        past = {job: PastScrape(*rest) for job, *rest in jobs}
        ended = set(past)
        rows, saved = plan_scrapes(batch, pages, past, lambda p: new.get(id(p), 0), self._tallies)
        await self._run(_UPDATE_SCRAPES, [row for job, row in rows.items() if job in ended])
        fresh = [row for job, row in sorted(rows.items()) if job not in ended]
        if len(await self._run(_INSERT_SCRAPES, fresh)) < len(fresh):
            raise ConcurrentSaveError
        await add_tallies(self._db, self._tallies, self._shard)
        return saved

    def learn(self) -> None:
        """Remember ids; to be called once the transaction is committed."""
        self._items.learn()
        self._ids.learn()

    async def _lock_pages(self, wanted: dict[str, Prepared]) -> tuple[dict[str, PageState], dict[str, int]]:
        """The pages that are stored, and the ids of rows made for those that were not."""
        rows = await self._db.fetch(_LOCK_PAGES, [*wanted]) if wanted else []
        pages = {url: PageState(*rest) for url, *rest in rows}
        missing = [
            (url, millis(wanted[url].record.finished_at)) for url in sorted(wanted) if url not in pages
        ]
        made = await self._run(_INSERT_PAGES, missing)
        if len(made) < len(missing):
            raise ConcurrentSaveError
        return pages, dict(made)

    async def _write_items(self, plan: PagePlan) -> None:
        items = self._items
        if not plan.changed:
            return
        if plan.had_items:  # most of what the pages show will be there again
            items.load(await self._db.fetch(_SELECT_SHOWN, plan.had_items))
        unknown = {url for prepared in plan.changed.values() for url in items.unknown(prepared)}
        await self._ids.load(unknown)
        for page_id, prepared in plan.changed.items():
            items.add(page_id, prepared)
        if len(items.media):
            inserted = await insert_media(self._db, items.media.rows())
            if len(inserted) < len(items.media):
                await self._resolve(inserted)
        items.count(self._tallies)
        if plan.had_items:
            await self._db.execute(_DELETE_PAGE_MEDIA, plan.had_items)
        if len(items.page_media):
            rows = items.page_media.rows()
            await self._db.copy_records_to_table("page_media", records=rows, columns=items.page_media.names)

    async def _resolve(self, inserted: Collection[int]) -> None:
        existing = self._items.existing(inserted)
        rows = await self._db.fetch(_SELECT_MEDIA, self._ids.of_hosts(existing), existing)
        self._items.resolve(rows)

    async def _run(self, statement: str, rows: Collection[Sequence[Any]]) -> list[Any]:
        """Run a statement that takes one array per column; nothing for no rows."""
        if not rows:
            return []
        result: list[Any] = await self._db.fetch(statement, *zip(*rows, strict=True))
        return result


class _Ids:
    """Ids for new media and those of hosts; `load` fetches them before they are asked for."""

    def __init__(self, connection: Connection, known: Known) -> None:
        self._db = connection
        self._known = known.hosts
        self._hosts: dict[str, int] = {}
        self._media: list[int] = []

    async def load(self, urls: Collection[str]) -> None:
        """As many ids for media as there are URLs, and those of the URLs' hosts."""
        await self._load_hosts(set(hosts_of(urls)))
        if urls:
            self._media = await self._db.fetchval(_TAKE_MEDIA_IDS, len(urls))

    def take_media(self, amount: int) -> list[int]:
        taken, self._media = self._media[:amount], self._media[amount:]
        return taken

    def of_hosts(self, urls: Iterable[str]) -> list[int]:
        return [self._hosts[name] for name in hosts_of(urls)]

    def learn(self) -> None:
        self._known.update(self._hosts)

    async def _load_hosts(self, names: set[str]) -> None:
        known = {name: self._known.get(name) for name in names}
        self._hosts = {name: host_id for name, host_id in known.items() if host_id is not None}
        for statement in (None, _INSERT_HOSTS):
            missing = sorted(names - self._hosts.keys())
            if missing and statement is not None:
                await self._db.execute(statement, missing)
            if missing:
                self._hosts.update(await self._db.fetch(_SELECT_HOSTS, missing))


async def insert_media(db: Connection, rows: Iterable[Sequence[Any]]) -> set[int]:
    """Insert media (columns as in MEDIA_COLUMNS) that do not exist; the ids of those that did not."""
    await db.execute(_STAGE)
    await db.copy_records_to_table("media_stage", records=rows, columns=MEDIA_COLUMNS)
    return {row[0] for row in await db.fetch(_INSERT_MEDIA)}


async def add_tallies(db: Connection, tallies: Tallies, shard: int) -> None:
    """Add to the sums, in this process's share of them."""
    if rows := tallies.rows():
        await db.execute(ADD_TALLIES, *zip(*rows, strict=True), shard)
