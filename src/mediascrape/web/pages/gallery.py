"""The gallery and an item's detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from mediascrape.errors import ScrapeError, UnusablePictureError
from mediascrape.store import MediaDetail, MediaQuery, StoredMedia, Totals
from mediascrape.web.listing import MediaParams, read_params
from mediascrape.web.pages.rendering import is_fragment, render
from mediascrape.web.parts import Parts, PartsOf
from mediascrape.web.problems import Problem, not_found
from mediascrape.web.thumbnails.service import Size, key_of
from mediascrape.web.variants import variants_of

router = APIRouter(include_in_schema=False)

#: Cards of one page of the gallery.
PAGE = 60
MEDIA_ID = Path(ge=1, le=2**63 - 1)
#: How long a browser keeps a thumbnail.
_KEPT_S = 7 * 86_400
#: Items of a page among which other sizes of a picture are looked for.
_LOOKED_AT = 1000
KINDS = ("image", "video", "audio", "embed")


class GalleryParams(MediaParams):
    """The gallery's filters; empty form fields mean nothing chosen. `newer_than` is an item's id."""

    newer_than: Annotated[int, Query(ge=0)] | None = None


@router.get("/")
async def gallery(request: Request, parts: PartsOf) -> Response:
    """The page, or, for htmx, only its cards."""
    params = read_params(request, GalleryParams)
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


def filters_of(params: MediaParams) -> dict[str, Any]:
    """What is chosen, for the form and for links that keep it."""
    return params.model_dump(exclude={"cursor", "limit", "newer_than"}, mode="json")


def _kinds(totals: Totals) -> Sequence[tuple[str, int]]:
    return [(kind, totals.media.get(kind, 0)) for kind in KINDS]


@router.get("/media/{media_id}/thumbnail")
async def thumbnail(
    request: Request, parts: PartsOf, media_id: Annotated[int, MEDIA_ID], size: Size = "card"
) -> Response:
    """A picture in the store, made small by us: its host sees this service, never the viewer."""
    found = await parts.media.store.get_media(media_id, sightings=1)
    if parts.thumbnails is None or found is None or found.media.kind != "image":
        raise not_found(f"There is no thumbnail of item {media_id}.")
    headers = {"Cache-Control": f"private, max-age={_KEPT_S}", "ETag": f'"{key_of(found.media.url, size)}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    try:
        made = await parts.thumbnails.get(found.media.url, size)
    except (ScrapeError, UnusablePictureError) as error:
        raise Problem(502, error.code, f"No thumbnail could be made: {error}") from None
    return Response(made, media_type="image/webp", headers=headers)


@router.get("/media/{media_id}")
async def detail(request: Request, parts: PartsOf, media_id: Annotated[int, MEDIA_ID]) -> Response:
    """One item with every page that shows it; for htmx the inside of a dialog."""
    found = await parts.media.store.get_media(media_id)
    if found is None:
        raise not_found(f"No media item has the id {media_id}.")
    template = "media_detail.html" if is_fragment(request) else "media_page.html"
    return render(
        request, parts, template, item=found.media, seen_on=found.seen_on,
        variants=await _variants(parts, found),
    )  # fmt: skip


async def _variants(parts: Parts, found: MediaDetail) -> list[StoredMedia]:
    """The item's other sizes on the page that showed it last."""
    if found.media.kind != "image" or not found.seen_on:
        return []
    on_page = MediaQuery(page_url=found.seen_on[0].page_url, limit=_LOOKED_AT)
    return variants_of(found.media.id, (await parts.media.store.list_media(on_page)).items)
