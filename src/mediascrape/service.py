"""Composition root: builds the parts from Settings, starts and stops them in order.

`Mediascrape` is the library's face. The functions of the original design (`initialize_queue`,
`close_queue`, `add_scraping_job`) keep one of them for the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self
from uuid import uuid4

from mediascrape.errors import ConfigurationError
from mediascrape.governor import Governor
from mediascrape.observing import Observer
from mediascrape.parts import (
    open_governor,
    open_presence,
    open_queue,
    open_queue_server,
    open_worker,
    store_options,
)
from mediascrape.pipeline import JOB_NAME, ScrapeTask
from mediascrape.queue.adding import Added
from mediascrape.queue.job import JobOptions, NewJob
from mediascrape.queue.queue import PATIENCE_S, Queue
from mediascrape.queue.worker import Worker
from mediascrape.scheduling import PageSchedules
from mediascrape.scrape.turns import Guests
from mediascrape.scrape.urls import normalize_url
from mediascrape.settings import Settings
from mediascrape.store import OK, MediaQuery, Store, StoredMedia, StoredScrape, open_store
from mediascrape.submission import Progress, Submission, SubmittedJob, deduplication_id, sift
from mediascrape.tracing import open_tracer

log = logging.getLogger(__name__)

#: Seconds between two looks of `wait` at the store.
POLL_S = 0.2
#: Seconds without progress after which `wait` asks the queue whether the rest is still there.
MISSING_CHECK_S = 3.0


class Mediascrape:
    """Everything in one process: queue, store and, unless `worker=False`, a worker.

    An async context manager. Entering raises QueueUnavailableError or StoreUnavailableError where
    a service is out of reach, ConfigurationError where a setting must change; nothing is left
    running then. Leaving lets jobs in flight end within `shutdown_grace_s` and hands back the rest.
    """

    queue: Queue
    #: What attempts of this process tell.
    observer: Observer
    #: Pages to be scraped again and again.
    schedules: PageSchedules
    store: Store
    worker: Worker | None
    #: Present where a worker's concurrency is `auto`.
    governor: Governor | None
    #: Whoever waits for an answer of this process, while pages are parsed in its loop.
    guests: Guests
    #: Where the queue's server is, the embedded one's socket included.
    queue_url: str

    def __init__(
        self, settings: Settings | None = None, *, worker: bool = True, patience_s: float = PATIENCE_S
    ) -> None:
        """patience_s: how long a call waits for a queue's server that is away."""
        self.settings = settings or Settings.load()
        self.worker = None
        self.governor = None
        self.observer = Observer()
        self.guests = Guests()
        self._with_worker = worker
        self._patience_s = patience_s
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.queue_url = url = await open_queue_server(self.settings, stack)
            self.queue = await open_queue(self.settings, url, stack, patience_s=self._patience_s)
            self.schedules = PageSchedules(self.queue, max_url_length=self.settings.max_url_length)
            self.store = await stack.enter_async_context(
                open_store(self.settings.store_url, store_options(self.settings))
            )
            if self.settings.otel:
                self.observer.tracer = open_tracer(stack)
            if self._with_worker:
                self.worker = await open_worker(
                    self.settings, url, self.store, self.observer, self.guests, stack
                )
                self.governor = await open_governor(self.settings, self.worker, stack)
                open_presence(url, self.worker, self.governor, stack)
            self._exits = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()

    async def attend(self) -> None:
        """Wait until cancelled. Raises what the worker died of, should it ever: one that is there and works
        on nothing would be missed by nobody."""
        if self.worker is None:
            await asyncio.Event().wait()
        else:
            await self.worker.run()

    # --- submitting -----------------------------------------------------------------------------

    async def submit(
        self,
        urls: Iterable[str],
        *,
        batch_id: str | None = None,
        priority: int = 0,
        delay_ms: int = 0,
        force: bool = False,
        job_id: str | None = None,
    ) -> Submission:
        """Queue a job for every distinct URL that no pending job answers for.

        All jobs go in shared round trips, also with those of concurrent calls. A URL that is none is
        reported in `rejected`; the rest is queued. `priority` 1 is the most urgent, 0 goes first of
        all (BullMQ's order). `force` reads pages again that have not changed since they were last scraped.
        `job_id` is for a call with one URL: the id its job gets.
        Raises QueueUnavailableError when the queue cannot be reached.
        """
        accepted = sift(urls, max_url_length=self.settings.max_url_length)
        batch = batch_id or uuid4().hex
        options = self.queue.defaults
        if priority or delay_ms:
            options = replace(options, priority=priority, delay_ms=delay_ms)
        tasks = (ScrapeTask(url, batch, force) for url in accepted.urls)
        added = await self.queue.add_many(_new_job(task, options, job_id) for task in tasks)
        jobs = [
            SubmittedJob(one.id, url, one.duplicate) for url, one in zip(accepted.urls, added, strict=True)
        ]
        repeats = sum(job.duplicate for job in jobs)
        return Submission(batch, len(jobs) - repeats, accepted.repeats + repeats, accepted.rejected, jobs)

    def submit_one(
        self, url: str, batch_id: str, job_id: str, *, force: bool = False
    ) -> tuple[str, asyncio.Future[Added]]:
        """As `submit` for a single URL, without a task: its normal form, and what becomes of the add.

        Raises InvalidURLError at once; the future ends with QueueUnavailableError where `submit` raises it.
        """
        url = normalize_url(url, max_length=self.settings.max_url_length)
        task = ScrapeTask(url, batch_id, force)
        return url, self.queue.add_soon(_new_job(task, self.queue.defaults, job_id))

    # --- following a submission -------------------------------------------------------------------

    async def progress(self, submission: Submission) -> Progress:
        """How far the submission's own jobs are, and those of others that answer for its duplicates."""
        batch = await self.store.batch_progress(submission.batch_id)
        done, failed, found, new = batch.done, sum(batch.failed.values()), batch.found, batch.new
        if submission.queued < len(submission.jobs):
            elsewhere = [job.id for job in submission.jobs if job.duplicate]
            for scrape in (await self.store.scrapes_for(elsewhere)).values():
                done += scrape.outcome == OK
                failed += scrape.outcome != OK
                found += scrape.found
                new += scrape.new
        return Progress(len(submission.jobs), done, failed, 0, found, new)

    async def wait(
        self, submission: Submission, *, report: Callable[[Progress], None] | None = None
    ) -> Progress:
        """Wait until every job of the submission has ended, whichever worker runs them.

        `report` is called with each new state. Jobs that somebody removed from the queue count as
        missing. Put `asyncio.timeout` around it for a limit.
        """
        last, since = None, asyncio.get_running_loop().time()
        missing = 0
        while True:
            progress = replace(await self.progress(submission), missing=missing)
            now = asyncio.get_running_loop().time()
            if progress != last:
                last, since = progress, now
                if report is not None:
                    report(progress)
            elif now - since > MISSING_CHECK_S:
                missing, since = await self.count_missing([job.id for job in submission.jobs]), now
            if progress.finished:
                return progress
            await asyncio.sleep(POLL_S)

    async def count_missing(self, ids: Sequence[str]) -> int:
        """Jobs that are neither in the queue nor ended: removed by an operator or another client."""
        ended = await self.store.scrapes_for(ids)
        pending = [job_id for job_id in ids if job_id not in ended]
        known = await self.queue.existing(pending)
        gone = [job_id for job_id in pending if job_id not in known]
        # A job may have ended between the two looks: its rows are committed before it leaves.
        return len(gone) - len(await self.store.scrapes_for(gone))

    async def outcomes(self, submission: Submission) -> dict[str, StoredScrape]:
        """What became of each job that has ended, by job id."""
        return await self.store.scrapes_for([job.id for job in submission.jobs])

    def media(self, submission: Submission) -> AsyncIterator[StoredMedia]:
        """The media on the submission's pages, page by page."""
        return self.store.iter_media(MediaQuery(job_ids=[job.id for job in submission.jobs]))


def _new_job(task: ScrapeTask, options: JobOptions, job_id: str | None) -> NewJob:
    return NewJob(JOB_NAME, task.to_data(), options, deduplication_id(task.url), job_id)


# --- the original design's functions ----------------------------------------------------------------

_service: Mediascrape | None = None


async def initialize_queue(settings: Settings | None = None) -> Mediascrape:
    """Open the process's own queue and begin to work on it; calling again gives the same one."""
    global _service  # noqa: PLW0603  the original design's functions carry no object
    if _service is None:
        service = Mediascrape(settings)
        await service.__aenter__()
        _service = service
    return _service


async def close_queue() -> None:
    """End what `initialize_queue` began; jobs in flight end or go back to the queue."""
    global _service
    service, _service = _service, None
    if service is not None:
        await service.__aexit__(None, None, None)


async def add_scraping_job(url: str) -> SubmittedJob:
    """Queue one page. Raises InvalidURLError for what is no page URL, ConfigurationError before
    `initialize_queue`."""
    if _service is None:
        raise ConfigurationError("call initialize_queue() before add_scraping_job()")
    submission = await _service.submit([normalize_url(url, max_length=_service.settings.max_url_length)])
    return submission.jobs[0]
