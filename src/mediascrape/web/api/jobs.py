"""Jobs in the queue."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from mediascrape.errors import JobNotFoundError, JobStateError
from mediascrape.web.listing import JobParams, checked, with_etag
from mediascrape.web.models import Changed, JobDetail, JobList, JobSelection, QueuedJob
from mediascrape.web.parts import PartsOf
from mediascrape.web.selecting import each, read_job, search

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

#: The words are in openapi.py.
CONFLICT: dict[int | str, dict[str, Any]] = {409: {}}

JobId = Annotated[str, Path(max_length=200)]


@router.get("", response_model=JobList, summary="List and search jobs")
async def list_jobs(request: Request, parts: PartsOf, params: Annotated[JobParams, Query()]) -> Response:
    """Latest first. Completed jobs leave the queue: see `/api/scrapes`."""
    queue, states = parts.media.queue, params.states
    start = int(params.cursor or 0)
    limit = checked(params.limit, parts.settings)
    if params.q:
        counts, (jobs, after) = await asyncio.gather(
            queue.counts(), search(queue, states, params.q, start, limit)
        )
        total = sum(counts[state] for state in states)
    else:
        counts, jobs = await asyncio.gather(queue.counts(), queue.list_jobs(states, start=start, limit=limit))
        total = sum(counts[state] for state in states)
        after = start + len(jobs) if start + len(jobs) < total else None
    items = [QueuedJob.of(job) for job in jobs]
    return with_etag(
        request, JobList(items=items, next_cursor=None if after is None else str(after), total=total)
    )


@router.get("/{job_id}", summary="One job with logs and stack traces")
async def get_job(parts: PartsOf, job_id: JobId) -> JobDetail:
    """A job that completed has left the queue; then this is what the store remembers."""
    return await read_job(parts, job_id)


@router.post("/{job_id}/retry", status_code=204, responses=CONFLICT, summary="Try a failed job again")
async def retry_job(parts: PartsOf, job_id: JobId) -> None:
    await parts.media.queue.retry_job(job_id)


@router.post("/{job_id}/cancel", status_code=204, responses=CONFLICT, summary="Cancel a running job")
async def cancel_job(parts: PartsOf, job_id: JobId) -> None:
    queue = parts.media.queue
    if await queue.job_state(job_id) is None:
        raise JobNotFoundError(f"job {job_id} is not in the queue")
    if not await queue.cancel_job(job_id):
        raise JobStateError(f"no worker that could cancel job {job_id} is listening")


@router.delete("/{job_id}", status_code=204, responses=CONFLICT, summary="Remove a job from the queue")
async def remove_job(parts: PartsOf, job_id: JobId) -> None:
    """What it found stays in the store. A running job must be cancelled first (409)."""
    await parts.media.queue.remove_job(job_id)


@router.post("/retry", summary="Try failed jobs again")
async def retry_jobs(parts: PartsOf, selection: JobSelection) -> Changed:
    """Those named, all of a reason, or, with an empty object, all."""
    return Changed(changed=await each(parts.media.queue, selection, parts.media.queue.retry_job))


@router.post("/remove", summary="Remove failed jobs")
async def remove_jobs(parts: PartsOf, selection: JobSelection) -> Changed:
    return Changed(changed=await each(parts.media.queue, selection, parts.media.queue.remove_job))
