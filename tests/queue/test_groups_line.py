"""Jobs that wait for their group's turn, in made-up time."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gates import GROUP, Clock
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits, Wait


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
