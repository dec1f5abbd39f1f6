"""saq with httpx and Lexbor. Does not store or look at robots.txt.

Mode `noop` runs jobs that do nothing, added before the clock starts.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import uvloop
from extraction import media
from protocol import ADD, CONCURRENCY, JOBS, NOOP, REDIS_URL, Count, ready
from redis.asyncio import Redis
from saq import Job, Worker
from saq.queue.redis import RedisQueue
from selectolax.lexbor import LexborHTMLParser

_SUBMIT_BATCH = 50


async def scrape(context: dict[str, Any], *, url: str) -> None:
    if NOOP:
        return
    response = await context["client"].get(url)
    response.raise_for_status()
    context["count"].media += len(media(LexborHTMLParser(response.content), url))


async def submit(queue: RedisQueue) -> None:
    for start in range(0, len(JOBS), _SUBMIT_BATCH):
        batch = JOBS[start : start + _SUBMIT_BATCH]
        jobs = (Job("scrape", kwargs={"url": url}, ttl=-1, retries=1, timeout=60) for url in batch)
        await asyncio.gather(*(queue.enqueue(job) for job in jobs))


async def main() -> None:
    logging.disable(logging.CRITICAL)
    count = Count()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=CONCURRENCY)
    client = httpx.AsyncClient(limits=limits, timeout=60)
    # saq holds a connection per slot.
    redis = Redis.from_url(
        REDIS_URL, max_connections=2 * CONCURRENCY + 100, socket_connect_timeout=60, socket_timeout=120
    )
    queue = RedisQueue(redis)
    await queue.connect()

    async def startup(context: dict[str, Any]) -> None:
        context["client"], context["count"] = client, count

    async def after_process(context: dict[str, Any]) -> None:
        count.job_ended(context["job"].status == "complete")

    worker = Worker(
        queue,
        [scrape],
        concurrency=CONCURRENCY,
        startup=startup,
        after_process=after_process,
        dequeue_timeout=1,
    )
    if NOOP:
        await submit(queue)
    await asyncio.to_thread(ready)
    if ADD:
        await submit(queue)
        await asyncio.to_thread(count.all_added)
        return
    working = asyncio.create_task(worker.start())
    if not NOOP:
        await submit(queue)
    await count.all_done.wait()
    await asyncio.to_thread(count.report)
    working.cancel()


uvloop.run(main())
