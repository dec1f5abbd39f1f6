"""A real server for all tests of the queue, and a queue of its own for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gates import BASE, Clock
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.groups import GateOptions, GroupGate
from mediascrape.queue.job import JobOptions, Retention
from mediascrape.queue.queue import Queue

_numbers = count()

#: Finished jobs stay, so that tests can look at them.
KEEP = JobOptions(remove_on_complete=Retention(), remove_on_fail=Retention())


@pytest.fixture(scope="session")
def server_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("queue")


@pytest.fixture
async def server(server_dir: Path) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(server_dir) as valkey:
        yield valkey


@pytest.fixture
async def redis(server: EmbeddedValkey) -> AsyncIterator[Redis]:
    client = connect(server.url)
    yield client
    await client.aclose()


@pytest.fixture
async def queue(redis: Redis) -> AsyncIterator[Queue]:
    ours = Queue(redis, f"queue-{next(_numbers)}", defaults=KEEP)
    await ours.open()
    yield ours
    await ours.aclose()


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]:
    """Waits for something to become true, for as long as a test may take."""

    async def wait(condition: Callable[[], Awaitable[object]]) -> None:
        async with asyncio.timeout(20):
            while not await condition():
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gates(redis: Redis, clock: Clock) -> AsyncIterator[Callable[..., GroupGate]]:
    """Makes gates, one per worker, and closes them; nothing is known of any group."""
    await redis.flushall()
    made: list[GroupGate] = []

    def make(options: GateOptions | None = None) -> GroupGate:
        made.append(GroupGate(redis, BASE, options, clock=clock))
        return made[-1]

    yield make
    for gate in made:
        await gate.close()
