"""A whole worker process that starts within a few milliseconds, to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.context import ForkServerProcess
from typing import Any

from redis.asyncio import Redis

from mediascrape.queue.connection import connect
from mediascrape.queue.job import Job
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker
from mediascrape.service import Mediascrape
from mediascrape.settings import Settings

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["mediascrape.service"])


def start_worker(**settings: Any) -> ForkServerProcess:
    """A process that runs the worker of a data directory until it is killed."""
    process = _CONTEXT.Process(target=_work, args=(settings,), daemon=True)
    process.start()
    return process


def _work(settings: dict[str, Any]) -> None:
    async def work() -> None:
        async with Mediascrape(Settings.load(**settings)):
            await asyncio.Event().wait()

    asyncio.run(work())


def start_queue_worker(url: str, queue_name: str) -> ForkServerProcess:
    """Only the queue's worker, with jobs of 20 ms, until it is killed."""
    process = _CONTEXT.Process(target=_work_on_queue, args=(url, queue_name), daemon=True)
    process.start()
    return process


def queue_worker(client: Redis, queue_name: str) -> Worker:
    async def processor(job: Job, context: JobContext) -> None:
        await asyncio.sleep(0.02)

    options = WorkerOptions(
        concurrency=5, lock_duration_ms=500, stalled_interval_ms=200, max_stalled_count=1000, grace_s=2.0
    )
    return Worker(client, queue_name, processor, options)


def _work_on_queue(url: str, queue_name: str) -> None:
    asyncio.run(queue_worker(connect(url), queue_name).run())
