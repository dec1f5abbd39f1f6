"""The database dies under the workers and comes back: nothing is lost and no job fails for it."""

from __future__ import annotations

import asyncio
import json

import pytest

from chaos.test_many_workers import workers
from command_line import CommandLine
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import running_origin
from mediascrape.store import open_store
from postgresql_server import binaries, running_postgresql

PAGES = 300


async def until_ended(mediascrape: CommandLine, pages: float, url: str) -> None:
    async with asyncio.timeout(120):
        while True:
            seen = json.loads((await mediascrape.run("monitor", "--json", DATABASE_URL=url)).out)
            if seen["scrapes"]["ok"] + seen["scrapes"]["failed"] >= pages:
                return
            await asyncio.sleep(0.3)


@pytest.mark.slow
async def test_postgresql_killed_twice_under_two_workers(mediascrape: CommandLine) -> None:
    options = OriginOptions(hosts=16, pages=16, mean_size=20_000, latency="1", faults={"404": 0.05})
    with running_postgresql(binaries()) as server:
        url = server.new_url()
        async with running_origin(options) as origin:
            urls = origin.urls(PAGES)
            await mediascrape.run("submit", "--file", "-", stdin="\n".join(urls), DATABASE_URL=url)
            with workers(mediascrape, 2, DATABASE_URL=url) as processes:
                for share in (0.1, 0.4):
                    await until_ended(mediascrape, share * PAGES, url)
                    server.kill()
                    await asyncio.sleep(1)  # in which jobs end, and must wait for the store
                    server.start()
                await until_ended(mediascrape, PAGES, url)
                assert all(process.poll() is None for process in processes), "the workers live on"
            stats = await origin.stats(paths=True)
        missing = stats["statuses"].get("404", 0)
        async with open_store(url) as store:
            totals = await store.totals()
        assert set(totals.scrapes) == {"ok", "not_found"}, totals.scrapes
        assert 0 < totals.scrapes["not_found"] <= missing
        assert totals.scrapes["ok"] + totals.scrapes["not_found"] == PAGES
        assert totals.pages == totals.scrapes["ok"]
    print(f"PostgreSQL killed twice: {PAGES} jobs, 0 lost, {stats['repeated_pages']} pages fetched again")
