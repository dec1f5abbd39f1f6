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


class LoopTurns:
    """Lets one caller go on per iteration of the event loop, in the order in which they came.

    Many bodies become whole in one iteration; were they all parsed in it, nothing else would run for as
    long as that takes. In between, the loop serves sockets and timers.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def wait(self) -> None:
        """Returns when the caller's turn has come; it lasts until the caller awaits something."""
        loop = asyncio.get_running_loop()
        if self._taken:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        self._taken = True
        loop.call_soon(self._pass_on)

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
