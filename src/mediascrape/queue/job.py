"""Jobs and their options as BullMQ writes them, decoded and encoded without I/O.

Field names on the wire are Node's (`src/classes/job.ts`, `src/utils/index.ts` optsDecodeMap).
Times are milliseconds since the epoch unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import orjson

from mediascrape.errors import JobDataError
from mediascrape.queue.wire import decode_json, json_or_text, to_float, to_int

#: Bits of a priority that the score of the `prioritized` set has room for.
MAX_PRIORITY = 2**21 - 1


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay before another attempt; `jitter` is the share of it (0 to 1) drawn at random."""

    type: str
    delay_ms: int
    jitter: float = 0.0

    @classmethod
    def from_wire(cls, value: object) -> Self | None:
        """A number means a fixed delay, as in Node's `Backoffs.normalize`."""
        if isinstance(value, int | float):
            return cls("fixed", to_int(value)) if value else None
        if isinstance(value, Mapping):
            return cls(
                str(value.get("type", "fixed")), to_int(value.get("delay")), to_float(value.get("jitter"))
            )
        return None

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"type": self.type, "delay": self.delay_ms}
        if self.jitter:
            wire["jitter"] = self.jitter
        return wire


def backoff_delay(backoff: Backoff | None, attempts_made: int, random: Callable[[], float]) -> int:
    """Milliseconds to wait after the `attempts_made`-th attempt failed (1 for the first).

    The formula is Node's (`src/classes/backoffs.ts`): the whole delay, or between
    `(1 - jitter)` of it and all of it. `random` gives numbers in [0, 1). A type that only the
    producer's own process knows (a custom strategy) counts as fixed.
    """
    if backoff is None:
        return 0
    delay = float(backoff.delay_ms)
    if backoff.type == "exponential":
        delay = float(round(math.ldexp(delay, min(attempts_made - 1, 64))))
    jitter = min(max(backoff.jitter, 0.0), 1.0)
    if jitter > 0:
        delay = math.floor(random() * delay * jitter + delay * (1 - jitter))
    return int(min(delay, 2**43))


@dataclass(frozen=True, slots=True)
class Retention:
    """How many finished jobs stay, and for how long. `count` 0 keeps none, None keeps all."""

    count: int | None = None
    age_s: int | None = None

    @classmethod
    def from_wire(cls, value: object) -> Self | None:
        """Node's removeOnComplete/removeOnFail: true, false, a number, or `{age, count}`."""
        if value is None:
            return None
        if value is True:
            return cls(count=0)
        if value is False:
            return cls()
        if isinstance(value, int | float):
            return cls(count=to_int(value) if value >= 0 else None)
        if isinstance(value, Mapping):
            count, age = value.get("count"), value.get("age")
            return cls(to_int(count) if count is not None else None, to_int(age) if age is not None else None)
        return None

    def to_wire(self) -> bool | dict[str, int]:
        if self.age_s is None:
            return self.count == 0 if not self.count else {"count": self.count}
        wire = {"age": self.age_s}
        if self.count is not None:
            wire["count"] = self.count
        return wire

    def keep_jobs(self) -> dict[str, int]:
        """The `keepJobs` option of moveToFinished; -1 means no limit."""
        keep: dict[str, int] = {}
        if self.count is not None:
            keep["count"] = self.count
        if self.age_s is not None:
            keep["age"] = self.age_s
        return keep or {"count": -1}


@dataclass(frozen=True, slots=True)
class Deduplication:
    """A job with this id is not added while another with it is pending (or for `ttl_ms`)."""

    id: str
    ttl_ms: int | None = None
    extend: bool = False
    replace: bool = False
    keep_last_if_active: bool = False

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"id": self.id}
        if self.ttl_ms is not None:
            wire["ttl"] = self.ttl_ms
        for name, value in (
            ("extend", self.extend),
            ("replace", self.replace),
            ("keepLastIfActive", self.keep_last_if_active),
        ):
            if value:
                wire[name] = True
        return wire


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a producer asks for a job. Fields of a foreign producer that we don't act on are kept
    in `other` as they came.

    `timestamp` None means "now"; `job_id` None lets the queue choose one.
    """

    attempts: int = 1
    backoff: Backoff | None = None
    delay_ms: int = 0
    priority: int = 0
    lifo: bool = False
    remove_on_complete: Retention | None = None
    remove_on_fail: Retention | None = None
    job_id: str | None = None
    deduplication: Deduplication | None = None
    timestamp: int | None = None
    keep_logs: int | None = None
    stack_trace_limit: int | None = None
    other: tuple[tuple[str, Any], ...] = field(default=(), hash=False)

    def __post_init__(self) -> None:
        """Raises JobDataError for what BullMQ's own producers refuse."""
        if not 0 <= self.priority <= MAX_PRIORITY:
            raise JobDataError(f"priority must be between 0 and {MAX_PRIORITY}, not {self.priority}")
        if self.job_id is not None and (not self.job_id or ":" in self.job_id or self.job_id.isdecimal()):
            raise JobDataError(f"a job id must not be empty, an integer or hold a colon: {self.job_id!r}")

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The `opts` of a stored job, but for the deduplication (see `Job.deduplication_id`);
        tolerant, because the producer may be anyone."""
        options = object.__new__(cls)  # a foreign id or priority is not ours to refuse
        get = wire.get
        for name, value in (
            ("attempts", to_int(get("attempts")) or 1),
            ("backoff", Backoff.from_wire(get("backoff"))),
            ("delay_ms", to_int(get("delay"))),
            ("priority", to_int(get("priority"))),
            ("lifo", bool(get("lifo"))),
            ("remove_on_complete", Retention.from_wire(get("removeOnComplete"))),
            ("remove_on_fail", Retention.from_wire(get("removeOnFail"))),
            ("job_id", get("jobId")),
            ("deduplication", None),
            ("timestamp", get("timestamp")),
            ("keep_logs", get("kl")),
            ("stack_trace_limit", get("stackTraceLimit")),
            ("other", tuple((key, value) for key, value in wire.items() if key not in _KNOWN)),
        ):
            object.__setattr__(options, name, value)
        return options

    def to_wire(self) -> dict[str, Any]:
        """The `opts` map, without what only concerns the adding (id, timestamp)."""
        wire: dict[str, Any] = dict(self.other)
        wire["attempts"] = self.attempts
        if self.backoff is not None:
            wire["backoff"] = self.backoff.to_wire()
        if self.delay_ms:
            wire["delay"] = self.delay_ms
        if self.priority:
            wire["priority"] = self.priority
        if self.lifo:
            wire["lifo"] = True
        if self.remove_on_complete is not None:
            wire["removeOnComplete"] = self.remove_on_complete.to_wire()
        if self.remove_on_fail is not None:
            wire["removeOnFail"] = self.remove_on_fail.to_wire()
        if self.deduplication is not None:
            wire["de"] = self.deduplication.to_wire()
        if self.keep_logs is not None:
            wire["kl"] = self.keep_logs
        if self.stack_trace_limit is not None:
            wire["stackTraceLimit"] = self.stack_trace_limit
        return wire


_KNOWN = frozenset({
    "attempts", "backoff", "delay", "priority", "lifo", "removeOnComplete", "removeOnFail", "jobId", "de",
    "timestamp", "kl", "stackTraceLimit",
})  # fmt: skip


@lru_cache(maxsize=256)
def _stored_options(text: bytes) -> JobOptions:
    """Decoded once for all jobs that have the same; the deduplication, which differs, is left out."""
    return JobOptions.from_wire(decode_json(text))


_NO_OPTIONS = JobOptions()


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be added; `options` None takes the queue's defaults.

    deduplication_id, job_id: as `Deduplication(id)` and `job_id` in the options. Jobs that differ in
    nothing else share one options object, which is then packed once.
    """

    name: str
    data: Any
    options: JobOptions | None = None
    deduplication_id: str | None = None
    job_id: str | None = None


@dataclass(slots=True)
class Job:
    """One stored job. A snapshot: nothing here follows later changes in the queue.

    Not frozen, because one is made for every claim and freezing would triple its cost; treat it as
    read-only.
    """

    id: str
    name: str
    data: Any
    opts: JobOptions
    timestamp: int = 0
    delay: int = 0
    priority: int = 0
    attempts_made: int = 0
    attempts_started: int = 0
    stalled_count: int = 0
    processed_on: int | None = None
    finished_on: int | None = None
    processed_by: str | None = None
    progress: Any = 0
    returnvalue: Any = None
    failed_reason: str | None = None
    stacktrace: list[str] = field(default_factory=list)
    deferred_failure: str | None = None
    repeat_job_key: str | None = None
    deduplication_id: str | None = None
    parent_key: str | None = None
    parent: Mapping[str, Any] | None = None
    #: Where the job stood when it was read; None when nobody asked.
    state: str | None = None
    #: Why `data` or `opts` could not be decoded; such a job is failed unrun.
    malformed: str | None = None

    @classmethod
    def from_wire(cls, job_id: str, flat: Sequence[str]) -> Self:
        """Decode HGETALL's flat list of fields. Never raises: what cannot be decoded is told in
        `malformed`, so that the job can be failed with a reason."""
        wire = dict(zip(flat[::2], flat[1::2], strict=True))
        get = wire.get
        malformed = None if "name" in wire else "the job was removed while it waited"
        data: Any = None
        options = _NO_OPTIONS
        try:
            data = decode_json(get("data", "{}"))
            opts = decode_json(get("opts", "{}"))
            opts.pop("de", None)
            options = _stored_options(orjson.dumps(opts))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            malformed = f"data or opts are not JSON as BullMQ writes it: {error}"
        job = cls(
            job_id,
            get("name", ""),
            data,
            options,
            to_int(get("timestamp")),
            to_int(get("delay")),
            to_int(get("priority")),
            to_int(get("atm") or get("attemptsMade")),
            to_int(get("ats")),
            malformed=malformed,
        )
        if "ats" not in wire or len(wire) > _FIELDS_OF_A_FRESH_CLAIM + ("deid" in wire) + ("pb" in wire):
            job._decode_rest(wire)
        else:
            job.processed_on = to_int(get("processedOn")) or None
            job.processed_by = get("pb")
            job.deduplication_id = get("deid")
        return job

    def _decode_rest(self, wire: Mapping[str, str]) -> None:
        get = wire.get
        self.stalled_count = to_int(get("stc"))
        self.processed_on = to_int(get("processedOn")) or None
        self.finished_on = to_int(get("finishedOn")) or None
        self.processed_by = get("pb")
        self.progress = json_or_text(get("progress"), 0)
        self.returnvalue = json_or_text(get("returnvalue"), None)
        self.failed_reason = get("failedReason")
        stack = json_or_text(get("stacktrace"), [])
        self.stacktrace = [str(entry) for entry in stack] if isinstance(stack, list) else []
        self.deferred_failure = get("defa")
        self.repeat_job_key = get("rjk")
        self.deduplication_id = get("deid")
        self.parent_key = get("parentKey")
        parent = json_or_text(get("parent"), None)
        self.parent = parent if isinstance(parent, dict) else None


#: name, data, opts, timestamp, delay, priority, processedOn, ats: nothing else to decode.
_FIELDS_OF_A_FRESH_CLAIM = 8
