"""The groups' gate on a real server; time is made by the tests, except where processes compete."""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.groups import GateOptions, Granted, GroupGate, GroupLimits, Wait

BASE = "bull:media-scrape:"
GROUP = "https://example.org"
EIGHT = GroupLimits(concurrent=8)


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.fixture
async def redis(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    client = connect(valkey.url)
    yield client
    await client.aclose()


@dataclass
class Clock:
    now: float = 1_700_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gates(redis: Redis, clock: Clock) -> AsyncIterator[Callable[..., GroupGate]]:
    """Makes gates, one per worker, and closes them."""
    made: list[GroupGate] = []

    def make(options: GateOptions | None = None) -> GroupGate:
        made.append(GroupGate(redis, BASE, options, clock=clock))
        return made[-1]

    yield make
    for gate in made:
        await gate.close()


async def granted(gate: GroupGate, limits: GroupLimits = EIGHT, group: str = GROUP) -> Granted:
    answer = await gate.acquire(group, limits)
    assert isinstance(answer, Granted), answer
    return answer


async def waits(gate: GroupGate, limits: GroupLimits = EIGHT, group: str = GROUP) -> Wait:
    answer = await gate.acquire(group, limits)
    assert isinstance(answer, Wait), answer
    return answer


# --- slots -----------------------------------------------------------------------------------


async def test_slots_are_counted_over_all_workers(gates: Callable[..., GroupGate]) -> None:
    workers = [gates() for _ in range(4)]
    limits = GroupLimits(concurrent=8)
    answers = await asyncio.gather(*(worker.acquire(GROUP, limits) for worker in workers for _ in range(5)))
    slots = [answer for answer in answers if isinstance(answer, Granted)]
    assert len(slots) == 8
    assert {answer.why for answer in answers if isinstance(answer, Wait)} == {"slots"}


async def test_a_released_slot_serves_another_worker(gates: Callable[..., GroupGate]) -> None:
    one, other, limits = gates(), gates(), GroupLimits(concurrent=1)
    slot = await granted(one, limits)
    await waits(other, limits)
    one.release(slot)
    await one.acquire("another", limits)  # the report went out with this
    await granted(other, limits)


async def test_releasing_twice_frees_one_slot(gates: Callable[..., GroupGate]) -> None:
    gate, limits = gates(), GroupLimits(concurrent=2)
    first, _ = await granted(gate, limits), await granted(gate, limits)
    gate.release(first)
    gate.release(first)
    await granted(gate, limits)
    await waits(gate, limits)


async def test_groups_do_not_wait_for_each_other(gates: Callable[..., GroupGate]) -> None:
    gate, limits = gates(), GroupLimits(concurrent=1)
    await granted(gate, limits)
    await waits(gate, limits)
    for number in range(500):  # more than one call takes
        await granted(gate, limits, group=f"group-{number}")


async def test_many_groups_in_one_tick(gates: Callable[..., GroupGate]) -> None:
    gate = gates()
    answers = await asyncio.gather(
        *(gate.acquire(f"group-{number % 450}", GroupLimits(concurrent=2)) for number in range(1350))
    )
    assert Counter(type(answer) for answer in answers) == {Granted: 900, Wait: 450}


async def test_slots_of_a_dead_worker_come_free(gates: Callable[..., GroupGate], clock: Clock) -> None:
    dead, living, limits = gates(), gates(), GroupLimits(concurrent=1)
    await granted(dead, limits)
    await waits(living, limits)
    clock.now += GateOptions().lease_ms + 1
    await granted(living, limits)


async def test_a_living_worker_keeps_its_slots(gates: Callable[..., GroupGate], clock: Clock) -> None:
    busy, other, limits = gates(), gates(), GroupLimits(concurrent=1)
    await granted(busy, limits)
    for number in range(10):
        clock.now += GateOptions().lease_ms * 0.9
        await busy.acquire(f"elsewhere-{number}", limits)
        await waits(other, limits)


async def test_a_cancelled_asker_leaves_no_slot_taken(gates: Callable[..., GroupGate]) -> None:
    gate, limits = gates(), GroupLimits(concurrent=3)
    for ticks in range(12):  # before the call, while it is under way, and after
        tasks = [asyncio.create_task(gate.acquire(GROUP, limits)) for _ in range(3)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        for answer in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(answer, Granted):
                gate.release(answer)
        await gate.acquire("another", limits)
    for _ in range(3):
        await granted(gate, limits)


async def test_close_gives_all_slots_up(gates: Callable[..., GroupGate]) -> None:
    leaving, staying, limits = gates(), gates(), GroupLimits(concurrent=2)
    leaving.release(await granted(leaving, limits))
    await leaving.close()
    await granted(staying, limits)
    await granted(staying, limits)


async def test_lower_limits_hold_at_once(gates: Callable[..., GroupGate]) -> None:
    gate = gates()
    for _ in range(5):
        await granted(gate, GroupLimits(concurrent=8))
    await waits(gate, GroupLimits(concurrent=5))
    await granted(gate, GroupLimits(concurrent=6))


# --- gaps ------------------------------------------------------------------------------------


async def test_starts_are_a_gap_apart_however_many_workers(
    gates: Callable[..., GroupGate], clock: Clock
) -> None:
    workers, limits = [gates() for _ in range(3)], GroupLimits(concurrent=8, gap_ms=1000)
    starts = []
    for tick in range(100):
        answers = [await worker.acquire(GROUP, limits) for worker in workers]
        starts += [tick * 100 for answer in answers if isinstance(answer, Granted)]
        clock.now += 100
        if len(starts) >= 8:
            break
    assert starts == list(range(0, 8000, 1000))


async def test_whoever_comes_too_soon_is_told_when(gates: Callable[..., GroupGate], clock: Clock) -> None:
    gate, limits = gates(), GroupLimits(concurrent=8, gap_ms=1000)
    await granted(gate, limits)
    clock.now += 300
    told = await waits(gate, limits)
    assert (told.delay_ms, told.why) == (700, "gap")
    clock.now += told.delay_ms
    await granted(gate, limits)


# --- pauses and rests ------------------------------------------------------------------------


async def test_a_pause_asked_for_is_kept(gates: Callable[..., GroupGate], clock: Clock) -> None:
    gate = gates()
    gate.release(await granted(gate), "refused", pause_ms=45_000)
    told = await waits(gate)
    assert told.why == "refused"
    assert 45_000 <= told.delay_ms < 46_000
    clock.now += 44_999
    await waits(gate)
    clock.now += 1
    await granted(gate)


async def test_after_a_pause_one_probe_decides(gates: Callable[..., GroupGate], clock: Clock) -> None:
    one, other = gates(), gates()
    one.release(await granted(one), "refused", pause_ms=1000)
    await waits(one)
    clock.now += 1000
    probe = await granted(one)
    assert (await waits(other)).why == "probing"
    one.release(probe, "ok")
    await one.acquire("another", GroupLimits())
    clock.now += 1000  # the gap learned from the refusal
    await granted(other)


async def test_refusals_make_the_group_slower_and_successes_slowly_faster(
    gates: Callable[..., GroupGate], clock: Clock
) -> None:
    gate = gates()

    async def next_start() -> tuple[Granted, float]:
        began = clock.now
        while True:
            answer = await gate.acquire(GROUP, GroupLimits())
            if isinstance(answer, Granted):
                return answer, clock.now - began
            clock.now += 10

    gaps = []
    for _ in range(4):
        slot, _ = await next_start()
        gate.release(slot, "refused", pause_ms=1)
        gate.release((await next_start())[0], "ok")
        slot, gap = await next_start()
        gate.release(slot, "ok")
        gaps.append(gap)
    assert gaps == sorted(gaps)
    assert gaps[-1] > 2 * gaps[0] > 100
    for _ in range(200):
        slot, gap = await next_start()
        gate.release(slot, "ok")
    assert gap == 0, "and forgotten in the end"


async def test_a_failing_group_rests_longer_each_time(gates: Callable[..., GroupGate], clock: Clock) -> None:
    options = GateOptions(failures_before_rest=3, rest_ms=1000, rest_max_ms=5000)
    gate = gates(options)
    for _ in range(3):
        gate.release(await granted(gate), "failed")
    pauses = []
    for rests in range(1, 6):
        told = await waits(gate)
        assert (told.why, told.rests) == ("resting", rests)
        pauses.append(1000 * round(told.delay_ms / 1000))
        clock.now += pauses[-1]
        gate.release(await granted(gate), "failed")  # the probe
    assert pauses == [1000, 2000, 4000, 5000, 5000]
    await waits(gate)
    clock.now += 5000
    gate.release(await granted(gate), "ok")
    assert isinstance(await gate.acquire(GROUP, GroupLimits()), Granted)
    assert isinstance(await gate.acquire(GROUP, GroupLimits()), Granted)


async def test_short_pauses_asked_for_again_and_again_are_waited_out(
    gates: Callable[..., GroupGate], clock: Clock
) -> None:
    gate = gates(GateOptions(rest_ms=10_000))
    rests = []
    for _ in range(200):
        while isinstance(answer := await gate.acquire(GROUP, EIGHT), Wait):
            clock.now += answer.delay_ms
        gate.release(answer, "refused", pause_ms=2000)
        rests.append((await waits(gate)).rests)
    assert rests[10] < 3
    assert rests[-1] >= 5, "but not for ever"


async def test_failures_of_attempts_begun_before_the_rest_do_not_prolong_it(
    gates: Callable[..., GroupGate], clock: Clock
) -> None:
    gate = gates(GateOptions(failures_before_rest=2, rest_ms=1000))
    slots = [await granted(gate) for _ in range(8)]
    for slot in slots:
        gate.release(slot, "failed")
        await gate.acquire("another", GroupLimits())
        clock.now += 10
    assert (await waits(gate)).rests == 1
    clock.now += 1000
    await granted(gate)


async def test_single_failures_between_successes_are_no_reason_to_rest(
    gates: Callable[..., GroupGate],
) -> None:
    gate = gates(GateOptions(failures_before_rest=2))
    for effect in ["failed", "ok"] * 10:
        gate.release(await granted(gate), effect)
        await gate.acquire("another", GroupLimits())
    await granted(gate)


# --- the line --------------------------------------------------------------------------------


@dataclass(order=True)
class Event:
    at: float
    number: int
    job: int = field(compare=False)
    slot: Granted | None = field(compare=False, default=None)


@dataclass
class Run:
    """Jobs of one group against the gate in made-up time, postponed as a queue would do it."""

    elapsed_s: float = 0
    claims: Counter[int] = field(default_factory=Counter)
    starts: list[float] = field(default_factory=list)


async def run(
    gate: GroupGate, clock: Clock, jobs: int, limits: GroupLimits, hold: Callable[[], float]
) -> Run:
    rng, result, began = random.Random(7), Run(), clock.now
    events = [Event(clock.now, job, job) for job in range(jobs)]
    number, held = jobs, 0
    while events:
        clock.now = max(clock.now, events[0].at)
        due = []
        while events and events[0].at <= clock.now:
            due.append(heapq.heappop(events))
        for event in due:
            if event.slot is not None:
                gate.release(event.slot, "ok")
                held -= 1
        asking = [event.job for event in due if event.slot is None]
        for job, answer in zip(
            asking, await asyncio.gather(*(gate.acquire(GROUP, limits) for _ in asking)), strict=True
        ):
            number += 1
            result.claims[job] += 1
            if isinstance(answer, Granted):
                held += 1
                assert held <= limits.concurrent
                result.starts.append(clock.now)
                heapq.heappush(events, Event(clock.now + hold(), number, job, answer))
            else:
                assert answer.delay_ms > 0
                lateness = rng.uniform(0, 5)
                heapq.heappush(events, Event(clock.now + answer.delay_ms + lateness, number, job))
    result.elapsed_s = (clock.now - began) / 1000
    return result


@pytest.mark.parametrize("mean_ms", [20, 300, 3000])
async def test_postponed_jobs_keep_the_group_busy_and_ask_seldom(
    gates: Callable[..., GroupGate], clock: Clock, mean_ms: float
) -> None:
    rng, jobs = random.Random(3), 800
    done = await run(gates(), clock, jobs, GroupLimits(8), lambda: rng.uniform(0.5, 1.5) * mean_ms)
    assert done.elapsed_s < 1.25 * jobs * mean_ms / 8 / 1000
    assert done.claims.total() < 7 * jobs


async def test_a_gap_is_used_to_the_full(gates: Callable[..., GroupGate], clock: Clock) -> None:
    done = await run(gates(), clock, 100, GroupLimits(1, gap_ms=500), lambda: 100)
    between = [later - sooner for sooner, later in zip(done.starts, done.starts[1:], strict=False)]
    assert min(between) >= 500
    assert done.elapsed_s < 1.05 * 100 * 0.5
    assert done.claims.total() < 5 * 100


async def test_waits_spread_out_instead_of_ending_together(
    gates: Callable[..., GroupGate], clock: Clock
) -> None:
    gate = gates()
    answers = await asyncio.gather(*(gate.acquire(GROUP, GroupLimits(8)) for _ in range(20_000)))
    delays = Counter(answer.delay_ms // 1000 for answer in answers if isinstance(answer, Wait))
    assert delays.total() == 20_000 - 8
    assert max(delays.values()) <= 600, "a second's worth of askers stays small"


# --- what operators see ----------------------------------------------------------------------


async def test_snapshot_says_who_waits_and_why(gates: Callable[..., GroupGate], clock: Clock) -> None:
    gate = gates()
    for _ in range(3):
        await gate.acquire("crowded", GroupLimits(concurrent=2))
    gate.release(await granted(gate, group="refusing"), "refused", pause_ms=60_000)
    await granted(gate, group="quiet")
    await gate.acquire("quiet", GroupLimits())
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
    await busy.acquire("another", limits)
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


async def test_four_processes_never_exceed_the_limit_together(valkey: EmbeddedValkey, redis: Redis) -> None:
    rivals = [await asyncio.create_subprocess_exec(sys.executable, "-c", RIVAL, valkey.url) for _ in range(4)]
    assert await asyncio.gather(*(rival.wait() for rival in rivals)) == [0] * 4
    seen = [int(count) for count in await redis.lrange("seen", 0, -1)]
    assert len(seen) == 200
    assert max(seen) <= 5
    assert max(seen) >= 4, "and use what they may"
