"""What becomes of a job after an attempt: pure decisions."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mediascrape.errors import MediascrapeError
from mediascrape.queue.job import Job, backoff_delay
from mediascrape.queue.wire import encode_json, pack

#: Longest delay of a retry (a Retry-After may ask for anything): one day.
MAX_DELAY_MS = 86_400_000
#: Characters of one stack trace kept in the job.
_MAX_STACK = 4096
_MAX_STACKS = 10


class Postpone(Exception):  # noqa: N818  an instruction to the worker, not an error
    """Raised by a processor: run the job again in `delay_ms`, with no attempt used. `why` is for the
    job's log."""

    def __init__(self, delay_ms: int, why: str = "") -> None:
        super().__init__(f"postponed by {delay_ms} ms")
        self.delay_ms = max(int(delay_ms), 0)
        self.why = why


@dataclass(frozen=True, slots=True)
class Completed:
    """`value` is JSON."""

    value: str


@dataclass(frozen=True, slots=True)
class Failed:
    """For good: no attempt left, or none would help. `ran` is False for a job failed unrun."""

    reason: str
    error: BaseException
    packed_fields: bytes = b""
    ran: bool = True


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt after `delay_ms` (0: at once). `asked`: it is as long as the host wanted."""

    reason: str
    error: BaseException
    delay_ms: int
    packed_fields: bytes
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """Back to the delayed set, no attempt used."""

    delay_ms: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class HandedBack:
    """Back to the head of wait, no attempt used: the worker is closing."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lock is gone: the job is another worker's, or no longer there. Nothing is reported."""


Verdict = Completed | Failed | Retry | Postponed | HandedBack | Lost


def judge_result(job: Job, value: object, random: Callable[[], float]) -> Verdict:
    """A processor returned. A value that is no JSON fails the job."""
    if value is None:
        return Completed("null")
    try:
        return Completed(encode_json(value))
    except (TypeError, ValueError, RecursionError) as error:
        return judge_error(job, error, random)


def judge_error(job: Job, error: BaseException, random: Callable[[], float]) -> Verdict:
    """A processor raised.

    Errors of our own say whether another attempt can help (`retryable`); of others it is assumed.
    `retry_after` (seconds), where an error has it, is waited for if it is longer than the backoff.
    """
    if isinstance(error, Postpone):
        return Postponed(error.delay_ms, error.why)
    reason = reason_of(error)
    fields = pack(["failedReason", reason, "stacktrace", encode_json(_stacks(job, error, reason))])
    retryable = error.retryable if isinstance(error, MediascrapeError) else True
    if not retryable or job.attempts_made + 1 >= job.opts.attempts:
        return Failed(reason, error, fields)
    delay = backoff_delay(job.opts.backoff, job.attempts_made + 1, random)
    retry_after = getattr(error, "retry_after", None)
    asked_ms = int(retry_after * 1000) if isinstance(retry_after, int | float) else 0
    return Retry(reason, error, min(max(delay, asked_ms), MAX_DELAY_MS), fields, asked_ms > delay)


def fail_unrun(job: Job, error: MediascrapeError) -> Failed:
    """The verdict on a job that must not be run."""
    reason = reason_of(error)
    fields: list[Any] = ["failedReason", reason, "stacktrace", encode_json(_stacks(job, error, reason))]
    return Failed(reason, error, pack(fields), ran=False)


def reason_of(error: BaseException) -> str:
    """One line for `failedReason`."""
    if isinstance(error, MediascrapeError):
        return wire_text(error.reason)
    return wire_text(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def wire_text(text: str) -> str:
    """Without lone surrogates, which have no UTF-8 form and would be refused by the wire."""
    return text.encode("utf-8", "replace").decode()


def _stacks(job: Job, error: BaseException, reason: str) -> list[str]:
    """Errors of our own are expected and tell all in their reason; of others the trace is kept."""
    if isinstance(error, MediascrapeError):
        stack = reason
    else:
        stack = wire_text("".join(traceback.format_exception(error))[-_MAX_STACK:])
    limit = job.opts.stack_trace_limit
    keep = _MAX_STACKS if limit is None else min(max(limit, 0), _MAX_STACKS)
    return [*job.stacktrace, stack][-keep:] if keep else []
