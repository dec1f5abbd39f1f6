"""One connection for many callers: what is asked while a round trip is under way goes with the next.

A round trip takes two turns of the event loop, and beside a busy worker a turn takes tens of milliseconds.
Callers that waited for one another would each add that; together they wait for two round trips at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.cancelling import cancel_and_wait
from mediascrape.queue.link import Link, LinkLostError

#: Commands in one round trip, unless a single caller asks for more.
_MOST = 512


@dataclass(slots=True)
class _Asked:
    commands: Sequence[bytes]
    future: asyncio.Future[list[Any]]


class SharedLink:
    """A Link whose concurrent calls share round trips. Each caller's commands stay together, in order."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: deque[_Asked] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def execute(self, commands: Sequence[bytes]) -> list[Any]:
        """As `Link.execute`. A caller that goes away takes nothing back."""
        if not commands:
            return []
        asked = _Asked(commands, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send(), name="queue-shared-link")
        return await asked.future

    async def aclose(self) -> None:
        """Ends the round trip under way and whoever waits."""
        if self._sender is not None:
            await cancel_and_wait([self._sender])
        await self._link.aclose()

    async def _send(self) -> None:
        try:
            while self._waiting:
                await self._round_trip(self._take())
        finally:
            self._sender = None
            for asked in self._waiting:  # only when cancelled
                _fail(asked, QueueUnavailableError("the queue was closed"))
            self._waiting.clear()

    def _take(self) -> list[_Asked]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].commands)
        while self._waiting and size + len(self._waiting[0].commands) <= _MOST:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].commands)
        return batch

    async def _round_trip(self, batch: Sequence[_Asked]) -> None:
        try:
            replies = await self._link.execute([one for asked in batch for one in asked.commands])
        except LinkLostError as error:
            _settle(batch, error.replies, str(error))
        except BaseException as error:
            for asked in batch:
                _fail(asked, error if isinstance(error, Exception) else QueueUnavailableError("closed"))
            if not isinstance(error, Exception):
                raise
        else:
            _settle(batch, replies, "")


class PatientLink:
    """Waits for a server that is away, and sends again what may be sent twice."""

    def __init__(self, link: SharedLink, patience_s: float) -> None:
        self._link = link
        self._patience_s = patience_s

    async def run(self, commands: Sequence[bytes], *, done: int | None = None) -> list[Any]:
        """Run commands that may be run twice. Raises QueueUnavailableError.

        done: what a command answers that already took effect; a 0 when it was sent again.
        """
        again = False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        pause = 0.02
        while True:
            try:
                replies = await self._link.execute(commands)
            except LinkLostError as error:
                if loop.time() + pause > deadline:
                    raise QueueUnavailableError(f"the queue cannot be reached: {error}") from error
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
                again = True
                continue
            for reply in replies:
                if isinstance(reply, RedisError):
                    raise QueueUnavailableError(f"the queue refused: {reply}") from reply
            return [0 if again and reply == done else reply for reply in replies]

    async def aclose(self) -> None:
        await self._link.aclose()


def _settle(batch: Sequence[_Asked], replies: Sequence[Any], lost: str) -> None:
    """Give each caller its replies, or, where some are missing, what there is of them."""
    start = 0
    for asked in batch:
        end = start + len(asked.commands)
        mine = list(replies[start:end])
        if len(mine) < len(asked.commands):
            _fail(asked, LinkLostError(lost, mine))
        elif not asked.future.done():
            asked.future.set_result(mine)
        start = end


def _fail(asked: _Asked, error: Exception) -> None:
    if not asked.future.done():
        asked.future.set_exception(error)
