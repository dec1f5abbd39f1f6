"""What must not differ between servers: the scripts, blocking waits, events, expiry, streams, the gate."""

from __future__ import annotations

import asyncio
import os

import pytest
from redis.asyncio import Redis

from conformance.test_queue_with_node import (
    test_counts_are_equal_in_every_state,
    test_each_side_removes_promotes_and_reorders_the_others_jobs,
    test_node_hears_the_events_of_our_queue,
    test_one_deduplication_for_both,
    test_pause_and_resume_each_way,
)
from conformance.test_workers_with_node import (
    test_a_pause_of_either_side_stops_both_workers,
    test_both_workers_share_one_queue,
    test_node_hears_what_our_worker_does,
    test_our_worker_honours_the_delay_of_a_node_job,
    test_our_worker_honours_the_retries_of_a_node_job,
    test_our_worker_keeps_the_order_of_nodes_priorities,
    test_we_recover_the_jobs_of_a_killed_node_worker,
)
from engines.servers import ENGINES, Server
from mediascrape.queue.cache import SharedCache
from mediascrape.queue.connection import check_server
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits, Wait

__all__ = [
    "test_a_pause_of_either_side_stops_both_workers",
    "test_both_workers_share_one_queue",
    "test_counts_are_equal_in_every_state",
    "test_each_side_removes_promotes_and_reorders_the_others_jobs",
    "test_node_hears_the_events_of_our_queue",
    "test_node_hears_what_our_worker_does",
    "test_one_deduplication_for_both",
    "test_our_worker_honours_the_delay_of_a_node_job",
    "test_our_worker_honours_the_retries_of_a_node_job",
    "test_our_worker_keeps_the_order_of_nodes_priorities",
    "test_pause_and_resume_each_way",
    "test_we_recover_the_jobs_of_a_killed_node_worker",
]


@pytest.mark.skipif(not os.environ.get("CI"), reason="a developer's machine may have fewer servers")
def test_old_and_new_servers_of_both_kinds_are_tried() -> None:
    names = [engine.name for engine in ENGINES]
    assert any(name.startswith("redis-7") for name in names), names
    assert any(name.startswith("valkey-9") for name in names), names


async def test_the_server_is_taken_for_what_it_is(valkey: Server, redis: Redis) -> None:
    info = await check_server(redis, valkey.url)
    assert f"{info.product}-{info.version}" == valkey.engine.name
    assert not info.warnings


async def test_the_gate_counts_over_all_workers(redis: Redis) -> None:
    one, other = GroupGate(redis, "bull:q:"), GroupGate(redis, "bull:q:")
    limits = GroupLimits(concurrent=2, gap_ms=1)
    first = await one.acquire("g", limits)
    assert isinstance(first, Granted)
    await asyncio.sleep(0.01)
    assert isinstance(await other.acquire("g", limits), Granted)
    await asyncio.sleep(0.01)
    waits = await one.acquire("g", limits)
    assert isinstance(waits, Wait)
    assert waits.why == "slots"
    assert [status.held for status in await one.snapshot()] == [2]
    one.release(first, "ok")
    await one.close()
    await asyncio.sleep(0.01)
    assert isinstance(await other.acquire("g", limits), Granted)
    await other.close()


async def test_one_of_many_gets_the_claim(redis: Redis) -> None:
    cache = SharedCache(redis, "bull:q:", "test")
    assert sorted(await asyncio.gather(*(cache.claim("turn", 10_000) for _ in range(5)))) == [False] * 4 + [
        True
    ]
