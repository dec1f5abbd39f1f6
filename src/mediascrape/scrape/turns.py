"""Taking turns at what a process has but one of: its event loop, its processor.

Both are about order, not about speed. Whoever waits here has a clock that stops meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class Clock(Protocol):
    """What measures the time that a page takes; stopped while it waits for one of our own turns."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Guests:
    """Counts those who wait for an answer from the same loop; each is in it as a context."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting = 0

    def __enter__(self) -> None:
        self.waiting += 1

    def __exit__(self, *_: object) -> None:
        self.waiting -= 1


class LoopTurns:
    """Lets callers go on in the order in which they came, per iteration of the event loop until the weights
    of those that went reach `each`.

    Many jobs may begin, or get their last byte, in one iteration; did all of them go on in it, nothing else
    would run for as long as that takes. In between, the loop serves sockets and timers. While any of
    `guests` waits, only one goes on per iteration.
    """

    def __init__(self, each: int = 1, guests: Guests | None = None) -> None:
        self._each = self._left = each
        self._guests = guests or Guests()
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._renewing = False

    async def wait(self, clock: Clock | None = None, weight: int = 1) -> None:
        """Returns when the caller's turn has come; it lasts until the caller awaits something."""
        if self._left <= 0:
            await self._in_line(clock, weight)
        else:
            self._take(weight)
            if not self._renewing:
                self._renewing = True
                asyncio.get_running_loop().call_soon(self._renew)

    async def _in_line(self, clock: Clock | None, weight: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, weight))
        if clock is None:
            await turn
            return
        clock.pause()
        try:
            await turn
        finally:
            clock.resume()

    def _take(self, weight: int) -> None:
        self._left = 0 if self._guests.waiting else self._left - weight

    def _renew(self) -> None:
        self._left = self._each
        while self._waiting and self._left > 0:
            turn, weight = self._waiting.popleft()
            if not turn.done():  # else its caller was cancelled
                turn.set_result(None)
                self._take(weight)
        self._renewing = self._left < self._each
        if self._renewing:
            asyncio.get_running_loop().call_soon(self._renew)
