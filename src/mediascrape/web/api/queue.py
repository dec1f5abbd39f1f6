"""The queue as a whole."""

from __future__ import annotations

from fastapi import APIRouter

from mediascrape.queue.queue import Queue
from mediascrape.web.models import Counts, QueueState, WorkerState
from mediascrape.web.parts import PartsOf

router = APIRouter(prefix="/api/queue", tags=["queue"])


@router.get("", summary="Counts, workers, paused or not")
async def get_queue(parts: PartsOf) -> QueueState:
    return await read_queue(parts.media.queue)


@router.post("/pause", status_code=204, summary="Let no worker claim jobs")
async def pause(parts: PartsOf) -> None:
    """Running jobs go on."""
    await parts.media.queue.pause()


@router.post("/resume", status_code=204, summary="Let workers claim jobs again")
async def resume(parts: PartsOf) -> None:
    await parts.media.queue.resume()


async def read_queue(queue: Queue) -> QueueState:
    return QueueState(
        name=queue.name,
        paused=await queue.is_paused(),
        counts=Counts.model_validate(await queue.counts()),
        workers=[_worker(row) for row in await queue.workers()],
    )


def _worker(row: dict[str, str]) -> WorkerState:
    _, _, name = row.get("name", "").partition(":w:")
    return WorkerState(
        name=name or row.get("id", ""),
        address=row.get("addr", ""),
        age_s=int(row.get("age", 0)),
        idle_s=int(row.get("idle", 0)),
    )
