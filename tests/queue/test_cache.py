from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.cache import SharedCache
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey

BASE = "bull:media-scrape:"


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    async with EmbeddedValkey(tmp_path) as server:
        client = connect(server.url)
        yield client
        await client.aclose()


async def test_what_one_worker_puts_another_gets(redis: Redis) -> None:
    one, other = SharedCache(redis, BASE, "robots"), SharedCache(redis, BASE, "robots")
    assert await other.get("https://example.org") is None
    await one.put("https://example.org", "+text", 60_000)
    assert await other.get("https://example.org") == "+text"
    assert 0 < await redis.pttl(f"{BASE}ms:robots:https://example.org") <= 60_000


async def test_one_of_many_gets_the_claim(redis: Redis) -> None:
    caches = [SharedCache(redis, BASE, "robots") for _ in range(10)]
    claims = await asyncio.gather(*(cache.claim("x", 60_000) for cache in caches))
    assert claims.count(True) == 1


async def test_a_server_out_of_reach_is_named_so(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path}/nothing.sock")
    cache = SharedCache(client, BASE, "robots")
    for attempt in (cache.get("x"), cache.put("x", "y", 1), cache.claim("x", 1)):
        with pytest.raises(QueueUnavailableError):
            await attempt
    await client.aclose()
