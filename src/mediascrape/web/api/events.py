"""Server-sent events: the queue's state, and a batch's progress.

Every event is a whole state, so a client that lost its connection has missed nothing once the next
one comes; the browser reconnects by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from mediascrape.errors import ServiceUnavailableError
from mediascrape.web.models import Batch
from mediascrape.web.parts import Parts, PartsOf
from mediascrape.web.problems import Problem, not_found

router = APIRouter(tags=["queue"])

PATH = "/api/events"

#: Streams open at once; each costs a query per look when it follows a batch.
MOST_STREAMS = 200
_BATCH_EVERY_S = 0.5
#: A comment this often shows a dead connection and keeps proxies from closing a quiet one.
_PING_S = 15.0


@router.get(
    PATH,
    summary="Follow the queue or a batch",
    response_class=Response,
    responses={
        200: {
            "description": "`queue` events every two seconds; with `batch`, `batch` events on each change "
            "and the end of the stream when it is finished.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def events(
    parts: PartsOf, batch: Annotated[str | None, Query(max_length=100, description="A batch's id.")] = None
) -> Response:
    """Each event's data is one JSON object."""
    if parts.streams.locked():
        raise Problem(503, "too_many_streams", "Too many streams are open.", headers={"Retry-After": "10"})
    if batch is not None and await parts.batches.get(batch) is None:
        raise not_found(f"No batch {batch} is known.")
    stream = follow_queue(parts) if batch is None else follow_batch(parts, batch)
    return StreamingResponse(
        _counted(parts, stream),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _counted(parts: Parts, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with parts.streams:
        yield b"retry: 2000\n\n"
        async for chunk in stream:
            yield chunk


async def follow_queue(parts: Parts) -> AsyncIterator[bytes]:
    """A `queue` event at once and after each look."""
    while not parts.live.stopping.is_set():
        yield _event("queue", to_json(parts.live.snapshot()))
        await parts.live.wait()


async def follow_batch(parts: Parts, batch_id: str) -> AsyncIterator[bytes]:
    """A `batch` event on each change until it is finished."""
    last: Batch | None = None
    quiet = 0.0
    while not parts.live.stopping.is_set():
        try:
            state = await parts.batches.get(batch_id)
        except ServiceUnavailableError:
            batch = last  # it goes on where it was
        else:
            if state is None:
                return
            batch = Batch.of(state)
        if batch is not None and batch != last:
            yield _event("batch", batch.model_dump_json().encode())
            last, quiet = batch, 0.0
        if batch is not None and batch.finished:
            return
        await asyncio.sleep(_BATCH_EVERY_S)
        quiet += _BATCH_EVERY_S
        if quiet >= _PING_S:
            yield b": still here\n\n"
            quiet = 0.0


def _event(name: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
