"""Single look-ups that many tasks make at once, answered by one query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Generic, TypeVar

V = TypeVar("V")


class Lookups(Generic[V]):
    """Gathers the keys asked for in one turn of the event loop, and while the last query runs."""

    def __init__(self, fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, V]]]) -> None:
        self._fetch = fetch
        self._asked: dict[str, list[asyncio.Future[V | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: str) -> V | None:
        """The key's value, or None; raises what the query raised."""
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, []).append(future)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="store-lookups")
        return await future

    async def _run(self) -> None:
        await asyncio.sleep(0)
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                found = await self._fetch([*asked])
            except Exception as error:  # noqa: BLE001 (handed to those who asked)
                for future in _waiting(chain.from_iterable(asked.values())):
                    future.set_exception(error)
            else:
                for key, futures in asked.items():
                    for future in _waiting(futures):
                        future.set_result(found.get(key))


def _waiting(futures: Iterable[asyncio.Future[V]]) -> Iterator[asyncio.Future[V]]:
    """Those whose caller has not been cancelled."""
    return (future for future in futures if not future.done())
