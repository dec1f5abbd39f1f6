"""`/metrics` in Prometheus's text format, counted when it is asked for. docs/operation.md explains each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from mediascrape.governor import Governor
from mediascrape.histogram import Histogram
from mediascrape.observing import Observer
from mediascrape.queue.groups import GroupStatus
from mediascrape.queue.presence import WorkerPresence
from mediascrape.queue.worker import Worker
from mediascrape.store import Totals
from mediascrape.store.committer import CommitStats
from mediascrape.web.live import Live
from mediascrape.web.parts import Parts

#: Waiting hosts that are counted.
_MOST_HOSTS = 1000
_EVENTS = (
    "claimed", "completed", "failed", "retried", "postponed", "handed_back", "lost", "stalled", "timed_out",
    "round_trips", "reconnects",
)  # fmt: skip


async def exposition(parts: Parts) -> bytes:
    """All metrics. Raises ServiceUnavailableError where queue or store are out of reach."""
    service = parts.media
    counts, totals, hosts, workers = await asyncio.gather(
        service.queue.counts(),
        service.store.totals(),
        parts.live.hosts(_MOST_HOSTS),
        parts.live.workers(),
    )
    metrics = [
        *_queue({str(state): count for state, count in counts.items()}),
        *_store(totals),
        *_commits(service.store.commit_stats),
        *_hosts(hosts),
        *_workers(workers),
        *_process(parts.live),
    ]
    if service.worker is not None:
        metrics += [*_worker(service.worker), *_attempts(service.observer)]
    if service.governor is not None:
        metrics += _governor(service.governor)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(metrics))
    ProcessCollector(namespace="mediascrape", registry=registry)
    return generate_latest(registry)


class _Collected(Collector):
    """What was asked before, because a collector itself cannot await."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _queue(counts: dict[str, int]) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("mediascrape_queue_jobs", "Jobs in the queue by state.", labels=["state"])
    for state, count in counts.items():
        jobs.add_metric([state], count)
    yield jobs


def _store(totals: Totals) -> Iterator[Metric]:
    ended = CounterMetricFamily("mediascrape_scrapes", "Jobs that ended, by outcome.", labels=["outcome"])
    for outcome, count in totals.scrapes.items():
        ended.add_metric([outcome], count)
    media = GaugeMetricFamily("mediascrape_media", "Media items in the store.", labels=["kind"])
    for kind, count in totals.media.items():
        media.add_metric([kind], count)
    yield ended
    yield media
    yield GaugeMetricFamily("mediascrape_pages", "Pages in the store.", value=totals.pages)


def _commits(stats: CommitStats) -> Iterator[Metric]:
    yield _histogram("mediascrape_store_commit_seconds", "Time of a group commit.", "", {"": stats.durations})
    yield CounterMetricFamily("mediascrape_store_records", "Records committed.", value=stats.records)
    yield GaugeMetricFamily(
        "mediascrape_store_waiting", "Records that wait for a commit.", value=stats.waiting
    )


def _hosts(hosts: list[GroupStatus]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "mediascrape_hosts_waiting", "Hosts that keep jobs waiting, by reason.", labels=["why"]
    )
    for why, count in Counter(host.why for host in hosts).items():
        waiting.add_metric([why], count)
    yield waiting
    yield GaugeMetricFamily(
        "mediascrape_host_longest_wait_seconds",
        "How long the host that must wait longest is still left alone.",
        value=max((max(host.paused_ms, host.line_ms) for host in hosts), default=0) / 1000,
    )


def _workers(alive: Sequence[WorkerPresence]) -> Iterator[Metric]:
    """Worker processes serve no metrics of their own: what each says of itself is told for all."""
    reasons = GaugeMetricFamily(
        "mediascrape_workers", "Workers alive on all machines, by the reason of their limit.", labels=["why"]
    )
    for why, count in Counter(worker.why for worker in alive).items():
        reasons.add_metric([why], count)
    yield reasons
    for name, help_text, value in (
        ("in_flight", "Jobs running in all workers.", sum(worker.in_flight for worker in alive)),
        ("limit", "Most jobs at once of all workers.", sum(worker.limit for worker in alive)),
        ("memory_bytes", "Resident memory of all workers.", sum(worker.memory for worker in alive)),
    ):
        yield GaugeMetricFamily(f"mediascrape_workers_{name}", help_text, value=value)


def _process(live: Live) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "mediascrape_memory_bytes", "Resident memory of this process.", value=live.memory()
    )


def _worker(worker: Worker) -> Iterator[Metric]:
    yield GaugeMetricFamily("mediascrape_worker_in_flight", "Jobs running here.", value=worker.running)
    yield GaugeMetricFamily("mediascrape_worker_limit", "Most jobs at once here.", value=worker.concurrency)
    events = CounterMetricFamily("mediascrape_worker_events", "What this worker did.", labels=["event"])
    for name in _EVENTS:
        events.add_metric([name], getattr(worker.counters, name))
    yield events


def _attempts(observer: Observer) -> Iterator[Metric]:
    yield _histogram(
        "mediascrape_attempt_seconds", "Time of an attempt, by how it ended.", "outcome", observer.attempts
    )
    yield _histogram(
        "mediascrape_step_seconds", "Time of a step of an attempt: admit, fetch, extract, save.", "step",
        observer.steps,
    )  # fmt: skip


def _governor(governor: Governor) -> Iterator[Metric]:
    why = GaugeMetricFamily(
        "mediascrape_governor_reason", "1 for the reason of the present limit.", labels=["why"]
    )
    why.add_metric([governor.why], 1)
    yield why
    yield GaugeMetricFamily(
        "mediascrape_governor_job_cpu_seconds", "Processor time of one job, as seen lately.",
        value=governor.cost_s,
    )  # fmt: skip
    for name, help_text, value in (
        (
            "loop_lag_seconds",
            "How late the event loop was at worst, in a quarter second.",
            governor.seen.lag_s,
        ),
        ("busy_ratio", "Share of the time in which the event loop ran or wanted to.", governor.seen.busy),
        ("memory_ratio", "Share in use of the memory that may be used.", governor.seen.memory),
    ):
        yield GaugeMetricFamily(f"mediascrape_governor_{name}", help_text, value=value)


def _histogram(name: str, help_text: str, label: str, parts: Mapping[str, Histogram]) -> Metric:
    """One family; with `label`, the parts by its values."""
    family = HistogramMetricFamily(name, help_text, labels=[label] if label else [])
    for value, histogram in parts.items():
        buckets = [(f"{bound:g}" if isfinite(bound) else "+Inf", n) for bound, n in histogram.cumulative()]
        family.add_metric([value] if label else [], buckets, histogram.sum)
    return family
