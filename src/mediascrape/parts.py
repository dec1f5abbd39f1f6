"""Builds each part of a process from Settings; who asked for it ends it with his exit stack."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import resource
import socket
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from importlib import metadata
from typing import Any

import psutil
from redis.asyncio import Redis

from mediascrape.admission import HostAdmission, robots_fetcher
from mediascrape.governor import Governor, GovernorOptions, MemoryGauge, govern
from mediascrape.observing import Observer
from mediascrape.pipeline import Pipeline
from mediascrape.queue.cache import SharedCache
from mediascrape.queue.cancelling import cancel_and_wait
from mediascrape.queue.connection import check_server, connect, queue_errors
from mediascrape.queue.embedded import EmbeddedOptions, EmbeddedValkey
from mediascrape.queue.groups import GateOptions, GroupGate
from mediascrape.queue.job import Backoff, JobOptions, Retention
from mediascrape.queue.presence import Presences, WorkerPresence
from mediascrape.queue.queue import PATIENCE_S, Queue
from mediascrape.queue.slots import WorkerOptions
from mediascrape.queue.worker import Worker
from mediascrape.scrape.decoding import DecodingLimits
from mediascrape.scrape.extract import ExtractOptions, ItemFilter
from mediascrape.scrape.extraction import Extractor
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.guard import AddressGuard
from mediascrape.scrape.limits import BodyLimits, Pace
from mediascrape.scrape.options import FetchOptions
from mediascrape.scrape.politeness import HostPolicy
from mediascrape.scrape.robots import Robots
from mediascrape.scrape.turns import Guests
from mediascrape.settings import Settings
from mediascrape.store import Store, StoreOptions
from mediascrape.upkeep import Upkeep

log = logging.getLogger(__name__)


async def open_queue_server(settings: Settings, stack: AsyncExitStack) -> str:
    """URL of the Valkey or Redis to use; the embedded one is started and held until `stack` ends."""
    if settings.queue_url is not None:
        return settings.queue_url
    embedded = await stack.enter_async_context(EmbeddedValkey(settings.data_dir, embedded_options(settings)))
    return embedded.url


def embedded_options(settings: Settings) -> EmbeddedOptions:
    """Those of the process that starts the server; others join it as it is."""
    return EmbeddedOptions(appendfsync=settings.queue_fsync)


async def open_queue(
    settings: Settings, url: str, stack: AsyncExitStack, *, patience_s: float = PATIENCE_S
) -> Queue:
    """The queue with the defaults of the settings, its server looked at first.

    patience_s: how long a call waits for a server that is away."""
    client = connect(url)
    stack.push_async_callback(client.aclose)
    server = await check_server(client, url)
    for warning in server.warnings:
        log.warning("%s", warning)
    queue = Queue(
        client, settings.queue_name, settings.queue_prefix, job_defaults(settings),
        patience_s=patience_s, max_memory_bytes=settings.queue_max_memory_bytes,
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
    settings: Settings, url: str, store: Store, observer: Observer, guests: Guests, stack: AsyncExitStack
) -> Worker:
    """A worker that has begun; when `stack` ends it finishes or hands back what it runs. It takes shorter
    turns at the loop while any of `guests` waits."""
    raise_file_limit(files_wanted(settings))
    client = connect(url)
    stack.push_async_callback(client.aclose)
    fetcher = Fetcher(fetch_options(settings), AddressGuard(settings.allow_networks))
    await stack.enter_async_context(fetcher)
    base = f"{settings.queue_prefix}:{settings.queue_name}:"
    gate = GroupGate(client, base, GateOptions(failures_before_rest=settings.host_failures_before_rest))
    stack.push_async_callback(gate.close)
    robots = None
    if settings.robots:
        robots = Robots(robots_fetcher(fetcher), open_cache(client, base, "robots", stack))
        stack.push_async_callback(robots.close)
    policy = HostPolicy(
        settings.host_concurrency,
        settings.host_delay_ms / 1000,
        give_up_after_rests=settings.host_give_up_after_rests,
    )
    options = ExtractOptions(deep=settings.deep, decoration=settings.keep_decoration)
    extractor = Extractor(options, item_filter(settings), guests)
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
        await cancel_and_wait([task])

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
        ca_file=None if settings.ca_file is None else str(settings.ca_file),
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


def worker_name(host: str, process: int) -> str:
    """What dashboards call a worker; CLIENT SETNAME takes no blanks and nothing beyond ASCII."""
    return f"{re.sub(r'[^!-~]', '-', host)}:{process}"


def worker_options(settings: Settings) -> WorkerOptions:
    """How the worker works; `auto` starts small and lets the governor find its way."""
    return WorkerOptions(
        concurrency=5 if settings.concurrency == "auto" else settings.concurrency,
        job_timeout_ms=settings.job_timeout_ms,
        lock_duration_ms=settings.lock_duration_ms,
        stalled_interval_ms=settings.stalled_interval_ms,
        max_stalled_count=settings.max_stalled_count,
        grace_s=settings.shutdown_grace_s,
        worker_name=worker_name(socket.gethostname(), os.getpid()),
        remove_on_complete=Retention(count=settings.keep_completed_count),
        remove_on_fail=Retention(count=settings.keep_failed_count, age_s=settings.keep_failed_age_s),
        metrics_points=settings.metrics_points or None,
    )
