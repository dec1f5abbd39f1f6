"""mediascrape as its commands run it: embedded Valkey with its append-only file, SQLite store, politeness on.

Mode `noop` runs jobs that do nothing, added before the clock starts, through its queue and worker alone;
mode `add` only adds.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from protocol import ADD, CONCURRENCY, JOBS, NOOP, Count, ready

from mediascrape.allocator import keep_freed_memory, settle_garbage_collector
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import Job, JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker
from mediascrape.settings import Settings

SETTINGS = Settings.load(
    data_dir=Path(os.environ["BENCH_DIR"]),
    concurrency=CONCURRENCY,
    allow_networks=("127.0.0.0/8",),
    log_level="error",
)


async def pages(count: Count) -> None:
    import mediascrape.store.queries  # noqa: F401 - imports are not counted, and this one is made when needed
    from mediascrape.service import Mediascrape

    async with Mediascrape(SETTINGS) as service:
        settle_garbage_collector()
        await asyncio.to_thread(ready)
        progress = await service.wait(await service.submit(JOBS))
        count.ok, count.failed, count.media = progress.done, progress.failed, progress.found
        await asyncio.to_thread(count.report)


async def alone(count: Count) -> None:
    async def nothing(_job: Job, _context: JobContext) -> None:
        count.job_ended(True)

    async with AsyncExitStack() as stack:
        url = (await stack.enter_async_context(EmbeddedValkey(SETTINGS.data_dir))).url
        client, adding = connect(url), connect(url)
        stack.push_async_callback(client.aclose)
        stack.push_async_callback(adding.aclose)
        queue = Queue(adding, SETTINGS.queue_name, defaults=JobOptions(remove_on_complete=Retention(count=0)))
        jobs = (NewJob("scrape-page", {"url": url}) for url in JOBS)
        if ADD:
            await asyncio.to_thread(ready)
            await queue.add_many(jobs)
            await asyncio.to_thread(count.all_added)
            return
        await queue.add_many(jobs)
        await asyncio.to_thread(ready)
        options = WorkerOptions(concurrency=CONCURRENCY)
        await stack.enter_async_context(Worker(client, SETTINGS.queue_name, nothing, options))
        await count.all_done.wait()
        while any((await queue.counts()).values()):  # noqa: ASYNC110 - the last ones are being finished
            await asyncio.sleep(0.01)
        await asyncio.to_thread(count.report)


keep_freed_memory()  # as the commands do
uvloop.run(alone(Count()) if NOOP or ADD else pages(Count()))
