"""The bullmq package's worker with aiohttp and Lexbor. Does not store or look at robots.txt.

Mode `noop` runs jobs that do nothing, added before the clock starts; mode `add` only adds.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import uvloop
from bullmq import Job, Queue, Worker
from extraction import media
from protocol import ADD, CONCURRENCY, JOBS, NOOP, REDIS_URL, Count, ready
from selectolax.lexbor import LexborHTMLParser

_SUBMIT_BATCH = 500


async def submit(queue: Queue) -> None:
    options = {"removeOnComplete": True}
    for start in range(0, len(JOBS), _SUBMIT_BATCH):
        batch = JOBS[start : start + _SUBMIT_BATCH]
        await queue.addBulk([{"name": "scrape-page", "data": {"url": url}, "opts": options} for url in batch])


async def main() -> None:
    count = Count()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:

        async def scrape(job: Job, _token: str) -> None:
            if NOOP:
                return
            url = job.data["url"]
            async with session.get(url) as response:
                response.raise_for_status()
                body = await response.read()
            count.media += len(media(LexborHTMLParser(body), url))

        def ended(ok: bool) -> Any:
            return lambda *_: count.job_ended(ok)

        queue = Queue("media-scrape", {"connection": REDIS_URL})
        if NOOP:
            await submit(queue)
        await asyncio.to_thread(ready)
        if ADD:
            await submit(queue)
            await asyncio.to_thread(count.all_added)
            await queue.close()
            return
        options = {"connection": REDIS_URL, "concurrency": CONCURRENCY, "removeOnComplete": {"count": 0}}
        worker = Worker("media-scrape", scrape, options)
        worker.on("completed", ended(True))
        worker.on("failed", ended(False))
        if not NOOP:
            await submit(queue)
        await count.all_done.wait()
        await asyncio.to_thread(count.report)
        await worker.close(force=True)
        await queue.close()


uvloop.run(main())
