"""The queue's dashboard, its jobs by state, and one job."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response

from mediascrape.queue.queue import STATES
from mediascrape.web.api.queue import read_queue
from mediascrape.web.listing import JobParams, read_params
from mediascrape.web.models import JobDetail
from mediascrape.web.pages.rendering import is_fragment, render
from mediascrape.web.parts import Parts, PartsOf
from mediascrape.web.problems import Problem
from mediascrape.web.selecting import code_of, failed, read_job, search, url_of

router = APIRouter(include_in_schema=False)

_PAGE = 50


@router.get("/queue")
async def dashboard(request: Request, parts: PartsOf) -> Response:
    """Counts, charts, workers, and jobs: of one state (failed ones unless another is asked for), or, where
    something is searched for and no state is chosen, of all."""
    params = read_params(request, JobParams)
    jobs = await _jobs(parts, params)
    if is_fragment(request):
        return render(request, parts, "queue_jobs.html", **jobs)
    queue = await read_queue(parts)
    return render(
        request, parts, "queue.html", queue=queue, states=STATES,
        counts=queue.counts.model_dump(by_alias=True), recent=parts.live.state.recent, **jobs,
    )  # fmt: skip


async def _jobs(parts: Parts, params: JobParams) -> dict[str, Any]:
    queue = parts.media.queue
    start = int(params.cursor) if params.cursor and params.cursor.isdigit() else 0
    states = params.states
    # Before the list, so that a job that comes meanwhile makes the page ask again.
    count = (await queue.counts())[states[0]]
    if params.q:
        jobs, after = await search(queue, states, params.q, start, _PAGE)
    else:
        jobs = await queue.list_jobs(states, start=start, limit=_PAGE)
        after = start + _PAGE if len(jobs) == _PAGE else None
    return {
        "jobs": [(job, url_of(job), code_of(job) if job.failed_reason else "") for job in jobs],
        "state": states[0] if len(states) == 1 else "",
        "count": count,
        "chosen": params.state or "",
        "q": params.q or "",
        "elsewhere": await _elsewhere(parts, params.q) if params.q and not jobs else None,
        "next_cursor": after,
        "reasons": await _reasons(parts) if states == ("failed",) and not start else [],
    }


async def _elsewhere(parts: Parts, job_id: str) -> JobDetail | None:
    """The job of that id, whatever its state: whoever pastes an id wants that one."""
    try:
        return await read_job(parts, job_id)
    except Problem:
        return None


async def _reasons(parts: Parts) -> list[tuple[str, int]]:
    """Failed jobs by the code of their reason, the most frequent first."""
    counts = Counter([code_of(job) async for job in failed(parts.media.queue)])
    return counts.most_common()


@router.get("/queue/history")
async def history(parts: PartsOf) -> Response:
    """The charts' samples, oldest first."""
    return JSONResponse([sample.row() for sample in parts.live.samples])


@router.get("/jobs/{job_id}")
async def job_page(
    request: Request, parts: PartsOf, job_id: Annotated[str, Path(max_length=200)]
) -> Response:
    job = await read_job(parts, job_id)
    return render(request, parts, "job.html", job=job, timeline=timeline(job))


def timeline(job: JobDetail) -> list[tuple[float, str]]:
    """What happened to a job, in order."""
    moments: list[tuple[float | None, str]] = [
        (job.created_at, "Submitted" + (f" in batch {job.batch_id}" if job.batch_id else "")),
        (job.due_at, "Due again"),
        (job.started_at, f"Attempt {max(job.attempts_made, 1)} of {job.attempts} began"),
        (job.finished_at, f"Failed: {job.failed_reason}" if job.failed_reason else "Done"),
    ]
    return sorted((at, what) for at, what in moments if at is not None)
