from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from conformance.peers import HERE, QUEUE, NodePeer, node_peer
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.queue import Queue


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """BullMQ and Bull Board from npm, installed once."""
    installed = HERE / "node_modules"
    lock = HERE / "package-lock.json"
    stamp = installed / ".lock-installed"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        if shutil.which("npm") is None:
            assert os.environ.get("CI") != "true", "the conformance tests need node and npm"
            pytest.skip("node and npm are not installed")
        done = subprocess.run(["npm", "ci"], cwd=HERE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stamp.write_bytes(lock.read_bytes())
    return installed


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture
async def valkey(data_dir: Path) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(data_dir) as server:
        yield server


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


@pytest.fixture
async def node(node_modules: Path, valkey: EmbeddedValkey, redis: Redis) -> AsyncIterator[NodePeer]:
    async with node_peer(valkey.socket_path, QUEUE) as peer:
        yield peer
