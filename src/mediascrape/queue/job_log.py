"""A job's own log (BullMQ's `logs`): what `getJobLogs`, Bull Board and our job page show.

Rows ride with the script call that reports the attempt and take effect with it or not at all: no round
trip of their own, and none twice after a lost connection. A job that leaves the queue takes its log
along, so for one that completes and leaves nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mediascrape.queue.job import Job
from mediascrape.queue.outcome import Completed, Failed, Postponed, Retry, Verdict, wire_text
from mediascrape.queue.wire import pack, to_int

#: Characters of one row, and rows of one attempt.
MAX_ROW = 1000
MAX_ROWS = 100
#: A shorter hold is not worth a row: hosts with a queue of jobs keep each waiting for moments.
LEAST_HOLD_MS = 1000

#: What was noted while the job ran: milliseconds since the epoch, text.
Note = tuple[int, str]


def packed_rows(job: Job, verdict: Verdict, notes: Sequence[Note], now: int) -> bytes:
    """The rows of an attempt, as the scripts take them; b"" for none."""
    match verdict:
        case Completed():
            rows = list(notes)
        case Failed() | Retry():
            rows = [*notes, (now, _failure(job, verdict))]
        case Postponed() if _tells(job, verdict):
            rows = [*notes, (now, _hold(job, verdict))]
        case _:
            rows = []
    if not rows:
        return b""
    return pack([max(to_int(job.opts.keep_logs), 0), *(_row(*note) for note in rows[-MAX_ROWS:])])


def _row(at: int, text: str) -> str:
    """With the time, which BullMQ's logs don't keep; on one line."""
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    text = wire_text(" ".join(text.split()))
    return f"{moment.removesuffix('+00:00')}Z {text if len(text) <= MAX_ROW else text[:MAX_ROW] + '…'}"


def _failure(job: Job, verdict: Failed | Retry) -> str:
    attempt, attempts = job.attempts_made + 1, max(job.opts.attempts, job.attempts_made + 1)
    what = f"attempt {attempt} of {attempts} failed: {verdict.reason}"
    match verdict:
        case Retry(asked=asked):
            return f"{what}; next in {_seconds(verdict.delay_ms)}{', as the host asked' if asked else ''}"
        case Failed(ran=False):
            return f"not run: {verdict.reason}"
        case _:
            return f"{what}; {'it was the last' if attempt == attempts else 'another would not help'}"


def _tells(job: Job, verdict: Postponed) -> bool:
    """Of a job that is held again and again the first hold, the second, fourth, eighth …"""
    holds = _holds(job)
    return verdict.delay_ms >= LEAST_HOLD_MS and holds & (holds - 1) == 0


def _holds(job: Job) -> int:
    """How often the job was claimed without using up an attempt, this time included."""
    return max(job.attempts_started - job.attempts_made, 1)


def _hold(job: Job, verdict: Postponed) -> str:
    holds = _holds(job)
    times = f" ({holds} times so far)" if holds > 1 else ""
    return f"held{times}: {verdict.why or 'its turn has not come'}; again in {_seconds(verdict.delay_ms)}"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{round(ms / 1000)} s"
