"""`/metrics` in Prometheus's text format, counted when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from mediascrape.store import Totals
from mediascrape.web.live import Live
from mediascrape.web.parts import Parts


async def exposition(parts: Parts) -> bytes:
    """All metrics. Raises ServiceUnavailableError where queue or store are out of reach."""
    counts = {str(name): value for name, value in (await parts.media.queue.counts()).items()}
    totals = await parts.media.store.totals()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([*_queue(counts), *_store(totals), *_process(parts.live), *_worker(parts)]))
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


def _process(live: Live) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "mediascrape_memory_bytes", "Resident memory of this process.", value=live.memory()
    )


def _worker(parts: Parts) -> Iterator[Metric]:
    worker = parts.media.worker
    if worker is None:
        return
    yield GaugeMetricFamily("mediascrape_worker_in_flight", "Jobs running here.", value=worker.running)
    yield GaugeMetricFamily("mediascrape_worker_limit", "Most jobs at once here.", value=worker.concurrency)
    events = CounterMetricFamily("mediascrape_worker_events", "What this worker did.", labels=["event"])
    counters = worker.counters
    for name in (
        "claimed",
        "completed",
        "failed",
        "retried",
        "postponed",
        "stalled",
        "timed_out",
        "reconnects",
    ):
        events.add_metric([name], getattr(counters, name))
    yield events
