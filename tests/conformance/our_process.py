"""Our worker in a process of its own, to be killed: says the id of each job it begins."""

from __future__ import annotations

import asyncio
import sys

from mediascrape.queue.connection import connect
from mediascrape.queue.job import Job
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker


async def processor(job: Job, context: JobContext) -> None:
    print(job.id, flush=True)
    await asyncio.sleep(3600)


async def main(url: str, queue_name: str) -> None:
    options = WorkerOptions(job_timeout_ms=None, lock_duration_ms=1000, stalled_interval_ms=300)
    async with Worker(connect(url), queue_name, processor, options) as worker:
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
