"""The connection and the server fail under load, on each server; each job ends exactly once."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import pytest
from redis.asyncio import Redis

from chaos.proxy import Proxy
from chaos.test_connection import (
    JOBS,
    OPTIONS,
    QUICK,
    Ledger,
    check,
    proxy,
    run,
)
from engines.servers import Server
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import NewJob
from mediascrape.queue.lua import batch_scripts, load_scripts
from mediascrape.queue.queue import Queue
from mediascrape.queue.worker import Worker

__all__ = ["proxy"]


@pytest.mark.parametrize(
    "script", ["addStandardJob-9", "moveToActive-11", "moveToFinished-14", "moveToDelayed-11"]
)
async def test_a_lost_reply(script: str, direct: Server, proxy: Proxy) -> None:
    proxy.needle = {**load_scripts(), **batch_scripts()}[script].sha.encode()
    proxy.cuts = 3
    client = connect(proxy.url)
    await run(cast("EmbeddedValkey", direct), client, Ledger(), f"{direct.engine}: reply of {script} lost")
    await client.aclose()
    assert proxy.cut >= 1


async def test_the_server_killed_and_restarted(valkey: Server, redis: Redis) -> None:
    queue = Queue(redis, "chaos")
    await queue.open()
    await queue.add_many([NewJob("scrape-page", {"n": n}, OPTIONS[n % 4]) for n in range(JOBS)])
    await asyncio.sleep(1.2)  # what the append-only file syncs each second is on the disk
    ledger = Ledger()
    async with Worker(redis, queue.name, ledger.process, QUICK) as worker:
        for _ in range(2):
            await asyncio.sleep(0.15)
            valkey.kill()
            await asyncio.sleep(0.1)
            await valkey.start()
        deadline = time.monotonic() + 30
        while (counts := await queue.counts())["completed"] + counts["failed"] < JOBS:
            assert time.monotonic() < deadline, (counts, worker.counters)
            await asyncio.sleep(0.05)
    await queue.aclose()
    await check(cast("EmbeddedValkey", valkey), ledger, f"{valkey.engine}: killed twice")
