"""The load driver: submits jobs in batches with a delay between them, and watches until they have ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mediascrape.loadtest.measures import LoadResult, Outcome, Percentiles, Sample
from mediascrape.loadtest.processes import memory_by_process

#: Seconds between two looks at the run.
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """jobs: in all. batch_size: jobs per submitting call. delay_ms: between two calls.
    timeout_s: after this the run is given up and what has not ended is counted as pending.
    """

    jobs: int = 5000
    batch_size: int = 50
    delay_ms: float = 10.0
    timeout_s: float = 600.0


class Target(Protocol):
    """What is put under load."""

    mode: str
    #: Whether submitted jobs are worked on; if not, the run ends with the last submission.
    runs_jobs: bool

    async def submit(self, urls: Sequence[str]) -> Sequence[str]:
        """Queue a job for each URL; their ids in the same order. Raises MediascrapeError."""
        ...

    async def pending(self) -> tuple[int, int]:
        """(jobs that have not ended, those of them that are running)."""
        ...

    async def outcomes(self, submitted: Mapping[str, float]) -> Sequence[Outcome]:
        """What became of the jobs that have ended; `submitted` gives the epoch second by id."""
        ...


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """For whoever shows the run while it goes on."""

    jobs: int
    submitted: int
    ended: int
    in_flight: int
    elapsed: float
    memory: int


class LoadRun:
    """One run against a target; `result` is complete when `run` has returned.

    labels: names of processes by pid, for the memory they use. report: called at each look.
    """

    def __init__(
        self,
        options: LoadOptions,
        target: Target,
        *,
        labels: Mapping[int, str] | None = None,
        report: Callable[[LoadProgress], None] | None = None,
    ) -> None:
        self._options = options
        self._target = target
        self._labels = labels or {}
        self._report = report
        self._submitted: dict[str, float] = {}
        self._calls: list[float] = []
        self._samples: list[Sample] = []
        self._start = 0.0

    async def run(self, urls: Sequence[str]) -> LoadResult:
        """Submit `urls`, wait until the jobs have ended, and measure. Raises MediascrapeError."""
        self._start = time.perf_counter()
        watching = asyncio.create_task(self._watch())
        submitting: float | None = None
        try:
            async with asyncio.timeout(self._options.timeout_s) as limit:
                await self._submit_all(urls)
                submitting = self._now()
                await self._until_ended()
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            watching.cancel()
        elapsed = self._now()
        await self._look()
        outcomes = await self._target.outcomes(self._submitted)
        return LoadResult(
            mode=self._target.mode,
            jobs=len(self._submitted),
            elapsed=elapsed,
            submit_elapsed=elapsed if submitting is None else submitting,
            submit=Percentiles.of(self._calls),
            pending=len(self._submitted) - len(outcomes),
            outcomes=outcomes,
            samples=self._samples,
        )

    def _now(self) -> float:
        return time.perf_counter() - self._start

    async def _submit_all(self, urls: Sequence[str]) -> None:
        size, delay = self._options.batch_size, self._options.delay_ms / 1000
        for start in range(0, len(urls), size):
            at, began = time.time(), time.perf_counter()
            ids = await self._target.submit(urls[start : start + size])
            self._calls.append(time.perf_counter() - began)
            self._submitted.update(dict.fromkeys(ids, at))
            if delay and start + size < len(urls):
                await asyncio.sleep(delay)

    async def _until_ended(self) -> None:
        if not self._target.runs_jobs:
            return
        while (await self._target.pending())[0]:  # noqa: ASYNC110 - the queue is another process
            await asyncio.sleep(SAMPLE_S / 5)

    async def _watch(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(SAMPLE_S)

    async def _look(self) -> None:
        pending, in_flight = await self._target.pending()
        memory = memory_by_process(self._labels)
        submitted = len(self._submitted)
        ended = max(submitted - pending, 0)
        sample = Sample(self._now(), submitted, ended, in_flight, memory)
        self._samples.append(sample)
        if self._report:
            self._report(
                LoadProgress(self._options.jobs, submitted, ended, in_flight, sample.at, sum(memory.values()))
            )
