"""Our worker, with a processor that does what the job's data say, as Node's in `peer.mjs`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from mediascrape.errors import JobDataError
from mediascrape.queue.job import Job
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker


@dataclass
class Ours:
    """Our worker, the ids of the jobs it has begun, and their data."""

    worker: Worker
    begun: list[str] = field(default_factory=list)
    data: list[Any] = field(default_factory=list)


@asynccontextmanager
async def our_worker(redis: Redis, queue_name: str, **options: Any) -> AsyncIterator[Ours]:
    async def processor(job: Job, context: JobContext) -> object:
        ours.begun.append(job.id)
        ours.data.append(job.data)
        todo = job.data.get("todo", "succeed")
        await asyncio.sleep(job.data.get("ms", 0) / 1000)
        while "gate" in job.data and not await redis.exists(job.data["gate"]):
            await asyncio.sleep(0.005)
        if "progress" in job.data:
            await context.update_progress(job.data["progress"])
        if "log" in job.data:
            await context.log(job.data["log"])
        if todo == "fail" or job.attempts_made < job.data.get("times", 0):
            raise RuntimeError(f"told to fail {job.attempts_made}")
        if todo == "give up":
            raise JobDataError("told to give up")
        return {"by": "us", **job.data}

    settings = {"grace_s": 0.5, "job_timeout_ms": None, **options}
    ours = Ours(Worker(redis, queue_name, processor, WorkerOptions(**settings)))
    async with ours.worker:
        yield ours
