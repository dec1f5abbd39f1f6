"""What was found: media and ended jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from mediascrape.store import ScrapeQuery
from mediascrape.store.search import search_words
from mediascrape.web.listing import MediaParams, ScrapeParams, checked, with_etag
from mediascrape.web.models import (
    MediaList,
    MediaWithSightings,
    Scrape,
    ScrapeList,
    Totals,
    media_item,
)
from mediascrape.web.parts import PartsOf
from mediascrape.web.problems import not_found

router = APIRouter(prefix="/api", tags=["media"])

_ID = Path(ge=1, le=2**63 - 1)
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "As If-None-Match says."}}


@router.get("/media", response_model=MediaList, responses=_NOT_MODIFIED, summary="List and search media")
async def list_media(request: Request, parts: PartsOf, params: Annotated[MediaParams, Query()]) -> Response:
    """Newest first, each item once; with `page_url` or `batch_id` in the order of the pages."""
    query = params.to_query(checked(params.limit, parts.settings))
    if query.q and not search_words(query.q):  # no item has a word like ?!
        return with_etag(request, MediaList(items=[], next_cursor=None))
    page = await parts.media.store.list_media(query)
    return with_etag(
        request, MediaList(items=[media_item(item) for item in page.items], next_cursor=page.next_cursor)
    )


@router.get("/media/{media_id}", summary="One item and the pages that show it")
async def get_media(parts: PartsOf, media_id: Annotated[int, _ID]) -> MediaWithSightings:
    detail = await parts.media.store.get_media(media_id)
    if detail is None:
        raise not_found(f"No media item has the id {media_id}.")
    return MediaWithSightings.of(detail)


@router.get("/scrapes", response_model=ScrapeList, responses=_NOT_MODIFIED, summary="List ended jobs")
async def list_scrapes(
    request: Request, parts: PartsOf, params: Annotated[ScrapeParams, Query()]
) -> Response:
    """Newest first."""
    limit = checked(params.limit, parts.settings)
    page = await parts.media.store.list_scrapes(
        ScrapeQuery(params.batch_id, params.outcome, params.failed, params.cursor, limit)
    )
    items = [Scrape.model_validate(item) for item in page.items]
    return with_etag(request, ScrapeList(items=items, next_cursor=page.next_cursor))


@router.get("/totals", summary="Count everything")
async def get_totals(parts: PartsOf) -> Totals:
    return Totals.model_validate(await parts.media.store.totals())
