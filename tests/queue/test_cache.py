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
    await one.aclose()
    await other.aclose()


async def test_hundreds_of_hosts_at_once_share_one_connection(redis: Redis) -> None:
    """More at once than the client has connections (64) must not count as a server out of reach."""
    cache = SharedCache(redis, BASE, "robots")
    before = len(await redis.client_list())
    hosts = [f"https://host-{number}.example" for number in range(1000)]
    assert all(await asyncio.gather(*(cache.claim(host, 60_000) for host in hosts)))
    await asyncio.gather(*(cache.put(host, host, 60_000) for host in hosts))
    assert await asyncio.gather(*map(cache.get, hosts)) == hosts
    assert len(await redis.client_list()) == before + 1
    await cache.aclose()


async def test_who_stops_waiting_takes_no_answer_from_the_others(redis: Redis) -> None:
    cache = SharedCache(redis, BASE, "robots")
    asking = [asyncio.create_task(cache.claim(f"key-{number}", 60_000)) for number in range(3)]
    await asyncio.sleep(0)
    asking[1].cancel()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert (results[0], results[2]) == (True, True)
    await cache.aclose()


async def test_one_of_many_gets_the_claim(redis: Redis) -> None:
    caches = [SharedCache(redis, BASE, "robots") for _ in range(10)]
    claims = await asyncio.gather(*(cache.claim("x", 60_000) for cache in caches))
    assert claims.count(True) == 1
    await asyncio.gather(*(cache.aclose() for cache in caches))


async def test_a_server_out_of_reach_is_named_so(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path}/nothing.sock")
    cache = SharedCache(client, BASE, "robots")
    for attempt in (cache.get("x"), cache.put("x", "y", 1), cache.claim("x", 1)):
        with pytest.raises(QueueUnavailableError):
            await attempt
    await cache.aclose()
    await client.aclose()
