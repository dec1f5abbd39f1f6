"""The groups' gate: what operators see of it, and what becomes of it when something breaks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gates import BASE, GROUP, Clock, all_reported, granted, waits
from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits

# --- what operators see ----------------------------------------------------------------------


async def test_snapshot_says_who_waits_and_why(gates: Callable[..., GroupGate], clock: Clock) -> None:
    gate = gates()
    for _ in range(3):
        await gate.acquire("crowded", GroupLimits(concurrent=2))
    gate.release(await granted(gate, group="refusing"), "refused", pause_ms=60_000)
    await granted(gate, group="quiet")
    await gate.acquire("quiet", GroupLimits())
    await all_reported()
    refusing, crowded = await gate.snapshot()
    assert (refusing.group, refusing.why, refusing.held, refusing.rests) == ("refusing", "refused", 0, 1)
    assert 59_000 < refusing.paused_ms <= 60_000
    assert (crowded.group, crowded.why, crowded.held, crowded.paused_ms) == ("crowded", "slots", 2, 0)
    assert crowded.line_ms > 0
    clock.now += 120_000
    assert await gate.snapshot() == []


async def test_keys_stay_out_of_bullmqs_way_and_expire(gates: Callable[..., GroupGate], redis: Redis) -> None:
    gate = gates()
    gate.release(await granted(gate), "refused", pause_ms=1000)
    await waits(gate)
    keys = {key async for key in redis.scan_iter()}
    assert keys
    assert all(key.startswith(f"{BASE}ms:gate:") for key in keys)
    assert 0 < await redis.pttl(f"{BASE}ms:gate:group:{GROUP}") < 1_000_000


# --- trouble ---------------------------------------------------------------------------------


async def test_counts_are_right_again_after_the_server_lost_them(
    gates: Callable[..., GroupGate], redis: Redis
) -> None:
    busy, other, limits = gates(), gates(), GroupLimits(concurrent=2)
    first = await granted(busy, limits)
    await granted(busy, limits)
    await redis.flushall()
    busy.release(first)
    await all_reported()
    await granted(other, limits)
    await waits(other, limits)


async def test_scripts_are_loaded_again_when_the_server_forgot_them(
    gates: Callable[..., GroupGate], redis: Redis
) -> None:
    gate = gates()
    gate.release(await granted(gate))
    await redis.script_flush()
    await granted(gate)


async def test_a_server_out_of_reach_is_an_error_then_mended(tmp_path: Path) -> None:
    limits = GroupLimits(concurrent=1)
    async with EmbeddedValkey(tmp_path) as server:
        client = connect(server.url)
        gate = GroupGate(client, BASE)
        slot = await granted(gate, limits)
    with pytest.raises(QueueUnavailableError):
        await gate.acquire(GROUP, limits)
    gate.release(slot, "ok")
    async with EmbeddedValkey(tmp_path):
        while True:
            try:
                answer = await gate.acquire(GROUP, limits)
            except QueueUnavailableError:
                continue
            break
        assert isinstance(answer, Granted)
        await gate.close()
        await client.aclose()


RIVAL = """
import asyncio, sys
from mediascrape.queue.connection import connect
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits

async def job(gate, redis):
    while True:
        answer = await gate.acquire("g", GroupLimits(concurrent=5))
        if isinstance(answer, Granted):
            break
        await asyncio.sleep(answer.delay_ms / 1000)
    running = await redis.incr("running")
    await redis.rpush("seen", running)
    await asyncio.sleep(0.005)
    await redis.decr("running")
    gate.release(answer, "ok")

async def main():
    redis = connect(sys.argv[1])
    gate = GroupGate(redis, "bull:q:")
    await asyncio.gather(*(job(gate, redis) for _ in range(50)))
    await gate.close()
    await redis.aclose()

asyncio.run(main())
"""


async def test_four_processes_never_exceed_the_limit_together(server: EmbeddedValkey, redis: Redis) -> None:
    rivals = [await asyncio.create_subprocess_exec(sys.executable, "-c", RIVAL, server.url) for _ in range(4)]
    assert await asyncio.gather(*(rival.wait() for rival in rivals)) == [0] * 4
    seen = [int(count) for count in await redis.lrange("seen", 0, -1)]
    assert len(seen) == 200
    assert max(seen) <= 5
    assert max(seen) >= 4, "and use what they may"
