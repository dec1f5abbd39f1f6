from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from conformance.peers import HERE, QUEUE, NodePeer, node_peer, node_process
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.queue import Queue
from npm_packages import installed


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """BullMQ and Bull Board from npm, installed once."""
    return installed(HERE)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One server for all tests, emptied before each."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("conformance"))
    with asyncio.Runner() as runner:
        runner.run(server.__aenter__())
        yield server
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture
async def redis(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    client = connect(valkey.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def queue(redis: Redis) -> AsyncIterator[Queue]:
    ours = Queue(redis, QUEUE)
    await ours.open()
    yield ours
    await ours.aclose()


@pytest.fixture(scope="session")
def shared_node(node_modules: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One process for all tests: starting Node takes longer than most of them."""
    with node_process() as process:
        yield process


@pytest.fixture
async def node(
    shared_node: subprocess.Popen[bytes], valkey: EmbeddedValkey, redis: Redis
) -> AsyncIterator[NodePeer]:
    async with node_peer(shared_node, valkey.socket_path, QUEUE) as peer:
        yield peer
