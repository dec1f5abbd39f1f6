"""For supervisors: does the process live, and can it serve?"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import Response

from mediascrape.errors import MediascrapeError
from mediascrape.web.metrics import exposition
from mediascrape.web.parts import PartsOf
from mediascrape.web.problems import Problem

router = APIRouter(tags=["health"])

#: A service that takes longer to answer counts as out of reach.
_PATIENCE_S = 2.0


class Health(BaseModel):
    status: str = "ok"


@router.get("/healthz", summary="The process lives")
async def healthz() -> Health:
    """Asks nothing else, so that a Valkey out of reach does not restart the service."""
    return Health()


@router.get("/readyz", summary="Queue and store answer")
async def readyz(parts: PartsOf) -> Health:
    for name, ask in (("queue", parts.media.queue.counts), ("store", parts.media.store.totals)):
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await ask()
        except (MediascrapeError, TimeoutError) as error:
            raise Problem(
                503, "not_ready", f"The {name} does not answer: {str(error) or 'time-out'}",
                headers={"Retry-After": "2"},
            ) from None  # fmt: skip
    return Health()


@router.get(
    "/metrics",
    summary="Counts for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics."}},
)
async def metrics(parts: PartsOf) -> Response:
    return Response(await exposition(parts), media_type=CONTENT_TYPE_LATEST)
