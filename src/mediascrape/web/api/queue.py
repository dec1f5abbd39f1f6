"""The queue as a whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict

from fastapi import APIRouter

from mediascrape.queue.presence import WorkerPresence
from mediascrape.web.models import Counts, HostWait, QueueState, WorkerState
from mediascrape.web.parts import Parts, PartsOf

router = APIRouter(prefix="/api/queue", tags=["queue"])


@router.get("", summary="Counts, workers, waiting hosts, paused or not")
async def get_queue(parts: PartsOf) -> QueueState:
    return await read_queue(parts)


@router.post("/pause", status_code=204, summary="Let no worker claim jobs")
async def pause(parts: PartsOf) -> None:
    """Running jobs go on."""
    await parts.media.queue.pause()


@router.post("/resume", status_code=204, summary="Let workers claim jobs again")
async def resume(parts: PartsOf) -> None:
    await parts.media.queue.resume()


async def read_queue(parts: Parts) -> QueueState:
    """The queue now; what workers and hosts say is at most one look of the sampler old."""
    queue, state = parts.media.queue, parts.live.state
    paused, counts, workers = await asyncio.gather(queue.is_paused(), queue.counts(), queue.workers())
    return QueueState(
        name=queue.name,
        paused=paused,
        counts=Counts.model_validate(counts),
        workers=workers_of(state.workers, workers, time.time()),
        hosts=[HostWait.model_validate(host) for host in state.hosts],
    )


def workers_of(
    present: Sequence[WorkerPresence], connections: Sequence[dict[str, str]], now: float
) -> list[WorkerState]:
    """Ours as they describe themselves, then those of other BullMQ libraries as their connections tell."""
    connected = {row.get("name", "").partition(":w:")[2] or row.get("id", ""): row for row in connections}
    workers = []
    for one in present:
        address = connected.pop(one.name, {}).get("addr", "")
        facts = asdict(one) | {"address": address, "age_s": max(0, int(now - one.started_at))}
        workers.append(WorkerState.model_validate(facts))
    return workers + [
        WorkerState(name=name, address=row.get("addr", ""), age_s=int(row.get("age", 0)))
        for name, row in connected.items()
    ]
