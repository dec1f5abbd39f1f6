"""Single look-ups that many tasks make at once, answered by one query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class Lookups(Generic[V]):
    """Gathers the keys asked for in one turn of the event loop, and while the last query runs."""

    def __init__(self, fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, V]]]) -> None:
        self._fetch = fetch
        self._asked: dict[str, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> V | None:
        """The key's value, or None; raises what the query raised."""
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="store-lookups")
        return await asyncio.shield(future)

    async def _run(self) -> None:
        await asyncio.sleep(0)
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                found = await self._fetch([*asked])
            except Exception as error:  # noqa: BLE001 (handed to those who asked)
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()  # all who asked may have been cancelled
            else:
                for key, future in asked.items():
                    future.set_result(found.get(key))
