"""Jobs and their options as BullMQ writes them, decoded and encoded without I/O.

Field names on the wire are Node's (`src/classes/job.ts`, `src/utils/index.ts` optsDecodeMap).
Times are milliseconds since the epoch unless a name says otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from msgpack import packb

from mediascrape.errors import JobDataError

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
            return cls("fixed", int(value)) if value else None
        if isinstance(value, Mapping):
            return cls(
                str(value.get("type", "fixed")), _int(value.get("delay")), float(value.get("jitter") or 0)
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
            return cls(count=int(value) if value >= 0 else None)
        if isinstance(value, Mapping):
            count, age = value.get("count"), value.get("age")
            return cls(_int(count) if count is not None else None, _int(age) if age is not None else None)
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

    @classmethod
    def from_wire(cls, value: object) -> Self | None:
        if not isinstance(value, Mapping) or not value.get("id"):
            return None
        ttl = value.get("ttl")
        return cls(
            str(value["id"]),
            _int(ttl) if ttl else None,
            bool(value.get("extend")),
            bool(value.get("replace")),
            bool(value.get("keepLastIfActive")),
        )

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
        """Decode the `opts` of a stored job; tolerant, because the producer may be anyone."""
        options = object.__new__(cls)  # a foreign id or priority is not ours to refuse
        put = object.__setattr__
        get = wire.get
        put(options, "attempts", _int(get("attempts")) or 1)
        put(options, "backoff", Backoff.from_wire(get("backoff")))
        put(options, "delay_ms", _int(get("delay")))
        put(options, "priority", _int(get("priority")))
        put(options, "lifo", bool(get("lifo")))
        put(options, "remove_on_complete", Retention.from_wire(get("removeOnComplete")))
        put(options, "remove_on_fail", Retention.from_wire(get("removeOnFail")))
        put(options, "job_id", get("jobId"))
        put(options, "deduplication", Deduplication.from_wire(get("de")))
        put(options, "timestamp", get("timestamp"))
        put(options, "keep_logs", get("kl"))
        put(options, "stack_trace_limit", get("stackTraceLimit"))
        put(options, "other", tuple((key, value) for key, value in wire.items() if key not in _KNOWN))
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

    def packed(self) -> bytes:
        """`to_wire` as MessagePack. Jobs of one call mostly differ in their deduplication id
        alone, so the rest is packed once and the map put together from its parts."""
        count, body = _packed_without_deduplication(
            self.attempts, self.backoff, self.delay_ms, self.priority, self.lifo, self.remove_on_complete,
            self.remove_on_fail, self.keep_logs, self.stack_trace_limit,
        ) if not self.other else _pack_body(self.to_wire(), skip="de")  # fmt: skip
        if self.deduplication is None:
            return _map_header(count) + body
        return _map_header(count + 1) + body + _PACKED_DE + _pack(self.deduplication.to_wire())


_KNOWN = frozenset({
    "attempts", "backoff", "delay", "priority", "lifo", "removeOnComplete", "removeOnFail", "jobId", "de",
    "timestamp", "kl", "stackTraceLimit",
})  # fmt: skip


def _pack(value: object) -> bytes:
    packed: bytes = packb(value, use_bin_type=True)
    return packed


_PACKED_DE = _pack("de")


def _map_header(count: int) -> bytes:
    """MessagePack's header of a map: fixmap up to 15 pairs, map 16 beyond."""
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


def _pack_body(wire: Mapping[str, Any], skip: str) -> tuple[int, bytes]:
    pairs = [(key, value) for key, value in wire.items() if key != skip]
    return len(pairs), b"".join(_pack(key) + _pack(value) for key, value in pairs)


@lru_cache(maxsize=256)
def _packed_without_deduplication(
    attempts: int, backoff: Backoff | None, delay_ms: int, priority: int, lifo: bool,
    remove_on_complete: Retention | None, remove_on_fail: Retention | None,
    keep_logs: int | None, stack_trace_limit: int | None,
) -> tuple[int, bytes]:  # fmt: skip
    options = JobOptions(
        attempts=attempts, backoff=backoff, delay_ms=delay_ms, priority=priority, lifo=lifo,
        remove_on_complete=remove_on_complete, remove_on_fail=remove_on_fail,
        keep_logs=keep_logs, stack_trace_limit=stack_trace_limit,
    )  # fmt: skip
    return _pack_body(options.to_wire(), skip="de")


def _int(value: object) -> int:
    """A number of a foreign producer; 0 for what is none."""
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0
    return int(number) if math.isfinite(number) else 0


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be added; `options` None takes the queue's defaults."""

    name: str
    data: Any
    options: JobOptions | None = None


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
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        malformed = None
        data: Any = None
        opts: Any = {}
        try:
            data = json.loads(fields.get("data", "{}"))
            opts = json.loads(fields.get("opts", "{}"))
        except (ValueError, RecursionError) as error:
            malformed = f"data or opts are not JSON: {error}"
        if not isinstance(opts, dict):
            opts, malformed = {}, "opts is not a JSON object"
        get = fields.get
        job = cls(
            job_id,
            get("name", ""),
            data,
            JobOptions.from_wire(opts),
            _int(get("timestamp")),
            _int(get("delay")),
            _int(get("priority")),
            _int(get("atm") or get("attemptsMade")),
            _int(get("ats")),
            malformed=malformed,
        )
        if len(fields) > _FIELDS_OF_A_FRESH_CLAIM + ("deid" in fields) + ("pb" in fields):
            job._decode_rest(fields)
        else:
            job.processed_on = _int(get("processedOn")) or None
            job.processed_by = get("pb")
            job.deduplication_id = get("deid")
        return job

    def _decode_rest(self, fields: Mapping[str, str]) -> None:
        get = fields.get
        self.stalled_count = _int(get("stc"))
        self.processed_on = _int(get("processedOn")) or None
        self.finished_on = _int(get("finishedOn")) or None
        self.processed_by = get("pb")
        self.progress = _json_or_text(get("progress"), 0)
        self.returnvalue = _json_or_text(get("returnvalue"), None)
        self.failed_reason = get("failedReason")
        stack = _json_or_text(get("stacktrace"), [])
        self.stacktrace = [str(entry) for entry in stack] if isinstance(stack, list) else []
        self.deferred_failure = get("defa")
        self.repeat_job_key = get("rjk")
        self.deduplication_id = get("deid")
        self.parent_key = get("parentKey")
        parent = _json_or_text(get("parent"), None)
        self.parent = parent if isinstance(parent, dict) else None


#: name, data, opts, timestamp, delay, priority, processedOn, ats: nothing else to decode.
_FIELDS_OF_A_FRESH_CLAIM = 8


def _json_or_text(text: str | None, default: Any) -> Any:
    if text is None:
        return default
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
