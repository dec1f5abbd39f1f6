"""Workers say that they are alive; whoever asks hears of those that are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from redis.asyncio import Redis

from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.presence import Presences, WorkerPresence

HERE = WorkerPresence("w1", "here:1", "1.0", 100.0, 3, 20, "growing", 64 * 2**20, 7, 1)
ELSEWHERE = replace(HERE, id="w2", name="there:9", started_at=50.0)


async def alive(presences: Presences, count: int) -> list[WorkerPresence]:
    async with asyncio.timeout(10):
        while len(found := await presences.alive()) != count:
            await asyncio.sleep(0.01)
    return found


async def test_all_are_seen_with_what_they_say_and_one_that_ends_is_gone_at_once(redis: Redis) -> None:
    presences = Presences(redis, QueueKeys("numbers"))
    assert await presences.alive() == []
    tasks = [asyncio.create_task(presences.announce(lambda one=one: one)) for one in (HERE, ELSEWHERE)]  # type: ignore[misc]
    assert await alive(presences, 2) == [ELSEWHERE, HERE]
    assert await Presences(redis, QueueKeys("letters")).alive() == []
    tasks[0].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[0]
    assert await presences.alive() == [ELSEWHERE]
    tasks[1].cancel()
    await asyncio.wait(tasks)


async def test_one_that_fell_silent_is_forgotten_and_what_others_wrote_is_passed_over(redis: Redis) -> None:
    keys = QueueKeys("numbers")
    presences = Presences(redis, keys)
    index = f"{keys.base}ms:workers"
    await redis.sadd(index, "silent", "later")
    await redis.set(f"{keys.base}ms:worker:later", '{"id": "later", "a field of the next release": 1}')
    assert await presences.alive() == []
    assert await redis.smembers(index) == {"later"}


async def test_what_a_worker_writes_expires_by_itself(redis: Redis) -> None:
    presences = Presences(redis, QueueKeys("numbers"))
    task = asyncio.create_task(presences.announce(lambda: HERE))
    await alive(presences, 1)
    assert 0 < await redis.pttl("bull:numbers:ms:worker:w1") <= 15_000
    task.cancel()
    await asyncio.wait([task])
