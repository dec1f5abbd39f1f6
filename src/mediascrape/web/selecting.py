"""Finding jobs in the queue by what BullMQ has no index for: their URL, their reason of failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from mediascrape.errors import JobNotFoundError, JobStateError
from mediascrape.queue.job import Job
from mediascrape.queue.queue import Queue, State
from mediascrape.web.models import JobDetail, JobSelection, JobState
from mediascrape.web.parts import Parts
from mediascrape.web.problems import not_found

#: Jobs read in one round trip.
_CHUNK = 500
#: Jobs that one search looks at; a further page of it goes on from there.
_MOST_SEARCHED = 10_000
#: Jobs changed at once.
_AT_ONCE = 100


async def search(
    queue: Queue, states: Sequence[JobState], text: str, start: int, limit: int
) -> tuple[list[Job], int | None]:
    """Jobs whose id is `text` or whose URL has it, from a position on; and where to go on. The jobs of
    the states follow one another."""
    if start == 0:
        job = await queue.get_job(text) if ":" not in text else None
        if job is not None and job.state in states:
            return [job], None
    found: list[Job] = []
    needle = text.casefold()
    position = start
    while position - start < _MOST_SEARCHED:
        jobs = await queue.list_jobs(states, start=position, limit=_CHUNK)
        for job in jobs:
            position += 1
            if needle in url_of(job).casefold():
                found.append(job)
                if len(found) == limit:
                    return found, position
        if len(jobs) < _CHUNK:
            return found, None
    return found, position


async def each(queue: Queue, selection: JobSelection, change: Callable[[str], Awaitable[None]]) -> int:
    """Change the failed jobs of a selection; how many were. Those gone meanwhile are passed over."""
    ids = selection.ids
    if ids is None:
        ids = [job.id async for job in failed(queue) if selection.reason in (None, code_of(job))]
    changed = 0
    for start in range(0, len(ids), _AT_ONCE):
        outcomes = await asyncio.gather(
            *(_changes(change, job_id) for job_id in ids[start : start + _AT_ONCE])
        )
        changed += sum(outcomes)
    return changed


async def _changes(change: Callable[[str], Awaitable[None]], job_id: str) -> bool:
    try:
        await change(job_id)
    except (JobNotFoundError, JobStateError):
        return False
    return True


async def failed(queue: Queue) -> AsyncIterator[Job]:
    """All failed jobs, latest first."""
    state: Sequence[State] = ("failed",)
    position = 0
    while jobs := await queue.list_jobs(state, start=position, limit=_CHUNK):
        for job in jobs:
            yield job
        position += len(jobs)


def url_of(job: Job) -> str:
    url = job.data.get("url") if isinstance(job.data, dict) else None
    return url if isinstance(url, str) else ""


def code_of(job: Job) -> str:
    """The code in a job's `code: message`; `unknown` for a foreign worker's reason."""
    code, separator, _ = (job.failed_reason or "").partition(":")
    return code if code and " " not in code and (separator or code == job.failed_reason) else "unknown"


async def read_job(parts: Parts, job_id: str) -> JobDetail:
    """A job in the queue, or what the store remembers of one that left. Raises Problem (404)."""
    queue, store = parts.media.queue, parts.media.store
    job = await queue.get_job(job_id) if ":" not in job_id else None
    scrape = (await store.scrapes_for([job_id])).get(job_id)
    if job is not None:
        return JobDetail.of_parts(job, await queue.get_logs(job_id), scrape)
    if scrape is not None:
        return JobDetail.of_scrape(scrape)
    raise not_found(f"No job {job_id} is known.")
