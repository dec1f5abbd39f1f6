"""Pages that are scraped again and again: the list of their schedules, and the form that adds some."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mediascrape.queue.wire import now_ms
from mediascrape.scheduling import page_url, rhythm
from mediascrape.web.pages.rendering import is_fragment, render
from mediascrape.web.parts import PartsOf

router = APIRouter(include_in_schema=False)

_PAGE = 50


@router.get("/schedules")
async def schedules_page(
    request: Request, parts: PartsOf, cursor: Annotated[int, Query(ge=0, le=10**9)] = 0
) -> Response:
    """The one due next first; for htmx only the list."""
    schedules = parts.media.schedules
    total = await schedules.count()
    found = await schedules.page(cursor, _PAGE) if cursor < total else []
    now = now_ms()
    return render(
        request, parts, "schedules_list.html" if is_fragment(request) else "schedules.html",
        schedules=[(one, page_url(one), rhythm(one.repeat), one.ended(now)) for one in found],
        total=total, next_cursor=cursor + _PAGE if cursor + _PAGE < total else None,
    )  # fmt: skip
