"""However large a document is, or however tightly packed, the event loop goes on beside its extraction."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator

import pytest

from mediascrape.errors import DecompressionBombError
from mediascrape.queue.clock import AttemptClock
from mediascrape.scrape import extraction
from mediascrape.scrape.decoding import DecodingLimits
from mediascrape.scrape.extract import Document, ExtractOptions, ItemFilter, extract
from mediascrape.scrape.extraction import LARGE_BYTES, Extractor
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.guard import AddressGuard
from mediascrape.scrape.limits import BodyLimits
from scrape.conftest import LOOPBACK, quick_options
from scrape.hostile_origin import HostileOrigin, Request

PICTURES = (
    b"<!doctype html><title>t</title>" + b"<p><img src=/a.png> words and words and words</p>\n" * 20_000
)


@pytest.fixture
async def large_fetcher() -> AsyncIterator[Fetcher]:
    options = quick_options(
        limits=BodyLimits(max_bytes=10_000_000), decoding=DecodingLimits(max_bytes=10_000_000, max_ratio=1000)
    )
    async with Fetcher(options, AddressGuard(LOOPBACK)) as running:
        yield running


async def document_of(origin: HostileOrigin, fetcher: Fetcher, body: bytes, *, packed: bool) -> Document:
    @origin.on("/")
    async def answer(request: Request) -> None:
        if packed:
            await request.answer(body=gzip.compress(body), content_encoding="gzip")
        else:
            await request.answer(body=body)

    extractor = Extractor(ExtractOptions(), ItemFilter())
    try:
        async with fetcher.fetch(origin.url()) as response:
            return await extractor.document(response, AttemptClock())
    finally:
        extractor.close()


@pytest.mark.parametrize("packed", [False, True])
async def test_a_large_document_is_read_in_a_thread_however_tightly_it_is_packed(
    origin: HostileOrigin, large_fetcher: Fetcher, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(PICTURES) > LARGE_BYTES > 5 * len(gzip.compress(PICTURES))
    threads = []

    def noting_where(*args: object, **options: object) -> Document:
        threads.append(threading.current_thread())
        return extract(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(extraction, "extract", noting_where)
    document = await document_of(origin, large_fetcher, PICTURES, packed=packed)
    assert [item.url for item in document.items] == [origin.url("/a.png")]
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_a_bomb_is_called_one_though_the_loop_only_saw_that_it_is_large(
    origin: HostileOrigin, fetcher: Fetcher
) -> None:
    with pytest.raises(DecompressionBombError):
        await document_of(origin, fetcher, bytes(9_000_000), packed=True)


@pytest.mark.parametrize(
    "document",
    [
        b"<img srcset='a.png 1w, b.png 2w'>" * 250_000,
        b"<style>" + b".a{background:url(x.png)}\n" * 350_000 + b"</style>",
        b"<meta property='og:title' content='x y z'>" * 200_000,
    ],
    ids=["srcset", "styles", "tags"],
)
async def test_the_thread_gives_way_to_the_loop(
    origin: HostileOrigin, large_fetcher: Fetcher, document: bytes
) -> None:
    """Compiled code is nowhere interrupted by itself: without a word it held the loop to the end of its work."""
    extractor, turns = Extractor(ExtractOptions(), ItemFilter()), 0

    @origin.on("/")
    async def answer(request: Request) -> None:
        await request.answer(body=document)

    async with large_fetcher.fetch(origin.url()) as response:
        reading = asyncio.create_task(extractor.document(response, AttemptClock()))
        while not reading.done():
            await asyncio.sleep(0.001)
            turns += 1
        await reading
    extractor.close()
    assert turns > 12  # of some 5 ms each; it was a handful
