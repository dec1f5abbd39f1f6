"""A worker's slots: each holds one lock token and, while busy, one job."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from mediascrape.queue.clock import AttemptClock
from mediascrape.queue.job import Job, Retention
from mediascrape.queue.job_log import Note
from mediascrape.queue.link import Link
from mediascrape.queue.outcome import Verdict
from mediascrape.queue.scripts import QueueScripts
from mediascrape.queue.wire import encode_json, now_ms


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works. Times carry their unit in the name.

    concurrency: jobs in flight at once; can be changed while it runs.
    job_timeout_ms: an attempt that outlives this by its clock is cancelled; None lets it run.
    cancel_grace_s: a cancelled processor that has not ended by then is left behind.
    lock_duration_ms, stalled_interval_ms, max_stalled_count: as in BullMQ.
    drain_delay_s: how often an idle worker looks for work although nobody woke it.
    batch: commands in one round trip.
    grace_s: time that `close` leaves to jobs in flight before it hands them back.
    remove_on_complete, remove_on_fail: for jobs whose producer said nothing.
    metrics_points: minutes of per-minute counts to keep in the queue; None for none.
    """

    concurrency: int = 50
    job_timeout_ms: int | None = 8_000
    cancel_grace_s: float = 2.0
    lock_duration_ms: int = 30_000
    stalled_interval_ms: int = 30_000
    max_stalled_count: int = 1
    drain_delay_s: float = 5.0
    batch: int = 128
    grace_s: float = 10.0
    remove_on_complete: Retention = field(default_factory=Retention)
    remove_on_fail: Retention = field(default_factory=Retention)
    metrics_points: int | None = None
    worker_name: str | None = None
    limiter_max: int | None = None
    limiter_duration_ms: int | None = None


class Observer(Protocol):
    """Told of each job's end, after the queue has confirmed it. Must not block or raise."""

    def on_completed(self, job: Job, seconds: float) -> None: ...

    def on_failed(self, job: Job, error: BaseException, seconds: float) -> None:
        """For good, also without a run (stalled too often, not ours, malformed)."""

    def on_retry(self, job: Job, error: BaseException, delay_ms: int) -> None: ...

    def on_stalled(self, job_id: str) -> None:
        """A job whose worker vanished was put back to wait (or will be failed)."""


@dataclass(slots=True)
class WorkerCounters:
    """What a worker has done since it started."""

    claimed: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    postponed: int = 0
    handed_back: int = 0
    lost: int = 0
    stalled: int = 0
    timed_out: int = 0
    round_trips: int = 0
    reconnects: int = 0


_NO_CLOCK: Final = AttemptClock()


class Slot:
    """Place for one job. The token stays the same for the slot's life, because a job fetched by
    finishing another is locked with the other's token."""

    __slots__ = (
        "claim_options", "clock", "fetching", "generation", "job", "locked_at", "notes", "reason", "started_at",
        "task", "token", "tries", "verdict",
    )  # fmt: skip

    def __init__(self, token: str, claim_options: bytes) -> None:
        self.token = token
        self.claim_options = claim_options
        self.generation = 0
        self.clear()

    def clear(self) -> None:
        """Forget the job."""
        self.job: Job | None = None
        self.task: asyncio.Task[None] | None = None
        self.verdict: Verdict | None = None
        #: Why the task was cancelled by us: an error to report, or None.
        self.reason: BaseException | None = None
        #: Whether the finish that was sent asked for a next job.
        self.fetching = False
        self.tries = 0
        self.locked_at = 0.0
        self.started_at = 0.0
        self.clock = _NO_CLOCK
        #: For the job's log.
        self.notes: list[Note] = []
        self.generation += 1


class LockLostError(Exception):
    """Reason for cancelling a task: its job is no longer ours."""


class ClosingError(Exception):
    """Reason for cancelling a task: the worker closes and hands the job back."""


class JobContext:
    """What a processor may do for its job while it runs. clock: to be stopped while it waits for others
    of this process."""

    __slots__ = ("_link", "_notes", "_scripts", "clock", "job")

    def __init__(self, slot: Slot, job: Job, link: Link, scripts: QueueScripts) -> None:
        self.job = job
        self.clock = slot.clock
        self._notes = slot.notes
        self._link = link
        self._scripts = scripts

    def note(self, text: str) -> None:
        """For the job's log, written when the attempt is reported: it costs no round trip, and nothing
        at all for a job that completes and leaves the queue."""
        self._notes.append((now_ms(), text))

    async def log(self, row: str) -> None:
        """Append to the job's log at once (`keepLogs` of the job is honoured)."""
        await self._link.call(self._scripts.add_log(self.job.id, row, self.job.opts.keep_logs))

    async def update_progress(self, progress: float | Mapping[str, Any]) -> None:
        """Shown by dashboards, and sent to listeners of the events stream."""
        await self._link.call(self._scripts.update_progress(self.job.id, encode_json(progress)))
