"""Calls of BullMQ's Lua scripts: one method per script, with named arguments.

Most give the packed EVALSHA command; those of scripts that are called for many jobs at once give a
`Call`, to be packed with its neighbours (`lua.py`, where the scripts come from).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from mediascrape.queue.job import JobOptions, NewJob, Retention
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.lua import Batch, Call, Values, command, load_scripts
from mediascrape.queue.wire import pack


@dataclass(frozen=True, slots=True)
class ClaimOptions:
    """What a worker says when it claims. `name` is shown as `processedBy`."""

    lock_duration_ms: int
    name: str | None = None
    limiter_max: int | None = None
    limiter_duration_ms: int | None = None

    def wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"lockDuration": self.lock_duration_ms}
        if self.name is not None:
            wire["name"] = self.name
        if self.limiter_max is not None:
            wire["limiter"] = {"max": self.limiter_max, "duration": self.limiter_duration_ms or 1000}
        return wire


class QueueScripts:
    """The scripts bound to one queue's keys. Pure: nothing here sends."""

    def __init__(self, keys: QueueKeys) -> None:
        scripts = load_scripts()
        self.keys = k = keys
        #: What the last caller's adds share, which the next one's do too if its options are the same object.
        self._last_options: tuple[JobOptions | None, Values] = (None, ())
        self._sha = {name.partition("-")[0]: script.sha for name, script in scripts.items()}
        self._keys_of = {name.partition("-")[0]: int(name.partition("-")[2]) for name in scripts}
        self._add_standard = Batch(
            "addStandardJob-9",
            (k.wait, k.paused, k.meta, k.id, k.completed, k.delayed, k.active, k.events, k.marker), 5,
        )  # fmt: skip
        self._add_delayed = Batch(
            "addDelayedJob-6", (k.marker, k.meta, k.id, k.delayed, k.completed, k.events), 5
        )
        self._add_prioritized = Batch(
            "addPrioritizedJob-9",
            (k.marker, k.meta, k.id, k.prioritized, k.delayed, k.completed, k.active, k.events, k.pc), 5,
        )  # fmt: skip
        self._activate = Batch(
            "moveToActive-11",
            (k.wait, k.active, k.prioritized, k.events, k.stalled, k.limiter, k.delayed, k.paused, k.meta,
             k.pc, k.marker), 3,
        )  # fmt: skip
        self._delay = Batch(
            "moveToDelayed-11",
            (k.marker, k.active, k.prioritized, k.delayed, k.base, k.events, k.meta, k.stalled, k.wait,
             k.limiter, k.pc), 11,
        )  # fmt: skip
        self._retry = Batch(
            "retryJob-11",
            (k.active, k.wait, k.paused, k.base, k.meta, k.events, k.delayed, k.prioritized, k.pc, k.marker,
             k.stalled), 8,
        )  # fmt: skip
        self._finish = tuple(
            Batch(
                "moveToFinished-14",
                (k.wait, k.active, k.prioritized, k.events, k.stalled, k.limiter, k.delayed, k.paused, k.meta,
                 k.pc, target, k.base, k.metrics(outcome), k.marker), 6,
            )
            for target, outcome in ((k.completed, "completed"), (k.failed, "failed"))
        )  # fmt: skip

    def _call(self, name: str, keys: Sequence[str], *argv: str | bytes | float) -> bytes:
        return command("EVALSHA", self._sha[name], self._keys_of[name], *keys, *argv)

    # --- producers -------------------------------------------------------------------------

    def add_job(self, job_id: str, new: NewJob, data: str, options: JobOptions, timestamp: int) -> Call:
        """`data` is JSON. `new` gives name and deduplication id. The reply is the id, or another
        job's id when the deduplication id is taken, or a negative code."""
        if options is not self._last_options[0]:
            self._last_options = options, (self.keys.base, pack(options.to_wire()))
        if options.delay_ms:
            batch = self._add_delayed
        elif options.priority:
            batch = self._add_prioritized
        else:
            batch = self._add_standard
        return Call(
            batch, self._last_options[1], (job_id, new.name, timestamp, new.deduplication_id or "", data)
        )

    # --- workers ----------------------------------------------------------------------------

    def move_to_active(self, now: int, packed_options: bytes) -> Call:
        """`packed_options` comes from `claim_options`."""
        return Call(self._activate, (), (self.keys.base, now, packed_options))

    @staticmethod
    def claim_options(token: str, options: ClaimOptions) -> bytes:
        return pack({"token": token, **options.wire()})

    def move_to_finished(
        self, job_id: str, finish: Finish, now: int, *, fetch_next: bool, claim: ClaimOptions
    ) -> Call:
        value_field, outcome = _OUTCOMES[finish.failed]
        options = _finish_options(finish.retention, finish.attempts, finish.metrics_size, claim)
        return Call(
            self._finish[finish.failed],
            (now, value_field, outcome, self.keys.base, options),
            (
                job_id, finish.token, finish.value, "1" if fetch_next else "", finish.packed_fields,
                finish.packed_log,
            ),
        )  # fmt: skip

    def move_to_delayed(
        self, job_id: str, delay: Delay, now: int, *, fetch_next: bool, claim: ClaimOptions
    ) -> Call:
        base = self.keys.base
        return Call(self._delay, (), (
            base + job_id, base, now, job_id, delay.token, delay.delay_ms,
            "1" if delay.skip_attempt else "0", delay.packed_fields, "1" if fetch_next else "0",
            self.claim_options(delay.token, claim) if fetch_next else "", delay.packed_log,
        ))  # fmt: skip

    def retry_job(self, job_id: str, delay: Delay, now: int, *, lifo: bool) -> Call:
        """Back to wait at once, one attempt used; the delay's length does not matter."""
        base = self.keys.base
        return Call(self._retry, (), (
            base + job_id, base, now, "RPUSH" if lifo else "LPUSH", job_id, delay.token,
            delay.packed_fields, delay.packed_log,
        ))  # fmt: skip

    def hand_back(self, job_id: str, token: str) -> bytes:
        """Back to the head of wait, no attempt used."""
        k = self.keys
        keys = (
            k.active, k.wait, k.stalled, k.paused, k.meta, k.limiter, k.prioritized, k.marker, k.events,
        )  # fmt: skip
        return self._call("moveJobFromActiveToWait", keys, job_id, token, k.job(job_id))

    def extend_locks(self, job_ids: Sequence[str], tokens: Sequence[str], duration_ms: int) -> bytes:
        """The reply is the ids whose lock is gone or another's."""
        k = self.keys
        return self._call(
            "extendLocks", (k.stalled,), k.base, pack(list(tokens)), pack(list(job_ids)), duration_ms
        )

    def release_lock(self, job_id: str, token: str) -> bytes:
        return self._call("releaseLock", (self.keys.lock(job_id),), token, self.keys.lock(job_id))

    def move_stalled_jobs_to_wait(self, max_stalled_count: int, interval_ms: int, now: int) -> bytes:
        k = self.keys
        keys = (
            k.stalled, k.wait, k.active, k.stalled_check, k.meta, k.paused, k.marker, k.events, k.repeat,
        )  # fmt: skip
        return self._call("moveStalledJobsToWait", keys, max_stalled_count, k.base, now, interval_ms)

    # --- one job ----------------------------------------------------------------------------

    def update_progress(self, job_id: str, progress: str) -> bytes:
        k = self.keys
        return self._call("updateProgress", (k.job(job_id), k.events, k.meta), job_id, progress)

    def add_log(self, job_id: str, row: str, keep: int | None) -> bytes:
        k = self.keys
        return self._call(
            "addLog", (k.job(job_id), k.logs(job_id)), job_id, row, "" if keep is None else keep
        )

    def get_state(self, job_id: str) -> bytes:
        k = self.keys
        keys = (
            k.completed, k.failed, k.delayed, k.active, k.wait, k.paused, k.waiting_children, k.prioritized,
        )  # fmt: skip
        return self._call("getStateV2", keys, job_id)

    def reprocess_job(self, job_id: str, *, failed: bool, lifo: bool, reset_attempts: bool) -> bytes:
        """A finished job back to wait; 1, or -1 no such job, -3 not in that state."""
        k = self.keys
        keys = (
            k.job(job_id), k.events, k.failed if failed else k.completed, k.wait, k.meta, k.active, k.marker,
            k.prioritized, k.pc,
        )  # fmt: skip
        reset = "1" if reset_attempts else "0"
        return self._call(
            "reprocessJob", keys, job_id, "RPUSH" if lifo else "LPUSH",
            "failedReason" if failed else "returnvalue", "failed" if failed else "completed", reset, reset,
        )  # fmt: skip

    def remove_job(self, job_id: str) -> bytes:
        """1 removed, 0 locked, -8 owned by a scheduler."""
        k = self.keys
        return self._call("removeJob", (k.job(job_id), k.repeat), job_id, "1", k.base)

    def promote(self, job_id: str) -> bytes:
        k = self.keys
        keys = (
            k.delayed, k.wait, k.paused, k.meta, k.prioritized, k.active, k.pc, k.events, k.marker,
        )  # fmt: skip
        return self._call("promote", keys, k.base, job_id)

    def change_delay(self, job_id: str, delay_ms: int, now: int) -> bytes:
        k = self.keys
        return self._call(
            "changeDelay", (k.delayed, k.meta, k.marker, k.events), delay_ms, now, job_id, k.job(job_id)
        )

    def change_priority(self, job_id: str, priority: int, *, lifo: bool) -> bytes:
        k = self.keys
        keys = (k.wait, k.paused, k.meta, k.prioritized, k.active, k.pc, k.marker)
        return self._call("changePriority", keys, priority, k.base, job_id, "1" if lifo else "0")

    # --- the queue ------------------------------------------------------------------------------

    def get_counts(self, states: Sequence[str]) -> bytes:
        return self._call("getCounts", (self.keys.base,), *states)

    def get_jobs(self, state: str, start: int, end: int, *, oldest_first: bool) -> bytes:
        """`[[id, [field, value, ...]], ...]` for one state, inside a list."""
        return self._call(
            "getJobs", (self.keys.base,), start, end, "1" if oldest_first else "0", _BACKFILL, state
        )

    def pause(self) -> bytes:
        k = self.keys
        keys = (k.wait, k.paused, k.meta, k.prioritized, k.events, k.delayed, k.marker)
        return self._call("pause", keys, "paused", "1")

    def resume(self, *, emit: bool) -> bytes:
        """The reply counts jobs of a pre-6 `paused` list still to be moved: call until 0."""
        k = self.keys
        keys = (k.paused, k.wait, k.meta, k.prioritized, k.events, k.delayed, k.marker)
        return self._call("pause", keys, "resumed", "1" if emit else "0")

    def clean(self, state: str, before: int, limit: int) -> bytes:
        """Ids removed: finished (or added) before the time `before`, `limit` 0 for all."""
        k = self.keys
        return self._call(
            "cleanJobsInSet", (k.base + state, k.events, k.repeat), k.base, before, limit, state
        )

    def drain(self, *, delayed: bool) -> bytes:
        k = self.keys
        keys = (k.wait, k.paused, k.delayed, k.prioritized, k.repeat)
        return self._call("drain", keys, k.base, "1" if delayed else "0")

    def obliterate(self, count: int, *, force: bool) -> bytes:
        """0 done, 1 call again, -1 not paused, -2 jobs are active."""
        return self._call("obliterate", (self.keys.meta, self.keys.base), count, "force" if force else "")

    def move_jobs_to_wait(self, state: str, count: int, before: int) -> bytes:
        """All jobs of a state back to wait, `count` at a time: 1 when more are left."""
        k = self.keys
        keys = (k.base, k.events, k.base + state, k.wait, k.paused, k.meta, k.active, k.marker)
        return self._call("moveJobsToWait", keys, count, before, state)

    def get_metrics(self, outcome: str, start: int, end: int) -> bytes:
        key = self.keys.metrics(outcome)
        return self._call("getMetrics", (key, f"{key}:data"), start, end)

    def get_rate_limit_ttl(self) -> bytes:
        return self._call("getRateLimitTtl", (self.keys.limiter, self.keys.meta), "0")


#: By `failed`: property of the job, target set.
_OUTCOMES = (("returnvalue", "completed"), ("failedReason", "failed"))


@lru_cache(maxsize=256)
def _finish_options(
    retention: Retention, attempts: int, metrics_size: int | None, claim: ClaimOptions
) -> bytes:
    """All but the token."""
    return pack(
        {
            "keepJobs": retention.keep_jobs(),
            "attempts": attempts,
            "maxMetricsSize": metrics_size or "",
            **claim.wire(),
        }
    )


#: How often getJobs may read on to fill a page when ids without a job lie in between.
_BACKFILL = 5


class Finish(NamedTuple):
    """The end of a job. `value` is JSON when completed, the plain reason when failed. packed_log: rows for
    its log (job_log.py)."""

    token: str
    value: str
    retention: Retention
    attempts: int
    failed: bool = False
    metrics_size: int | None = None
    packed_fields: bytes = b""
    packed_log: bytes = b""


@dataclass(frozen=True, slots=True)
class Delay:
    """A running job goes back to wait `delay_ms` from now; `skip_attempt` leaves its count."""

    token: str
    delay_ms: int
    skip_attempt: bool = False
    packed_fields: bytes = b""
    packed_log: bytes = b""
