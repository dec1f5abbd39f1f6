"""The page to submit URLs, and a batch's own page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from mediascrape.store import ScrapeQuery
from mediascrape.web.pages.rendering import render
from mediascrape.web.parts import PartsOf
from mediascrape.web.problems import not_found

router = APIRouter(include_in_schema=False)

_FAILURES_SHOWN = 100


@router.get("/submit")
async def submit_page(request: Request, parts: PartsOf) -> Response:
    return render(request, parts, "submit.html", max_urls=parts.settings.max_urls_per_request)


@router.get("/batches/{batch_id}")
async def batch_page(
    request: Request, parts: PartsOf, batch_id: Annotated[str, Path(max_length=100)]
) -> Response:
    """A batch's progress, live while it runs, and its failures."""
    batch = await parts.batches.get(batch_id)
    if batch is None:
        raise not_found(f"No batch {batch_id} is known.")
    failures = await parts.media.store.list_scrapes(
        ScrapeQuery(batch_id=batch_id, failed=True, limit=_FAILURES_SHOWN)
    )
    return render(request, parts, "batch.html", batch=batch, failures=failures.items)
