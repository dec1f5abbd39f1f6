"""From an answer to its media items, without holding up the event loop.

A page of usual size is parsed in the loop, a few per iteration: handing it to a thread would cost more
than parsing it does, and Python runs one thread at a time anyway. A large one is parsed in a thread,
which gives way to the loop every few milliseconds (`giving_way`).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from mediascrape.errors import BodyTooLargeError
from mediascrape.scrape.extract import Document, ExtractOptions, ItemFilter, MediaItem, extract
from mediascrape.scrape.response import Response
from mediascrape.scrape.turns import Clock, Guests, LoopTurns

#: Decoded bytes from which a document is parsed in a thread: a millisecond of work as a rule, tens of them at worst.
LARGE_BYTES: Final = 512 * 1024
#: Decoded bytes of the pages that are parsed in one iteration of the loop: two of usual size. One a turn cost
#: three hundredths of a page more, all of it the loop's.
_BYTES_AT_ONCE: Final = 384 * 1024
#: What a page costs however short it is, in bytes of a longer one.
_BYTES_OF_ANY_PAGE: Final = 96 * 1024
#: Decoded bytes that one byte of a compressed page usually stands for.
_USUAL_RATIO: Final = 5


class Extractor:
    """Decodes, parses and filters. `close` must be called at the end. While any of `guests` waits, pages
    are parsed one per iteration of the loop."""

    def __init__(
        self, options: ExtractOptions, item_filter: ItemFilter, guests: Guests | None = None
    ) -> None:
        self._options = options
        self._filter = item_filter
        self._turns = LoopTurns(_BYTES_AT_ONCE, guests)
        self._thread = ThreadPoolExecutor(1, "extract")
        self._large = asyncio.Semaphore(1)

    async def document(self, response: Response, clock: Clock) -> Document:
        """What the page shows. Raises what `Response.body` and `extract` raise."""
        if response.media_kind is not None:
            return _media_file(response)
        size = _likely_size(response)
        if size <= LARGE_BYTES:
            await self._turns.wait(clock, _BYTES_OF_ANY_PAGE + size)
            with suppress(BodyTooLargeError):  # it was packed more tightly than pages are
                return self._read(response, LARGE_BYTES)
        return await self._in_thread(response, clock)

    def close(self) -> None:
        """Lets go of the thread; what it parses now is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, response: Response, clock: Clock) -> Document:
        clock.pause()
        try:
            await self._large.acquire()
        finally:
            clock.resume()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, response)
        finally:
            self._large.release()

    def _read(self, response: Response, max_bytes: int | None = None) -> Document:
        document = extract(
            response.body(max_bytes),
            base_url=response.url,
            content_type=response.headers.first("content-type"),
            options=self._options,
        )
        document.items = self._filter.apply(document.items)
        return document


def _likely_size(response: Response) -> int:
    """Bytes of the document once decoded."""
    ratio = _USUAL_RATIO if response.headers.first("content-encoding") else 1
    return response.raw_length * ratio


def _media_file(response: Response) -> Document:
    assert response.media_kind is not None
    item = MediaItem(
        url=response.url,
        kind=response.media_kind,
        via="document.url",
        mime_type=response.content_type,
    )
    return Document(base_url=response.url, items=[item])
