"""Crawlee's HTTP crawler with its own client (impit) and Lexbor in the handler; sessions and retries off.

Queue in memory; does not store or look at robots.txt.
"""

from __future__ import annotations

import asyncio
import logging

import uvloop
from crawlee import ConcurrencySettings
from crawlee.crawlers import HttpCrawler, HttpCrawlingContext
from crawlee.storage_clients import MemoryStorageClient
from extraction import media
from protocol import CONCURRENCY, JOBS, Count, ready
from selectolax.lexbor import LexborHTMLParser


async def main() -> None:
    count = Count()
    concurrency = ConcurrencySettings(
        min_concurrency=CONCURRENCY, desired_concurrency=CONCURRENCY, max_concurrency=CONCURRENCY
    )
    crawler = HttpCrawler(
        concurrency_settings=concurrency,
        storage_client=MemoryStorageClient(),
        use_session_pool=False,
        retry_on_blocked=False,
        max_request_retries=0,
        configure_logging=False,
    )

    @crawler.router.default_handler
    async def handle(context: HttpCrawlingContext) -> None:
        body = await context.http_response.read()
        count.media += len(media(LexborHTMLParser(body), context.request.url))
        count.job_ended(True)

    @crawler.failed_request_handler
    async def failed(_context: object, _error: Exception) -> None:
        count.job_ended(False)

    logging.disable(logging.CRITICAL)
    await asyncio.to_thread(ready)
    await crawler.run(JOBS)
    await asyncio.to_thread(count.report)


uvloop.run(main())
