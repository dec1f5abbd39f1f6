"""The group commit against a database that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mediascrape.errors import StoreRejectedError, StoreUnavailableError
from mediascrape.store import Saved
from mediascrape.store.committer import Committer
from mediascrape.store.prepare import Prepared, prepare

Make = Callable[..., Any]


class Database:
    """Writes when `open` is set; refuses batches that hold the job `bad`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.reachable = True

    async def write(self, batch: Sequence[Prepared]) -> list[Saved]:
        await self.open.wait()
        if not self.reachable:
            raise StoreUnavailableError("gone")
        jobs = [prepared.record.job_id for prepared in batch]
        if "bad" in jobs:
            raise ValueError("bad")
        self.batches.append(jobs)
        return [Saved(found=len(jobs), new=int(job)) for job in jobs]


@asynccontextmanager
async def committing(
    database: Database, *, linger: float = 0.0, max_batch: int = 100
) -> AsyncIterator[Committer]:
    committer = Committer(database.write, linger=linger, max_batch=max_batch)
    committer.start()
    try:
        yield committer
    finally:
        await committer.close()


async def test_an_idle_store_commits_at_once(record: Make) -> None:
    database = Database()
    async with committing(database, linger=3600) as committer:
        assert (await committer.save(prepare(record("1")))).new == 1
    assert database.batches == [["1"]]


async def test_what_arrives_during_a_commit_shares_the_next(record: Make) -> None:
    database = Database()
    database.open.clear()
    async with committing(database) as committer:
        first = asyncio.create_task(committer.save(prepare(record("0"))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        rest = [asyncio.create_task(committer.save(prepare(record(str(n))))) for n in range(1, 6)]
        await asyncio.sleep(0)
        database.open.set()
        assert [(await task).new for task in [first, *rest]] == [0, 1, 2, 3, 4, 5]
    assert database.batches == [["0"], ["1", "2", "3", "4", "5"]]


async def test_a_full_batch_does_not_linger(record: Make) -> None:
    database = Database()
    async with committing(database, linger=3600, max_batch=3) as committer:
        await committer.save(prepare(record("0")))
        await asyncio.gather(*(committer.save(prepare(record(str(n)))) for n in range(1, 7)))
    assert database.batches == [["0"], ["1", "2", "3"], ["4", "5", "6"]]


async def test_a_commit_waits_for_no_more_than_seven_eighths_of_those_at_work(record: Make) -> None:
    database = Database()
    async with committing(database, linger=3600) as committer:

        async def work(job: str, saves: bool = True) -> None:
            with committer.savers:
                if saves:
                    await committer.save(prepare(record(job)))
                else:
                    await asyncio.sleep(3600)

        await work("0")
        slow = asyncio.create_task(work("", saves=False))
        await asyncio.sleep(0)
        await asyncio.gather(*(work(str(number)) for number in range(1, 8)))
        assert database.batches == [["0"], [str(number) for number in range(1, 8)]]
        assert committer.savers.count == 1
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
    assert committer.savers.count == 0


async def test_a_bad_record_is_found_by_halves(record: Make) -> None:
    database = Database()
    async with committing(database) as committer:
        jobs = ["0", "1", "2", "bad", "4"]
        results = await asyncio.gather(
            *(committer.save(prepare(record(job))) for job in jobs), return_exceptions=True
        )
    assert isinstance(results.pop(3), StoreRejectedError)
    assert [result.new for result in results if isinstance(result, Saved)] == [0, 1, 2, 4]


async def test_an_unreachable_database_is_not_tried_record_by_record(record: Make) -> None:
    database = Database()
    async with committing(database) as committer:
        database.reachable = False
        results = await asyncio.gather(
            *(committer.save(prepare(record(str(n)))) for n in range(5)), return_exceptions=True
        )
        assert {type(result) for result in results} == {StoreUnavailableError}
        assert len({id(result) for result in results}) == 5, "each saver has an error of its own"
        database.reachable = True
        assert (await committer.save(prepare(record("7")))).new == 7


async def test_closing_commits_what_waits_and_takes_no_more(record: Make) -> None:
    database = Database()
    committer = Committer(database.write, linger=3600, max_batch=100)
    committer.start()
    await committer.save(prepare(record("0")))
    tasks = [asyncio.create_task(committer.save(prepare(record(str(n))))) for n in range(1, 4)]
    await asyncio.sleep(0)
    await committer.close()
    assert [(await task).new for task in tasks] == [1, 2, 3]
    with pytest.raises(StoreUnavailableError, match="closed"):
        await committer.save(prepare(record("9")))
