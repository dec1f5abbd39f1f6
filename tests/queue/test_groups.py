"""The groups' gate on a real server: slots, gaps, pauses and rests. Time is made by the tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from redis.asyncio import Redis

from gates import EIGHT, GROUP, Clock, all_reported, granted, waits
from mediascrape.queue.groups import (
    NEWS_LINGER_S,
    GateOptions,
    Granted,
    GroupGate,
    GroupLimits,
    Wait,
)

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
    one.release(slot, "ok")
    await all_reported()
    await granted(other, limits)


async def test_what_another_worker_may_wait_for_is_told_soon(gates: Callable[..., GroupGate]) -> None:
    one, other, limits = gates(), gates(), GroupLimits(concurrent=2)
    await granted(other, limits)
    slot = await granted(one, limits)
    one.release(await granted(one, EIGHT, "not shared"), "ok")  # its timer must not keep the other's news
    one.release(slot, "ok")
    await asyncio.sleep(4 * NEWS_LINGER_S)
    await granted(other, limits)


async def test_a_report_goes_with_the_next_request_for_its_group(
    gates: Callable[..., GroupGate], redis: Redis
) -> None:
    gate, rounds, groups = gates(), 8, [f"group-{number}" for number in range(12)]
    await redis.config_resetstat()
    for _ in range(rounds):
        for group in groups:
            gate.release(await granted(gate, group=group), "ok")
    await gate.close()
    states = (await redis.info("commandstats"))["cmdstat_set"]["calls"]
    assert states <= (rounds + 2) * len(
        groups
    )  # the last reports, and perhaps a timer's; apart it were twice as many


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
    await all_reported()
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
