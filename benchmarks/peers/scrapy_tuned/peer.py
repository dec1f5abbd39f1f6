"""Scrapy with what is not needed switched off, uvloop, and Lexbor in place of its selectors.

Queue in memory; does not store or look at robots.txt.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import scrapy
from extraction import media
from protocol import CONCURRENCY, JOBS, Count, ready
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response
from selectolax.lexbor import LexborHTMLParser

COUNT = Count()
SETTINGS: dict[str, Any] = {
    "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
    "CONCURRENT_REQUESTS": CONCURRENCY,
    "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
    "DOWNLOAD_DELAY": 0,
    "AUTOTHROTTLE_ENABLED": False,
    "COOKIES_ENABLED": False,
    "DOWNLOAD_MAXSIZE": 0,
    "HTTPCOMPRESSION_ENABLED": False,
    "LOG_ENABLED": False,
    "MEMUSAGE_ENABLED": False,
    "REDIRECT_ENABLED": False,
    "RETRY_ENABLED": False,
    "ROBOTSTXT_OBEY": False,
    "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
    "TELNETCONSOLE_ENABLED": False,
    "SPIDER_MIDDLEWARES_BASE": {},
}


class MediaSpider(scrapy.Spider):
    name = "media"

    async def start(self) -> AsyncIterator[scrapy.Request]:
        ready()
        for url in JOBS:
            yield scrapy.Request(url, dont_filter=True, errback=self.failed)

    def parse(self, response: Response) -> None:
        COUNT.media += len(media(LexborHTMLParser(response.body), response.url))
        COUNT.job_ended(True)

    def failed(self, _failure: Any) -> None:
        COUNT.job_ended(False)


process = AsyncCrawlerProcess(SETTINGS)
process.crawl(MediaSpider)
process.start()
COUNT.report()
