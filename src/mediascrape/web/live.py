"""What changes while one looks: samples for the charts, states for event streams.

One sampler looks at queue and store every two seconds, however many people watch. Rates and
durations come from the store, so that they count all workers on all machines, not only ours.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil

from mediascrape.errors import MediascrapeError
from mediascrape.queue.groups import GroupGate, GroupStatus
from mediascrape.queue.presence import Presences, WorkerPresence
from mediascrape.queue.queue import STATES
from mediascrape.service import Mediascrape
from mediascrape.store import OK, MediaQuery, ScrapeQuery, StoredScrape, Totals

log = logging.getLogger(__name__)

EVERY_S = 2.0
#: One hour of samples.
KEPT = 1800
#: Ended jobs looked at for one sample's durations.
_RECENT = 200
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of the charts. Rates are per second, durations milliseconds, memory bytes."""

    at: float
    done_rate: float
    failed_rate: float
    p50_ms: float | None
    p95_ms: float | None
    waiting: int
    in_flight: int
    limit: int
    memory: int

    def row(self) -> list[float | None]:
        """In the order of the charts' columns."""
        return [
            round(self.at, 1), round(self.done_rate, 2), round(self.failed_rate, 2), self.p50_ms, self.p95_ms,
            self.waiting, self.in_flight, self.limit, self.memory,
        ]  # fmt: skip


@dataclass(slots=True)
class State:
    """The latest look at everything."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    paused: bool = False
    totals: Totals = field(default_factory=Totals)
    newest_media: int = 0
    recent: list[StoredScrape] = field(default_factory=list)
    workers: list[WorkerPresence] = field(default_factory=list)
    hosts: list[GroupStatus] = field(default_factory=list)
    error: str | None = None


class Live:
    """Samples in the background from `run` on; `changed` wakes those who wait for the next look."""

    def __init__(
        self,
        service: Mediascrape,
        presences: Presences,
        gate: GroupGate,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._presences = presences
        self._gate = gate
        self._clock = clock
        self._process = psutil.Process()
        self._looked_at: float | None = None
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self.state = State()
        self.stopping = asyncio.Event()
        self._looked = asyncio.Condition()

    async def run(self) -> None:
        """Sample until cancelled. A service out of reach is told, not raised."""
        while True:
            try:
                await self.look()
            except MediascrapeError as error:
                self.state.error = str(error)
            except Exception:
                log.exception("the sampler failed")
            async with self._looked:
                self._looked.notify_all()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Take one sample."""
        queue, store = self._service.queue, self._service.store
        now = self._clock()
        counts = dict(await queue.counts())
        totals = await store.totals()
        recent = (await store.list_scrapes(ScrapeQuery(limit=_RECENT))).items
        newest = (await store.list_media(MediaQuery(limit=1))).items
        before, since = self.state.totals, self._looked_at
        self.state = State(
            counts={str(name): value for name, value in counts.items()},
            paused=await queue.is_paused(),
            totals=totals,
            newest_media=newest[0].id if newest else 0,
            recent=recent[:_SHOWN],
            workers=await self._presences.alive(),
            hosts=await self._gate.snapshot(_SHOWN),
        )
        self._looked_at = now
        if since is None or now <= since:
            return
        worker = self._service.worker
        p50, p95 = percentiles([one.duration_ms for one in recent if one.finished_at >= since])
        self.samples.append(
            Sample(
                at=now,
                done_rate=max(0, _ok(totals) - _ok(before)) / (now - since),
                failed_rate=max(0, _failed(totals) - _failed(before)) / (now - since),
                p50_ms=p50,
                p95_ms=p95,
                waiting=counts["waiting"] + counts["prioritized"] + counts["delayed"],
                in_flight=worker.running if worker else counts["active"],
                limit=worker.concurrency if worker else 0,
                memory=self.memory(),
            )
        )

    def memory(self) -> int:
        """Resident bytes of this process; the embedded Valkey's are not its own."""
        return int(self._process.memory_info().rss)

    async def hosts(self, most: int) -> list[GroupStatus]:
        """Hosts that keep jobs waiting now."""
        return await self._gate.snapshot(most)

    async def workers(self) -> list[WorkerPresence]:
        """Those alive now, on all machines."""
        return await self._presences.alive()

    async def wait(self) -> None:
        """Until the next look, or the end of the service."""
        async with self._looked:
            await self._looked.wait()

    async def stop(self) -> None:
        """End all streams."""
        self.stopping.set()
        async with self._looked:
            self._looked.notify_all()

    def snapshot(self) -> dict[str, Any]:
        """What event streams send; the last sample stands beside the counts."""
        state = self.state
        return {
            "counts": state.counts,
            "paused": state.paused,
            "totals": {
                "pages": state.totals.pages,
                "media": state.totals.media,
                "scrapes": state.totals.scrapes,
            },
            "newest_media": state.newest_media,
            "recent": [
                {
                    "job_id": one.job_id, "url": one.url, "outcome": one.outcome, "found": one.found,
                    "new": one.new, "duration_ms": one.duration_ms, "finished_at": one.finished_at,
                }
                for one in state.recent
            ],
            "workers": [asdict(one) for one in state.workers],
            "hosts": [asdict(one) for one in state.hosts],
            "sample": self.samples[-1].row() if self.samples else None,
            "error": state.error,
        }  # fmt: skip


def percentiles(durations: list[int]) -> tuple[float | None, float | None]:
    """The 50th and the 95th, or None for too few."""
    if not durations:
        return None, None
    if len(durations) == 1:
        return float(durations[0]), float(durations[0])
    cuts = statistics.quantiles(durations, n=20, method="inclusive")
    return round(cuts[9], 1), round(cuts[18], 1)


def _ok(totals: Totals) -> int:
    return totals.scrapes.get(OK, 0)


def _failed(totals: Totals) -> int:
    return sum(totals.scrapes.values()) - _ok(totals)
