"""Everything that is read, as SQLAlchemy Core queries for both backends.

`media` is joined outward (LEFT JOIN) to hosts and pages, which keeps it the outer loop: rows come in
the order of its ids or of an index, and the limit ends the scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR

from .cursors import from_cursor
from .prepare import millis
from .records import OK, MediaQuery, ScrapeQuery
from .schema import FAILED, NOT_IMAGE, hosts, media, page_media, pages, scrapes, tallies
from .search import Term, search_words

Select = sa.Select[Any]

_COLUMNS = (
    media.c.id,
    media.c.url,
    media.c.kind,
    media.c.via,
    pages.c.url.label("page_url"),
    media.c.alt,
    media.c.title,
    media.c.width,
    media.c.height,
    media.c.mime_type,
    hosts.c.name,
    media.c.flags,
    media.c.provider,
    media.c.provider_id,
    pages.c.title.label("page_title"),
    media.c.first_seen,
)
"""In the order of StoredMedia's fields."""


def _inherited(of_page: sa.Column[Any], of_media: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """page_media keeps NULL for "as the media row says" and '' for "nothing"."""
    return sa.func.nullif(sa.func.coalesce(of_page, of_media), "")


_OF_PAGE: dict[object, sa.ColumnElement[Any]] = {
    media.c.via: page_media.c.via,
    media.c.alt: _inherited(page_media.c.alt, media.c.alt),
    media.c.title: _inherited(page_media.c.title, media.c.title),
}
_COLUMNS_BY_PAGE = tuple(_OF_PAGE.get(column, column) for column in _COLUMNS)


def newest_media(query: MediaQuery) -> Select:
    """Media by id, newest first; one row more than the limit tells whether more follow."""
    found = _media(query).select_from(_with_names(media)).order_by(media.c.id.desc())
    return found if query.cursor is None else found.where(media.c.id < from_cursor(query.cursor, 1)[0])


def _media(query: MediaQuery) -> Select:
    return sa.select(*_COLUMNS).where(*_criteria(query)).limit(query.limit + 1)


def _with_names(source: sa.FromClause) -> sa.FromClause:
    """Media (or a join with it) with its host and the page that showed it first."""
    return source.outerjoin(hosts, hosts.c.id == media.c.host_id).outerjoin(
        pages, pages.c.id == media.c.first_page_id
    )


_fts = sa.table("media_search", sa.column("rowid"), sa.column("media_search", sa.Text))


def sqlite_search(query: MediaQuery, terms: Sequence[Term]) -> Select:
    """The same for media that have all the terms: FTS5 drives the listing.

    Kind and host are words too, so that no row is fetched in vain.
    """
    words = [f'"{term.word}"*' if term.prefix else f'"{term.word}"' for term in terms]
    if query.kind is not None:
        words.append(f'"kind0{query.kind}"')
    match: sa.ColumnElement[str] = sa.literal(" AND ".join(words), sa.Text)
    if query.host is not None:
        host_id = sa.select(sa.cast(hosts.c.id, sa.Text)).where(hosts.c.name == query.host).scalar_subquery()
        match = match.concat(' AND "host0').concat(sa.func.coalesce(host_id, "")).concat('"')
    found = _media(query).select_from(_with_names(_fts.join(media, media.c.id == _fts.c.rowid)))
    found = found.where(_fts.c.media_search.op("MATCH")(match)).order_by(_fts.c.rowid.desc())
    if query.cursor is not None:
        found = found.where(_fts.c.rowid < from_cursor(query.cursor, 1)[0])
    return found


def sqlite_has_word(word: str) -> Select:
    """A row if some item has the word."""
    return sa.select(_fts.c.rowid).where(_fts.c.media_search.op("MATCH")(f'"{word}"')).limit(1)


_words = sa.column("words", TSVECTOR, _selectable=media)


def matching_ids(match: str, query: MediaQuery) -> Select:
    """Ids of the media that match a PostgreSQL tsquery, in no order and from no cursor on."""
    return sa.select(media.c.id).where(_words.op("@@")(sa.cast(match, TSQUERY)), *_criteria(query))


def with_ids(query: MediaQuery, ids: Sequence[int]) -> Select:
    """The media with these ids, newest first."""
    wanted = media.c.id == sa.func.any(sa.literal(list(ids), ARRAY(sa.BigInteger)))
    found = sa.select(*_COLUMNS).select_from(_with_names(media)).where(wanted)
    return found.order_by(media.c.id.desc()).limit(query.limit + 1)


def media_by_page(query: MediaQuery) -> Select:
    """Rank of the page, position on it, then the item; pages in the order in which they were scraped."""
    rank: sa.Column[int]
    source: sa.FromClause
    if query.batch_id is not None or query.job_ids is not None:
        rank, source = scrapes.c.id, scrapes.join(pages, pages.c.id == scrapes.c.page_id)
    else:
        rank, source = pages.c.id, pages
    source = source.join(page_media, page_media.c.page_id == pages.c.id)
    source = source.join(media, media.c.id == page_media.c.media_id)
    source = source.outerjoin(hosts, hosts.c.id == media.c.host_id)
    position = page_media.c.position
    found = sa.select(rank, position, *_COLUMNS_BY_PAGE).select_from(source).where(*_criteria(query))
    found = found.where(*map(_contains, search_words(query.q or "")))
    if query.batch_id is not None:
        found = found.where(scrapes.c.batch_id == query.batch_id)
    if query.job_ids is not None:
        found = found.where(scrapes.c.job_id.in_(query.job_ids))
    if query.page_url is not None:
        found = found.where(pages.c.url == query.page_url)
    if query.cursor is not None:
        after_rank, after_position = from_cursor(query.cursor, 2)
        found = found.where(rank >= after_rank, sa.or_(rank > after_rank, position > after_position))
    return found.order_by(rank, position).limit(query.limit + 1)


def _criteria(query: MediaQuery) -> list[sa.ColumnElement[bool]]:
    criteria: list[sa.ColumnElement[bool]] = []
    if query.kind is not None:
        criteria.append(media.c.kind == query.kind)
        if query.kind != "image":
            criteria.append(NOT_IMAGE)  # lets the partial index be used
    if query.host is not None:
        host = sa.select(hosts.c.id).where(hosts.c.name == query.host).scalar_subquery()
        criteria.append(media.c.host_id == host)
    if query.since is not None:
        criteria.append(media.c.first_seen >= millis(query.since))
    if query.until is not None:
        criteria.append(media.c.first_seen < millis(query.until))
    if query.min_width is not None:
        criteria.append(media.c.width >= query.min_width)
    if query.min_height is not None:
        criteria.append(media.c.height >= query.min_height)
    return criteria


def within_ids(found: Select, lowest: int, highest: int) -> Select:
    """The rows of a listing with ids of a range, so that no others are looked at."""
    return found.where(media.c.id.between(lowest, highest))


def first_from(media_id: int) -> Select:
    """(id, first_seen) of the first item from an id on."""
    return (
        sa.select(media.c.id, media.c.first_seen).where(media.c.id >= media_id).order_by(media.c.id).limit(1)
    )


def last_id() -> Select:
    """(id,) of the newest item."""
    return sa.select(media.c.id).order_by(media.c.id.desc()).limit(1)


def _contains(word: str) -> sa.ColumnElement[bool]:
    """Within a page or a batch there is little to look through: no index needed."""
    columns = (media.c.url, page_media.c.alt, page_media.c.title, media.c.alt, media.c.title, pages.c.title)
    return sa.or_(*(column.icontains(word, autoescape=True) for column in columns))


def one_media(media_id: int) -> Select:
    """One item by its id."""
    return sa.select(*_COLUMNS).select_from(_with_names(media)).where(media.c.id == media_id)


def sightings(media_id: int, limit: int) -> Select:
    """Pages that show an item, in the order of Sighting's fields."""
    return (
        sa.select(
            pages.c.url,
            pages.c.title,
            page_media.c.via,
            page_media.c.places,
            page_media.c.position,
            _inherited(page_media.c.alt, media.c.alt),
            _inherited(page_media.c.title, media.c.title),
            pages.c.last_scraped,
        )
        .select_from(
            page_media.join(pages, pages.c.id == page_media.c.page_id).join(
                media, media.c.id == page_media.c.media_id
            )
        )
        .where(page_media.c.media_id == media_id)
        .order_by(pages.c.last_scraped.desc(), pages.c.id.desc())
        .limit(limit)
    )


_SCRAPE_COLUMNS = (
    scrapes.c.id,
    scrapes.c.job_id,
    scrapes.c.batch_id,
    scrapes.c.url,
    scrapes.c.outcome,
    scrapes.c.error,
    scrapes.c.found,
    scrapes.c.new,
    scrapes.c.attempts,
    scrapes.c.duration_ms,
    scrapes.c.started_at,
    scrapes.c.finished_at,
)


def scrapes_of(job_ids: list[str]) -> Select:
    """Scrapes of these jobs."""
    return sa.select(*_SCRAPE_COLUMNS).where(scrapes.c.job_id.in_(job_ids))


def newest_scrapes(query: ScrapeQuery) -> Select:
    """Scrapes by id, newest first, and one more than the limit."""
    found = sa.select(*_SCRAPE_COLUMNS).order_by(scrapes.c.id.desc()).limit(query.limit + 1)
    if query.batch_id is not None:
        found = found.where(scrapes.c.batch_id == query.batch_id)
    if query.outcome is not None:
        found = found.where(scrapes.c.outcome == query.outcome)
    if query.failed is True or query.outcome not in (None, OK):
        found = found.where(FAILED)
    if query.failed is False:
        found = found.where(scrapes.c.outcome == OK)
    if query.cursor is not None:
        found = found.where(scrapes.c.id < from_cursor(query.cursor, 1)[0])
    return found


@lru_cache(maxsize=32)
def sums(*scopes: str) -> Select:
    """(scope, name, count, found, new) of these scopes. Whoever watches a batch asks again and again."""
    amounts = (sa.func.sum(column) for column in (tallies.c.count, tallies.c.found, tallies.c.new))
    return (
        sa.select(tallies.c.scope, tallies.c.name, *amounts)
        .where(tallies.c.scope.in_(scopes))
        .group_by(tallies.c.scope, tallies.c.name)
    )
