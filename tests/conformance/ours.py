"""Our worker, with a processor that does what the job's data say, as Node's in `peer.mjs`."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from conformance.peers import PATIENCE, QUEUE
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


class DoomedWorker:
    """Our worker in another process (`our_process.py`)."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def begun(self) -> str:
        """The id of the next job it begins."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await self._process.stdout.readline()).decode().strip()

    def kill(self) -> None:
        """Gone without a word."""
        self._process.kill()


@asynccontextmanager
async def doomed_worker(url: str) -> AsyncIterator[DoomedWorker]:
    script = Path(__file__).with_name("our_process.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, url, QUEUE, stdout=PIPE, env=os.environ
    )
    try:
        yield DoomedWorker(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
