"""Composition root: builds the parts from Settings, starts and stops them in order.

`Mediascrape` is the library's face. The functions of the original design (`initialize_queue`,
`close_queue`, `add_scraping_job`) keep one of them for the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import metadata
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import psutil
from redis.asyncio import Redis

from mediascrape.admission import HostAdmission, robots_fetcher
from mediascrape.errors import ConfigurationError
from mediascrape.governor import Governor, GovernorOptions, MemoryGauge, govern
from mediascrape.observing import Observer
from mediascrape.pipeline import JOB_NAME, Pipeline, ScrapeTask
from mediascrape.queue.adding import Added
from mediascrape.queue.cache import SharedCache
from mediascrape.queue.connection import check_server, connect, queue_errors
from mediascrape.queue.embedded import EmbeddedOptions, EmbeddedValkey
from mediascrape.queue.groups import GroupGate
from mediascrape.queue.job import Backoff, JobOptions, NewJob, Retention
from mediascrape.queue.presence import Presences, WorkerPresence
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import WorkerOptions
from mediascrape.queue.worker import Worker
from mediascrape.scheduling import PageSchedules
from mediascrape.scrape.decoding import DecodingLimits
from mediascrape.scrape.extract import ExtractOptions, ItemFilter
from mediascrape.scrape.extraction import Extractor
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.guard import AddressGuard
from mediascrape.scrape.limits import BodyLimits, Pace
from mediascrape.scrape.options import FetchOptions
from mediascrape.scrape.politeness import HostPolicy
from mediascrape.scrape.robots import Robots
from mediascrape.scrape.urls import normalize_url
from mediascrape.settings import Settings
from mediascrape.store import OK, MediaQuery, Store, StoredMedia, StoredScrape, StoreOptions, open_store
from mediascrape.submission import Progress, Submission, SubmittedJob, deduplication_id, sift
from mediascrape.tracing import open_tracer
from mediascrape.upkeep import Upkeep

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
    #: Where the queue's server is, the embedded one's socket included.
    queue_url: str

    def __init__(self, settings: Settings | None = None, *, worker: bool = True) -> None:
        self.settings = settings or Settings.load()
        self.worker = None
        self.governor = None
        self.observer = Observer()
        self._with_worker = worker
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.queue_url = url = await open_queue_server(self.settings, stack)
            self.queue = await open_queue(self.settings, url, stack)
            self.schedules = PageSchedules(self.queue, max_url_length=self.settings.max_url_length)
            self.store = await stack.enter_async_context(
                open_store(self.settings.store_url, store_options(self.settings))
            )
            if self.settings.otel:
                self.observer.tracer = open_tracer(stack)
            if self._with_worker:
                self.worker = await open_worker(self.settings, url, self.store, self.observer, stack)
                self.governor = await open_governor(self.settings, self.worker, stack)
                open_presence(url, self.worker, self.governor, stack)
            self._exits = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()

    # --- submitting -----------------------------------------------------------------------------

    async def submit(
        self,
        urls: Iterable[str],
        *,
        batch_id: str | None = None,
        priority: int = 0,
        delay_ms: int = 0,
        force: bool = False,
    ) -> Submission:
        """Queue a job for every distinct URL that no pending job answers for.

        All jobs go in shared round trips, also with those of concurrent calls. A URL that is none is
        reported in `rejected`; the rest is queued. `priority` 1 is the most urgent, 0 goes first of
        all (BullMQ's order). `force` reads pages again that have not changed since they were last scraped.
        Raises QueueUnavailableError when the queue cannot be reached.
        """
        accepted = sift(urls, max_url_length=self.settings.max_url_length)
        batch = batch_id or uuid4().hex
        options = self.queue.defaults
        if priority or delay_ms:
            options = replace(options, priority=priority, delay_ms=delay_ms)
        tasks = (ScrapeTask(url, batch, force) for url in accepted.urls)
        added = await self.queue.add_many(_new_job(task, options) for task in tasks)
        jobs = [
            SubmittedJob(one.id, url, one.duplicate) for url, one in zip(accepted.urls, added, strict=True)
        ]
        repeats = sum(job.duplicate for job in jobs)
        return Submission(batch, len(jobs) - repeats, accepted.repeats + repeats, accepted.rejected, jobs)

    def submit_one(self, url: str, batch_id: str) -> tuple[str, asyncio.Future[Added]]:
        """As `submit` for a single URL, without a task: its normal form, and what becomes of the add.

        Raises InvalidURLError at once; the future ends with QueueUnavailableError where `submit` raises it.
        """
        url = normalize_url(url, max_length=self.settings.max_url_length)
        return url, self.queue.add_soon(_new_job(ScrapeTask(url, batch_id), self.queue.defaults))

    # --- following a submission -------------------------------------------------------------------

    async def progress(self, submission: Submission) -> Progress:
        """How far the submission's own jobs are, and those of others that answer for its duplicates."""
        batch = await self.store.batch_progress(submission.batch_id)
        done, failed, found, new = batch.done, sum(batch.failed.values()), batch.found, batch.new
        elsewhere = [job.id for job in submission.jobs if job.duplicate]
        for scrape in (await self.store.scrapes_for(elsewhere)).values() if elsewhere else ():
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
                missing, since = await self._count_missing(submission), now
            if progress.finished:
                return progress
            await asyncio.sleep(POLL_S)

    async def _count_missing(self, submission: Submission) -> int:
        """Jobs that are neither in the queue nor ended: removed by an operator or another client."""
        ids = [job.id for job in submission.jobs]
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


def _new_job(task: ScrapeTask, options: JobOptions) -> NewJob:
    return NewJob(JOB_NAME, task.to_data(), options, deduplication_id(task.url))


# --- the parts --------------------------------------------------------------------------------------


async def open_queue_server(settings: Settings, stack: AsyncExitStack) -> str:
    """URL of the Valkey or Redis to use; the embedded one is started and held until `stack` ends."""
    if settings.queue_url is not None:
        return settings.queue_url
    embedded = await stack.enter_async_context(EmbeddedValkey(settings.data_dir, embedded_options(settings)))
    return embedded.url


def embedded_options(settings: Settings) -> EmbeddedOptions:
    """Those of the process that starts the server; others join it as it is."""
    return EmbeddedOptions(appendfsync=settings.queue_fsync)


async def open_queue(settings: Settings, url: str, stack: AsyncExitStack) -> Queue:
    """The queue with the defaults of the settings, its server looked at first."""
    client = connect(url)
    stack.push_async_callback(client.aclose)
    server = await check_server(client, url)
    for warning in server.warnings:
        log.warning("%s", warning)
    queue = Queue(
        client, settings.queue_name, settings.queue_prefix, job_defaults(settings),
        max_memory_bytes=settings.queue_max_memory_bytes,
    )  # fmt: skip
    stack.push_async_callback(queue.aclose)
    with queue_errors(url):
        await queue.open()
    return queue


def job_defaults(settings: Settings) -> JobOptions:
    """Options of the jobs we add."""
    return JobOptions(
        attempts=settings.attempts,
        backoff=Backoff("exponential", settings.backoff_ms, settings.backoff_jitter),
        remove_on_complete=Retention(count=settings.keep_completed_count),
        remove_on_fail=Retention(count=settings.keep_failed_count, age_s=settings.keep_failed_age_s),
    )


async def open_worker(
    settings: Settings, url: str, store: Store, observer: Observer, stack: AsyncExitStack
) -> Worker:
    """A worker that has begun; when `stack` ends it finishes or hands back what it runs."""
    raise_file_limit(files_wanted(settings))
    client = connect(url)
    stack.push_async_callback(client.aclose)
    fetcher = Fetcher(fetch_options(settings), AddressGuard(settings.allow_networks))
    await stack.enter_async_context(fetcher)
    base = f"{settings.queue_prefix}:{settings.queue_name}:"
    gate = GroupGate(client, base)
    stack.push_async_callback(gate.close)
    robots = None
    if settings.robots:
        robots = Robots(robots_fetcher(fetcher), open_cache(client, base, "robots", stack))
        stack.push_async_callback(robots.close)
    policy = HostPolicy(settings.host_concurrency, settings.host_delay_ms / 1000)
    extractor = Extractor(ExtractOptions(deep=settings.deep), item_filter(settings))
    stack.callback(extractor.close)
    # The governor lets more jobs in as soon as a slow host holds those there are.
    floor = GovernorOptions().few if settings.concurrency == "auto" else 1
    admission = HostAdmission(gate, robots, policy, lambda: max(floor, worker.concurrency))
    pipeline = Pipeline(
        fetcher,
        extractor,
        store,
        admission,
        observer,
        max_url_length=settings.max_url_length,
        revalidate=settings.revalidate,
    )
    worker = Worker(
        client,
        settings.queue_name,
        pipeline.process,
        worker_options(settings),
        prefix=settings.queue_prefix,
        record_failure=pipeline.record_failure,
    )
    upkeep = Upkeep(store, open_cache(client, base, "upkeep", stack), settings.keep_scrapes_age_s)
    run_beside(upkeep.run(), "upkeep", stack)
    return await stack.enter_async_context(worker)


def open_cache(client: Redis, base: str, name: str, stack: AsyncExitStack) -> SharedCache:
    """A cache that all workers share, closed when `stack` ends."""
    cache = SharedCache(client, base, name)
    stack.push_async_callback(cache.aclose)
    return cache


def run_beside(loop: Coroutine[Any, Any, None], name: str, stack: AsyncExitStack) -> None:
    """Run a loop that has no end until `stack` ends."""
    task = asyncio.create_task(loop, name=name)

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)


def files_wanted(settings: Settings) -> int:
    """Open files that the worker may need: one per request in flight, and some for all the rest."""
    most = settings.max_concurrency if settings.concurrency == "auto" else settings.concurrency
    return most + 256


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit of open files as far as the hard one allows, if it is lower; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return max(soft, target)


async def open_governor(settings: Settings, worker: Worker, stack: AsyncExitStack) -> Governor | None:
    """Lets the governor set the worker's concurrency until `stack` ends; None where it is fixed."""
    if settings.concurrency != "auto":
        return None
    governor = Governor(GovernorOptions(most=settings.max_concurrency))
    counters = worker.counters

    def ended() -> int:
        return counters.completed + counters.failed + counters.retried

    gauge = MemoryGauge(settings.memory_limit_bytes, lambda: companions(settings))
    run_beside(govern(worker, governor, gauge, ended), "governor", stack)
    return governor


def companions(settings: Settings) -> list[int]:
    """The ids of the processes that belong to this one and count against its memory."""
    pid = EmbeddedValkey(settings.data_dir).pid if settings.queue_url is None else None
    return [] if pid is None else [pid]


def open_presence(url: str, worker: Worker, governor: Governor | None, stack: AsyncExitStack) -> None:
    """Lets dashboards on any machine see the worker until `stack` ends."""
    client = connect(url)
    stack.push_async_callback(client.aclose)
    process, since = psutil.Process(), time.time()

    def describe() -> WorkerPresence:
        return WorkerPresence(
            id=worker.id,
            name=worker.options.worker_name or worker.id,
            version=metadata.version("mediascrape"),
            started_at=since,
            in_flight=worker.running,
            limit=worker.concurrency,
            why=governor.why if governor is not None else "fixed",
            memory=process.memory_info().rss,
            completed=worker.counters.completed,
            failed=worker.counters.failed,
        )

    run_beside(Presences(client, worker.keys).announce(describe), "presence", stack)


def store_options(settings: Settings) -> StoreOptions:
    """How the store behaves."""
    return StoreOptions(connections=settings.database_connections)


def fetch_options(settings: Settings) -> FetchOptions:
    """How pages are fetched."""
    version = metadata.version("mediascrape")
    contact = f" (+{settings.contact_url})" if settings.contact_url else ""
    return FetchOptions(
        user_agent=settings.user_agent or f"mediascrape/{version}{contact}",
        limits=BodyLimits(max_bytes=settings.max_body_bytes),
        decoding=DecodingLimits(max_bytes=settings.max_body_bytes),
        # A little less than the attempt has, so that the host is named as the slow one.
        pace=Pace(total_s=0.9 * settings.job_timeout_ms / 1000),
        body_budget_bytes=settings.body_budget_bytes,
        max_url_length=settings.max_url_length,
        max_redirects=settings.max_redirects,
        connect_timeout_s=settings.connect_timeout_ms / 1000,
        http2=settings.http2,
    )


def item_filter(settings: Settings) -> ItemFilter:
    """Which media are kept."""
    return ItemFilter(
        kinds=frozenset(settings.kinds),
        min_width=settings.min_width,
        min_height=settings.min_height,
        allow_hosts=settings.allow_hosts,
        deny_hosts=settings.deny_hosts,
        extensions=frozenset(settings.extensions),
        keep_decoration=settings.keep_decoration,
    )


def worker_options(settings: Settings) -> WorkerOptions:
    """How the worker works; `auto` starts small and lets the governor find its way."""
    return WorkerOptions(
        concurrency=5 if settings.concurrency == "auto" else settings.concurrency,
        job_timeout_ms=settings.job_timeout_ms,
        lock_duration_ms=settings.lock_duration_ms,
        stalled_interval_ms=settings.stalled_interval_ms,
        max_stalled_count=settings.max_stalled_count,
        grace_s=settings.shutdown_grace_s,
        worker_name=f"{socket.gethostname()}:{os.getpid()}",
        remove_on_complete=Retention(count=settings.keep_completed_count),
        remove_on_fail=Retention(count=settings.keep_failed_count, age_s=settings.keep_failed_age_s),
        metrics_points=settings.metrics_points or None,
    )


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
