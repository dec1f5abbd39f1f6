"""Servers that move: Sentinel makes the replica the master, a cluster's slot changes its node.

Jobs are added and worked on all the while; each ends, and none is lost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chaos.proxy import proxy_before
from engines.servers import (
    Engine,
    Server,
    Watched,
    running,
    running_cluster,
    running_sentinels,
    until_asked,
)
from mediascrape.errors import ConfigurationError, QueueUnavailableError
from mediascrape.queue.cache import SharedCache
from mediascrape.queue.connection import check_server, connect
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits
from mediascrape.queue.job import Job, JobOptions, Retention
from mediascrape.queue.outcome import Postpone
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker
from mediascrape.settings import Settings

JOBS = 300
OPTIONS = JobOptions(attempts=3, remove_on_complete=Retention())
QUICK = WorkerOptions(concurrency=20, lock_duration_ms=2_000, stalled_interval_ms=1_000, max_stalled_count=50,
                      drain_delay_s=0.5)  # fmt: skip


class Load:
    """Adds jobs one after another and works on them through the gate, as scraping does."""

    def __init__(self, url: str, prefix: str = "bull") -> None:
        self.url = url
        self.prefix = prefix
        self.added: list[str] = []
        self.runs: Counter[str] = Counter()

    async def process(self, job: Job, _: JobContext) -> None:
        self.runs[job.id] += 1
        try:
            slot = await self.gate.acquire("host", GroupLimits(concurrent=10))
        except QueueUnavailableError as error:
            raise Postpone(200) from error
        if not isinstance(slot, Granted):
            raise Postpone(slot.delay_ms)
        await asyncio.sleep(0.02)
        self.gate.release(slot, "ok")

    async def produce(self, queue: Queue) -> None:
        for number in range(JOBS):
            self.added.append((await queue.add("scrape-page", {"n": number}, OPTIONS)).id)
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.Task[None]]:
        """The task that adds; when the context is left all jobs have ended."""
        client = connect(self.url)
        await check_server(client, self.url)
        queue = Queue(client, "moving", self.prefix, patience_s=30)
        await queue.open()
        base = queue.keys.base
        self.gate = GroupGate(client, base)
        assert await SharedCache(client, base, "test").claim("x", 1000)
        async with Worker(client, "moving", self.process, QUICK, prefix=self.prefix) as worker:
            producer = asyncio.create_task(self.produce(queue))
            yield producer
            async with asyncio.timeout(60):
                await producer
                while (counts := await queue.counts())["completed"] < JOBS:
                    assert counts["failed"] == 0
                    await asyncio.sleep(0.1)
            assert sum(counts.values()) == JOBS
            print(f"{JOBS} jobs, 0 lost, {worker.counters.reconnects} lost connections mended")
        await self.gate.close()
        await queue.aclose()
        await client.aclose()


# --- Sentinel ---------------------------------------------------------------------------------------


@pytest.fixture
async def watched(engine: Engine, tmp_path: Path) -> AsyncIterator[Watched]:
    async with running_sentinels(engine, tmp_path) as watched:
        yield watched


async def check_names(watched: Watched) -> None:
    """A database's number after the master's name; a name that no sentinel knows."""
    client = connect(f"{watched.url}/2")
    await client.set("here", "x")
    await client.aclose()
    assert "db2:" in str(await watched.servers[0].ask("INFO", "keyspace"))
    wrong = watched.url.replace("/media", "/other")
    client = connect(wrong)
    with pytest.raises(QueueUnavailableError, match="other"):
        await check_server(client, wrong)
    await client.aclose()


@pytest.mark.slow
async def test_the_master_is_killed_and_its_replica_takes_over(watched: Watched) -> None:
    await check_names(watched)
    master, replica = watched.servers
    load = Load(watched.url)
    async with load.working() as producer:
        while len(load.added) < JOBS // 3:
            await asyncio.sleep(0.01)
        master.kill()
        await until_asked(replica, "master", "ROLE")
        assert not producer.done()
    assert set(load.added) == set(load.runs)


@pytest.mark.slow
async def test_the_master_is_asked_to_step_down(watched: Watched) -> None:
    """Sentinel promotes first and demotes seconds later. What the old master takes in between is gone, unless
    it takes nothing without a replica, and nothing either until it sees that it has lost it."""
    master, replica = watched.servers
    for server in watched.servers:
        await server.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    load = Load(watched.url)
    async with load.working():
        while len(load.added) < JOBS // 3:
            await asyncio.sleep(0.01)
        await master.ask("CLIENT", "PAUSE", 3000, "WRITE")
        await watched.sentinels[0].ask("SENTINEL", "FAILOVER", "media")
        await until_asked(replica, "master", "ROLE")
        await until_asked(master, "slave", "ROLE")
    assert set(load.added) == set(load.runs)
    client = connect(replica.url)
    queue = Queue(client, "moving")
    assert (await queue.counts())["completed"] == JOBS
    await queue.aclose()
    await client.aclose()


# --- Cluster ----------------------------------------------------------------------------------------


@pytest.fixture
async def nodes(engine: Engine, tmp_path: Path) -> AsyncIterator[list[Server]]:
    async with running_cluster(engine, tmp_path) as nodes:
        yield nodes


def cluster_url(nodes: list[Server], prefix: str = "{media}") -> str:
    url = Settings.load(
        redis_url=f"redis+cluster://{','.join(node.address for node in nodes)}", queue_prefix=prefix
    ).queue_url
    assert url is not None
    return url


async def move_slot(slot: int, origin: Server, target: Server, others: list[Server]) -> None:
    """As `redis-cli --cluster reshard` does."""
    origin_id, target_id = [str(await node.ask("CLUSTER", "MYID")) for node in (origin, target)]
    await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", origin_id)
    await origin.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    while keys := await origin.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
        assert isinstance(keys, list)
        await origin.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, origin, *others):
        await node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)


async def owner_of(nodes: list[Server], url: str) -> tuple[int, Server, list[Server]]:
    """The queue's slot, the node that owns it, the other nodes."""
    client = connect(url)
    await client.ping()
    (connection,) = client.connection_pool._available_connections
    port = connection.port  # type: ignore[attr-defined]
    await client.aclose()
    slot = await nodes[0].ask("CLUSTER", "KEYSLOT", "{media}")
    assert isinstance(slot, int)
    return slot, next(n for n in nodes if n.port == port), [n for n in nodes if n.port != port]


async def check_a_dead_node_is_passed_over(dead: Server, alive: Server) -> None:
    dead.kill()
    client = connect(cluster_url([dead, alive]))
    assert await client.set("{media}:x", "y")
    await client.aclose()


async def check_a_cluster_wants_to_be_called_one(nodes: list[Server]) -> None:
    client = connect(nodes[0].url)
    with pytest.raises(ConfigurationError, match=r"redis\+cluster"):
        await check_server(client, nodes[0].url)
    await client.aclose()
    with pytest.raises(ConfigurationError, match=r"in braces, as \{bull\}"):
        cluster_url(nodes, "bull")


@pytest.mark.slow
async def test_the_queue_s_slot_moves_under_load(nodes: list[Server]) -> None:
    await check_a_cluster_wants_to_be_called_one(nodes)
    url = cluster_url(nodes)
    slot, origin, others = await owner_of(nodes, url)
    load = Load(url, "{media}")
    async with load.working() as producer:
        while len(load.added) < JOBS // 3:
            await asyncio.sleep(0.01)
        await move_slot(slot, origin, others[0], others[1:])
        assert not producer.done()
    assert set(load.added) == set(load.runs)
    assert await origin.ask("DBSIZE") == 0
    assert await others[1].ask("DBSIZE") == 0, "all keys lie in one slot"
    await check_a_dead_node_is_passed_over(others[1], origin)


# --- A plain address --------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_server_is_demoted_behind_a_name_that_then_means_another(
    engine: Engine, tmp_path: Path
) -> None:
    """As managed services do it: the name leads new connections to the new master, those there are stay
    with the old one, which takes no more writes."""
    async with (
        running(engine, tmp_path / "old") as old,
        running(engine, tmp_path / "new", replicaof=f"127.0.0.1 {old.port}") as new,
        proxy_before(old.socket_path, tmp_path / "name") as name,
    ):
        await until_asked(old, "state=online", "INFO", "replication")
        load = Load(name.url)
        async with load.working() as producer:
            while len(load.added) < JOBS // 3:
                await asyncio.sleep(0.01)
            await old.ask("CLIENT", "PAUSE", 500, "WRITE")
            await asyncio.sleep(0.1)  # all is passed on
            await new.ask("REPLICAOF", "NO", "ONE")
            name.upstream = new.socket_path
            await old.ask("REPLICAOF", "127.0.0.1", new.port)
            await old.ask("CLIENT", "UNPAUSE")
            assert not producer.done()
    assert set(load.added) == set(load.runs)
