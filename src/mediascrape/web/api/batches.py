"""Batches: what one call submitted together."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from mediascrape.web.models import Batch
from mediascrape.web.parts import PartsOf
from mediascrape.web.problems import not_found

router = APIRouter(prefix="/api/batches", tags=["batches"])


@router.get("/{batch_id}", summary="How far a batch is")
async def get_batch(parts: PartsOf, batch_id: Annotated[str, Path(max_length=100)]) -> Batch:
    """For a stream of changes see `/api/events?batch=…`."""
    state = await parts.batches.get(batch_id)
    if state is None:
        raise not_found(f"No batch {batch_id} is known.")
    return Batch.of(state)
