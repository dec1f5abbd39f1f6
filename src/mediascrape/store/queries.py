"""Everything that is read, as SQLAlchemy Core queries for both backends.

`media` is joined outward (LEFT JOIN) to hosts and pages, which keeps it the outer loop: rows come in
the order of its ids or of an index, and the limit ends the scan.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from .cursors import from_cursor
from .records import OK, MediaQuery, ScrapeQuery
from .schema import FAILED, NOT_IMAGE, hosts, media, page_media, pages, scrapes, tallies

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
    source = media.outerjoin(hosts, hosts.c.id == media.c.host_id).outerjoin(
        pages, pages.c.id == media.c.first_page_id
    )
    found = sa.select(*_COLUMNS).select_from(source).where(*_criteria(query))
    if query.cursor is not None:
        found = found.where(media.c.id < from_cursor(query.cursor, 1)[0])
    return found.order_by(media.c.id.desc()).limit(query.limit + 1)


def media_by_page(query: MediaQuery) -> Select:
    """Rank of the page, position on it, then the item; pages in the order in which they were scraped."""
    rank: sa.ColumnElement[int]
    if query.batch_id is not None or query.job_ids is not None:
        rank = scrapes.c.id
        source = scrapes.join(pages, pages.c.id == scrapes.c.page_id)
    else:
        rank = pages.c.id
        source = pages.join(page_media, page_media.c.page_id == pages.c.id)
    if rank is scrapes.c.id:
        source = source.join(page_media, page_media.c.page_id == pages.c.id)
    source = source.join(media, media.c.id == page_media.c.media_id).outerjoin(
        hosts, hosts.c.id == media.c.host_id
    )
    position = page_media.c.position
    found = sa.select(rank, position, *_COLUMNS_BY_PAGE).select_from(source).where(*_criteria(query))
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
    for word in (query.q or "").split():
        pattern = f"%{word}%"
        criteria.append(
            sa.or_(*(column.ilike(pattern) for column in (media.c.url, media.c.alt, media.c.title)))
        )
    return criteria


def one_media(media_id: int) -> Select:
    """One item by its id."""
    source = media.outerjoin(hosts, hosts.c.id == media.c.host_id).outerjoin(
        pages, pages.c.id == media.c.first_page_id
    )
    return sa.select(*_COLUMNS).select_from(source).where(media.c.id == media_id)


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


def sums(*scopes: str) -> Select:
    """(scope, name, count, found, new) of these scopes."""
    amounts = (sa.func.sum(column) for column in (tallies.c.count, tallies.c.found, tallies.c.new))
    return (
        sa.select(tallies.c.scope, tallies.c.name, *amounts)
        .where(tallies.c.scope.in_(scopes))
        .group_by(tallies.c.scope, tallies.c.name)
    )
