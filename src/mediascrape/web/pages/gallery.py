"""The gallery and an item's detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from mediascrape.store import Totals
from mediascrape.web.listing import MediaParams
from mediascrape.web.pages.rendering import is_fragment, render
from mediascrape.web.parts import Parts, PartsOf
from mediascrape.web.problems import not_found

router = APIRouter(include_in_schema=False)

#: Cards of one page of the gallery.
PAGE = 60
KINDS = ("image", "video", "audio", "embed")


class GalleryParams(MediaParams):
    """The gallery's filters; empty form fields mean nothing chosen. `newer_than` is an item's id."""

    newer_than: Annotated[int, Query(ge=0)] | None = None


@router.get("/")
async def gallery(request: Request, parts: PartsOf) -> Response:
    """The page, or, for htmx, only its cards."""
    params = _params(request)
    if params.newer_than is not None:
        return await _newer(request, parts, params)
    page = await parts.media.store.list_media(params.to_query(PAGE))
    filters = filters_of(params)
    context: dict[str, Any] = {
        "items": page.items,
        "filters": filters,
        "next_cursor": page.next_cursor,
        "first_id": page.items[0].id if page.items else 0,
    }
    if is_fragment(request):
        return render(
            request, parts, "gallery_cards.html" if params.cursor else "gallery_results.html", **context
        )
    totals = await parts.media.store.totals()
    return render(request, parts, "gallery.html", **context, kinds=_kinds(totals), totals=totals)


async def _newer(request: Request, parts: Parts, params: GalleryParams) -> Response:
    """Cards that came after the first one shown, to stand before it."""
    page = await parts.media.store.list_media(params.to_query(PAGE))
    assert params.newer_than is not None
    newer = [item for item in page.items if item.id > params.newer_than]
    if len(newer) == PAGE:  # more came than one page holds: begin anew
        response = render(
            request, parts, "gallery_results.html", items=newer, filters=filters_of(params),
            next_cursor=page.next_cursor, first_id=newer[0].id,
        )  # fmt: skip
        response.headers.update({"HX-Retarget": "#results", "HX-Reswap": "outerHTML"})
        return response
    return render(request, parts, "gallery_newer.html", items=newer, filters=filters_of(params))


def _params(request: Request) -> GalleryParams:
    """Raises RequestValidationError's cause as a problem where a filter is not valid."""
    given = {name: value for name, value in request.query_params.items() if value != ""}
    return GalleryParams.model_validate(given)


def filters_of(params: MediaParams) -> dict[str, Any]:
    """What is chosen, for the form and for links that keep it."""
    return params.model_dump(exclude={"cursor", "limit", "newer_than"}, mode="json")


def _kinds(totals: Totals) -> Sequence[tuple[str, int]]:
    return [(kind, totals.media.get(kind, 0)) for kind in KINDS]


@router.get("/media/{media_id}")
async def detail(
    request: Request, parts: PartsOf, media_id: Annotated[int, Path(ge=1, le=2**63 - 1)]
) -> Response:
    """One item with every page that shows it; for htmx the inside of a dialog."""
    found = await parts.media.store.get_media(media_id)
    if found is None:
        raise not_found(f"No media item has the id {media_id}.")
    template = "media_detail.html" if is_fragment(request) else "media_page.html"
    return render(request, parts, template, item=found.media, seen_on=found.seen_on)
