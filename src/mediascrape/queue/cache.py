"""Small texts with expiry that all workers of a queue share."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.cancelling import cancel_and_wait
from mediascrape.queue.link import Link
from mediascrape.queue.lua import command


class SharedCache:
    """Texts by key under `{base}ms:{name}:`; `base` is the queue's key prefix with its trailing colon.

    What is asked while a round trip is under way goes into the next one, over one connection, so that
    hundreds of hosts may be met at once. Every method raises QueueUnavailableError when the server is out
    of reach. `aclose` must be called at the end.
    """

    def __init__(self, redis: Redis, base: str, name: str) -> None:
        self._link = Link(redis)
        self._prefix = f"{base}ms:{name}:"
        self._asked: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> str | None:
        reply: str | None = await self._call("GET", self._prefix + key)
        return reply

    async def put(self, key: str, value: str, ttl_ms: int) -> None:
        await self._call("SET", self._prefix + key, value, "PX", max(1, ttl_ms))

    async def claim(self, key: str, ttl_ms: int) -> bool:
        """True for the one caller, of all workers, who finds `key` unset and so sets it."""
        reply = await self._call("SET", self._prefix + key, "", "PX", max(1, ttl_ms), "NX")
        return reply is not None

    async def aclose(self) -> None:
        if self._task is not None:
            await cancel_and_wait([self._task])
        await self._link.aclose()

    async def _call(self, *parts: str | int) -> Any:
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((command(*parts), reply))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="shared-cache")
        return await reply

    async def _run(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            replies: list[Any]
            try:
                replies = await self._link.execute([packed for packed, _ in asked])
            except (QueueUnavailableError, RedisError, OSError) as error:
                replies = [error] * len(asked)
            for (_, waiting), reply in zip(asked, replies, strict=True):
                if waiting.done():
                    continue  # who asked was cancelled
                if isinstance(reply, Exception):
                    waiting.set_exception(QueueUnavailableError(str(reply)))
                else:
                    waiting.set_result(reply)
