"""Every test here runs once for each server found on the machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from conformance.conftest import node, node_modules, queue, shared_node
from engines.servers import ENGINES, Engine, Server, running
from mediascrape.queue.connection import connect

__all__ = ["node", "node_modules", "queue", "shared_node"]


@pytest.fixture(params=ENGINES, ids=str)
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.param
    return engine


@pytest.fixture
def tls_engine() -> Engine:
    """Any server that was built with TLS."""
    for engine in ENGINES:
        if engine.tls:
            return engine
    assert not os.environ.get("CI"), "no server with TLS (Debian: apt-get install redis-server)"
    pytest.skip("no server with TLS (Debian: apt-get install redis-server)")


@pytest.fixture
async def valkey(engine: Engine, tmp_path: Path) -> AsyncIterator[Server]:
    """Under the name by which the other suites ask for their server."""
    async with running(engine, tmp_path / "server") as server:
        yield server


@pytest.fixture
async def direct(valkey: Server) -> Server:
    return valkey


@pytest.fixture
async def redis(valkey: Server) -> AsyncIterator[Redis]:
    client = connect(valkey.url)
    yield client
    await client.aclose()
