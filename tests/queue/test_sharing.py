"""Callers of one connection share round trips, and each gets its own replies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.link import Link, LinkLostError
from mediascrape.queue.sharing import SharedLink


class Echo(Link):
    """Answers each command with itself, up to the one at which the connection breaks."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.trips: list[int] = []
        self.breaks_at = breaks_at
        self.open = asyncio.Event()

    async def execute(self, commands: Sequence[bytes], *, timeout_s: float | None = None) -> list[Any]:
        self.trips.append(len(commands))
        await self.open.wait()
        if self.breaks_at is not None:
            raise LinkLostError("broken", commands[: self.breaks_at])
        return list(commands)

    async def aclose(self) -> None:
        self.open.set()


@given(st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_each_caller_gets_its_own_replies(sizes: list[int]) -> None:
    async def run() -> None:
        echo = Echo()
        link = SharedLink(echo)
        asked = [[b"%d %d" % (caller, number) for number in range(size)] for caller, size in enumerate(sizes)]
        calls = [asyncio.create_task(link.execute(commands)) for commands in asked]
        await asyncio.sleep(0)
        echo.open.set()
        assert await asyncio.gather(*calls) == asked
        assert sum(echo.trips) == sum(sizes)
        assert all(trip <= 512 or trip in sizes for trip in echo.trips)
        await link.aclose()

    asyncio.run(run())


async def test_those_who_come_during_a_round_trip_share_the_next() -> None:
    echo = Echo()
    link = SharedLink(echo)
    first = asyncio.create_task(link.execute([b"a"]))
    while not echo.trips:
        await asyncio.sleep(0)
    others = [asyncio.create_task(link.execute([b"b", b"c"])) for _ in range(50)]
    await asyncio.sleep(0)
    echo.open.set()
    await asyncio.gather(first, *others)
    assert echo.trips == [1, 100]
    await link.aclose()


async def test_a_lost_connection_tells_each_caller_what_came_for_him() -> None:
    echo = Echo(breaks_at=3)
    echo.open.set()
    link = SharedLink(echo)
    results = await asyncio.gather(
        *(link.execute([b"%d" % n, b"+"]) for n in range(3)), return_exceptions=True
    )
    assert results[0] == [b"0", b"+"]
    assert [error.replies for error in results[1:] if isinstance(error, LinkLostError)] == [[b"1"], []]
    await link.aclose()


async def test_closing_ends_whoever_waits() -> None:
    link = SharedLink(Echo())
    calls = [asyncio.create_task(link.execute([b"a"])) for _ in range(3)]
    await asyncio.sleep(0)
    late = asyncio.create_task(link.execute([b"late"]))
    await asyncio.sleep(0)
    await link.aclose()
    for call in (*calls, late):
        with pytest.raises(QueueUnavailableError):
            await call
