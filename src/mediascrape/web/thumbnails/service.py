"""Thumbnails of pictures in the store: from the cache, or fetched, made small and kept.

Not an open proxy: callers name a media item, never a URL. All is bounded: bytes of one picture and of
all together, pixels, fetches at once, requests that wait, files on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from mediascrape.errors import MediascrapeError, UnusablePictureError
from mediascrape.parts import fetch_options
from mediascrape.scrape.decoding import DecodingLimits
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.guard import AddressGuard
from mediascrape.scrape.limits import BodyLimits, Pace
from mediascrape.scrape.options import FetchOptions
from mediascrape.scrape.verdict import Wanted
from mediascrape.settings import Settings
from mediascrape.web.problems import Problem
from mediascrape.web.thumbnails.cache import DiskCache
from mediascrape.web.thumbnails.maker import Maker

Size = Literal["card", "large"]
#: Longest side in pixels: a card of the gallery on a screen of double density, and the detail view.
EDGES: Final[dict[Size, int]] = {"card": 480, "large": 1600}

#: What all fetches hold at worst is their product, 48 MB.
_MOST_BYTES: Final = 12 * 1024 * 1024
_MOST_FETCHES: Final = 4
#: A gallery of one viewer asks for sixty; beyond this many the service says that it is busy.
_MOST_WAITING: Final = 500
_FETCH_S: Final = 15.0
#: A picture that could not be had is not asked for again so soon.
_FAILURE_KEPT_S: Final = 600.0
_FAILURES_KEPT: Final = 5000


class Thumbnails:
    """Made inside the event loop by `open_thumbnails`."""

    def __init__(
        self, fetcher: Fetcher, cache: DiskCache, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._clock = clock
        self._fetching = asyncio.Semaphore(_MOST_FETCHES)
        self._maker = Maker()
        self._making: dict[str, asyncio.Task[bytes]] = {}
        self._failures: OrderedDict[str, tuple[float, MediascrapeError]] = OrderedDict()

    async def get(self, url: str, size: Size) -> bytes:
        """The thumbnail of a picture in the store, as WebP; those who ask at the same time share the work.

        Raises the ScrapeError that met the fetch, UnusablePictureError, or Problem (503) when too many wait.
        """
        key = key_of(url, size)
        data = await asyncio.to_thread(self._cache.get, key)
        return data if data is not None else await asyncio.shield(self._made(key, url, size))

    async def close(self) -> None:
        """Cancel what is being made."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._maker.close()

    def _made(self, key: str, url: str, size: Size) -> asyncio.Task[bytes]:
        task = self._making.get(key)
        if task is not None:
            return task
        self._raise_known_failure(url)
        if len(self._making) >= _MOST_WAITING:
            raise Problem(503, "busy", "Too many pictures are being made.", headers={"Retry-After": "5"})
        task = self._making[key] = asyncio.create_task(self._make(key, url, size), name="thumbnail")
        task.add_done_callback(lambda done: self._ended(key, url, done))
        return task

    async def _make(self, key: str, url: str, size: Size) -> bytes:
        async with self._fetching:
            original = await self._fetch(url)
            data = await self._maker.make(original, EDGES[size])
        await asyncio.to_thread(self._cache.put, key, data)
        return data

    async def _fetch(self, url: str) -> bytes:
        async with self._fetcher.fetch(url, wanted=Wanted.FILE) as response:
            if not 200 <= response.status < 300:
                raise UnusablePictureError(f"its host answers HTTP {response.status}")
            return response.content()

    def _ended(self, key: str, url: str, task: asyncio.Task[bytes]) -> None:
        """Runs whether or not anybody still waits for the outcome."""
        del self._making[key]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, MediascrapeError):
            self._failures[url] = (self._clock() + _FAILURE_KEPT_S, error)
            if len(self._failures) > _FAILURES_KEPT:
                self._failures.popitem(last=False)

    def _raise_known_failure(self, url: str) -> None:
        until, error = self._failures.get(url, (0.0, None))
        if error is not None and self._clock() < until:
            raise error.with_traceback(None)


def key_of(url: str, size: Size) -> str:
    """Name of a picture's thumbnail in the cache, and its ETag."""
    return hashlib.blake2b(f"{EDGES[size]} {url}".encode(), digest_size=16).hexdigest()


@asynccontextmanager
async def open_thumbnails(settings: Settings) -> AsyncIterator[Thumbnails | None]:
    """The proxy with a guarded HTTP client of its own; None where the operator gave it no space."""
    if not settings.thumbnail_cache_bytes:
        yield None
        return
    cache = DiskCache(_directory(settings), settings.thumbnail_cache_bytes)
    async with Fetcher(_picture_options(settings), AddressGuard(settings.allow_networks)) as fetcher:
        thumbnails = Thumbnails(fetcher, cache)
        try:
            yield thumbnails
        finally:
            await thumbnails.close()


def _directory(settings: Settings) -> Path:
    return settings.data_dir.expanduser() / "thumbnails"


def _picture_options(settings: Settings) -> FetchOptions:
    return replace(
        fetch_options(settings),
        accept="image/avif,image/webp,image/png,image/jpeg,image/gif;q=0.9,*/*;q=0.5",
        limits=BodyLimits(max_bytes=_MOST_BYTES),
        decoding=DecodingLimits(max_bytes=_MOST_BYTES),
        pace=Pace(total_s=_FETCH_S),
        body_budget_bytes=2 * _MOST_BYTES,
        max_idle_connections=_MOST_FETCHES,
    )
