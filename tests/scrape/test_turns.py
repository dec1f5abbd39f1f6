"""Turns at the event loop."""

from __future__ import annotations

import asyncio

from mediascrape.scrape.turns import Guests, LoopTurns


async def test_one_goes_on_per_iteration_of_the_loop_in_order() -> None:
    turns = LoopTurns()
    iteration = 0
    went: list[tuple[int, int]] = []

    def count() -> None:
        nonlocal iteration
        iteration += 1
        if len(went) < 10:
            asyncio.get_running_loop().call_soon(count)

    async def caller(number: int) -> None:
        await turns.wait()
        went.append((number, iteration))

    count()
    await asyncio.gather(*map(caller, range(10)))
    assert [number for number, _ in went] == list(range(10))
    assert len({at for _, at in went}) == 10


async def test_while_a_guest_waits_one_goes_on_per_iteration() -> None:
    guests = Guests()
    turns = LoopTurns(100, guests)
    tasks: list[asyncio.Task[None]] = []

    async def went_in(iterations: int) -> int:
        before = sum(task.done() for task in tasks)
        for _ in range(iterations):
            await asyncio.sleep(0)
        return sum(task.done() for task in tasks) - before

    tasks += [asyncio.create_task(turns.wait()) for _ in range(100)]
    assert await went_in(3) == 100
    with guests:
        tasks += [asyncio.create_task(turns.wait()) for _ in range(100)]
        assert 1 <= await went_in(6) <= 6
        with guests:
            pass
        assert await went_in(6) <= 6
    assert await went_in(3) > 50


async def test_a_turn_is_free_again_when_nobody_waits() -> None:
    turns = LoopTurns()
    async with asyncio.timeout(5):
        for _ in range(3):
            await turns.wait()
            await asyncio.sleep(0)


async def test_one_who_is_cancelled_in_line_does_not_hold_up_the_others() -> None:
    turns = LoopTurns()
    tasks = [asyncio.create_task(turns.wait()) for _ in range(5)]
    await asyncio.sleep(0)  # the first has its turn, the others are in line
    tasks[1].cancel()
    tasks[3].cancel()
    async with asyncio.timeout(5):
        await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [False, True, False, True, False]


async def test_a_turn_given_to_one_who_is_cancelled_goes_to_the_next() -> None:
    """The cancellation arrives after the turn was given and before its task ran."""
    turns = LoopTurns()
    first, second, third = (asyncio.create_task(turns.wait()) for _ in range(3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the second has been given its turn
    assert first.done()
    second.cancel()
    async with asyncio.timeout(5):
        await third
    assert second.cancelled()


async def test_several_may_go_on_at_once() -> None:
    turns = LoopTurns(4)
    iteration = 0
    went: list[int] = []

    def count() -> None:
        nonlocal iteration
        iteration += 1
        if len(went) < 20:
            asyncio.get_running_loop().call_soon(count)

    async def caller() -> None:
        await turns.wait()
        went.append(iteration)

    count()
    await asyncio.gather(*(caller() for _ in range(20)))
    assert max(went.count(at) for at in went) == 4


async def test_weights_bound_what_goes_on_at_once() -> None:
    """The one that reaches the sum still goes; a heavy one goes alone."""
    turns = LoopTurns(10)
    iteration = 0
    went: list[tuple[int, int]] = []

    def count() -> None:
        nonlocal iteration
        iteration += 1
        if len(went) < 6:
            asyncio.get_running_loop().call_soon(count)

    async def caller(weight: int) -> None:
        await turns.wait(weight=weight)
        went.append((iteration, weight))

    count()
    async with asyncio.timeout(5):
        await asyncio.gather(*map(caller, (4, 4, 4, 99, 4, 4)))
    by_iteration: dict[int, list[int]] = {}
    for at, weight in went:
        by_iteration.setdefault(at, []).append(weight)
    assert list(by_iteration.values()) == [[4, 4, 4], [99], [4, 4]]


class Clock:
    paused = 0
    pauses = 0

    def pause(self) -> None:
        self.paused += 1
        self.pauses += 1

    def resume(self) -> None:
        self.paused -= 1


async def test_the_clock_of_one_in_line_stands_still() -> None:
    turns = LoopTurns()
    clocks = [Clock() for _ in range(3)]
    tasks = [asyncio.create_task(turns.wait(clock)) for clock in clocks]
    await asyncio.sleep(0)
    assert [clock.paused for clock in clocks] == [0, 1, 1]
    tasks[2].cancel()
    await asyncio.wait(tasks)
    assert [clock.paused for clock in clocks] == [0, 0, 0]
