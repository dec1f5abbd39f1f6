"""The driver against a target in memory: what it submits, when it ends, what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from mediascrape.errors import QueueUnavailableError
from mediascrape.loadtest.driver import LoadOptions, LoadProgress, LoadRun
from mediascrape.loadtest.measures import Outcome

URLS = [f"http://127.0.0.1/p/{n}/" for n in range(25)]
FAST = LoadOptions(jobs=25, batch_size=10, delay_ms=0)


class Target:
    """Ends jobs one look after they were submitted, but for those in `stuck`."""

    mode = "scrape"

    def __init__(self, *, stuck: int = 0, runs_jobs: bool = True) -> None:
        self.runs_jobs = runs_jobs
        self.batches: list[list[str]] = []
        self._stuck = stuck

    async def submit(self, urls: Sequence[str]) -> Sequence[str]:
        self.batches.append(list(urls))
        return [f"job-{url}" for url in urls]

    async def pending(self) -> tuple[int, int]:
        return self._stuck, min(self._stuck, 1)

    async def outcomes(self, submitted: Mapping[str, float]) -> Sequence[Outcome]:
        ended = list(submitted.items())[self._stuck :] if self.runs_jobs else []
        return [Outcome("ok", at, at + 1, at + 3) for _, at in ended]


async def test_all_urls_go_in_batches_and_in_order() -> None:
    target = Target()
    result = await LoadRun(FAST, target).run(URLS)
    assert [len(batch) for batch in target.batches] == [10, 10, 5]
    assert [url for batch in target.batches for url in batch] == URLS
    assert (result.jobs, result.succeeded, result.pending) == (25, 25, 0)
    assert result.wait.p50 == pytest.approx(1000)
    assert result.run.p99 == pytest.approx(2000)


async def test_the_pause_stands_between_batches_only() -> None:
    result = await LoadRun(LoadOptions(jobs=25, batch_size=10, delay_ms=60), Target()).run(URLS)
    assert result.submit_elapsed >= 0.12


async def test_a_run_whose_time_is_up_counts_what_has_not_ended() -> None:
    options = LoadOptions(jobs=25, batch_size=10, delay_ms=0, timeout_s=0.2)
    result = await LoadRun(options, Target(stuck=4)).run(URLS)
    assert (result.pending, result.succeeded, result.max_in_flight) == (4, 21, 1)


async def test_time_up_while_submitting() -> None:
    options = LoadOptions(jobs=25, batch_size=10, delay_ms=60_000, timeout_s=0.2)
    result = await LoadRun(options, Target()).run(URLS)
    assert result.jobs == 10
    assert result.submit_elapsed == result.elapsed


async def test_without_a_worker_nothing_is_waited_for() -> None:
    result = await LoadRun(FAST, Target(stuck=25, runs_jobs=False)).run(URLS)
    assert (result.jobs, result.pending, result.outcomes) == (25, 25, [])


async def test_progress_and_memory_are_told() -> None:
    told: list[LoadProgress] = []
    result = await LoadRun(FAST, Target(), report=told.append).run(URLS)
    assert told[-1].submitted == told[-1].ended == 25
    assert told[-1].memory > 1 << 20
    assert max(result.peak_memory.values()) > 1 << 20


async def test_a_target_out_of_reach_ends_the_run() -> None:
    class Gone(Target):
        async def submit(self, urls: Sequence[str]) -> Sequence[str]:
            raise QueueUnavailableError("gone")

    before = len(asyncio.all_tasks())
    with pytest.raises(QueueUnavailableError):
        await LoadRun(FAST, Gone()).run(URLS)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before
