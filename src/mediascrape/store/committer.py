"""The group commit: many savers, one transaction.

A commit costs about the same whether it holds one record or fifty. An idle store commits a record at
once; a busy one gathers for at most `linger` seconds after its last commit began, or until
`max_batch` records wait, or seven eighths of all who are at work on a record: where few are, gathering
longer would keep them waiting for one another. `save` returns after the commit that holds its record, never before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from mediascrape.errors import StoreRejectedError, StoreUnavailableError
from mediascrape.histogram import Histogram

from .prepare import Prepared
from .records import Saved

Write = Callable[[Sequence[Prepared]], Awaitable[list[Saved]]]


@dataclass(slots=True)
class CommitStats:
    """What the committer did so far, for metrics. Times in seconds."""

    commits: int = 0
    records: int = 0
    seconds: float = 0.0
    last_seconds: float = 0.0
    waiting: int = 0
    durations: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class _Waiting:
    prepared: Prepared
    future: asyncio.Future[Saved]


class Savers:
    """Counts those who are at work on a record, from before there is one until it is saved; each is in it as a
    context."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


class Committer:
    """Gathers records and hands them to `write`, one batch at a time.

    `write` commits all of its records or none: it raises StoreUnavailableError when the database can't
    be written now (all waiting records of the batch fail, and may be saved again), and anything else
    when a record is at fault; the batch is then halved until the bad record stands alone.
    """

    def __init__(self, write: Write, *, linger: float, max_batch: int) -> None:
        self._write = write
        self._linger = linger
        self._max_batch = max_batch
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._last_start = float("-inf")
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.savers = Savers()
        self.stats = CommitStats()

    def start(self) -> None:
        """Begin to commit; needs a running loop."""
        self._task = asyncio.create_task(self._run(), name="store-committer")

    async def save(self, prepared: Prepared) -> Saved:
        """The result of the commit that holds the record.

        Raises StoreUnavailableError or StoreRejectedError. When the caller is cancelled the record may
        or may not be written, which is harmless: saving is idempotent.
        """
        if self._closing or self._task is None:
            raise StoreUnavailableError("the store is closed")
        entry = _Waiting(prepared, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._arrived.set()
        waiting = len(self._waiting)
        if waiting >= self._max_batch or 8 * waiting >= 7 * self.savers.count > 0:
            self._full.set()
        return await entry.future

    @property
    def busy(self) -> bool:
        """Whether records wait."""
        return bool(self._waiting)

    async def close(self) -> None:
        """Commit what waits, then stop."""
        self._closing = True
        self._arrived.set()
        self._full.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if not self._waiting and self._closing:
                return
            await self._gather()
            batch = self._take()
            if batch:
                await self._commit(batch)

    async def _gather(self) -> None:
        """Wait for more as long as the last commit is young; no wait for an idle store."""
        loop = asyncio.get_running_loop()
        delay = self._last_start + self._linger - loop.time()
        if delay > 0 and not self._full.is_set():
            timer = loop.call_later(delay, self._full.set)
            await self._full.wait()
            timer.cancel()
        self._last_start = loop.time()

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._max_batch:
            entry = self._waiting.popleft()
            if not entry.future.done():  # its saver was cancelled
                batch.append(entry)
        if not self._waiting and not self._closing:
            self._arrived.clear()
        if len(self._waiting) < self._max_batch and not self._closing:
            self._full.clear()
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        results = await self._write_apart(batch)
        for entry, result in zip(batch, results, strict=True):
            if entry.future.done():
                continue
            if isinstance(result, Saved):
                entry.future.set_result(result)
            else:
                entry.future.set_exception(result)
        self.stats.commits += 1
        self.stats.records += len(batch)
        self.stats.last_seconds = loop.time() - started
        self.stats.seconds += self.stats.last_seconds
        self.stats.durations.observe(self.stats.last_seconds)
        self.stats.waiting = len(self._waiting)

    async def _write_apart(self, batch: list[_Waiting]) -> list[Saved | Exception]:
        """Write the batch; if a record is at fault, each half of it."""
        try:
            return list(await self._write([entry.prepared for entry in batch]))
        except StoreUnavailableError as error:
            return [StoreUnavailableError(str(error)) for _ in batch]
        except Exception as error:  # noqa: BLE001 (whatever a record can cause)
            if len(batch) == 1:
                rejected = StoreRejectedError(f"{type(error).__name__}: {error}")
                rejected.__cause__ = error
                return [rejected]
        middle = len(batch) // 2
        return [*await self._write_apart(batch[:middle]), *await self._write_apart(batch[middle:])]
