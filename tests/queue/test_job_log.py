"""What a job's own log tells of its attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgpack
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from mediascrape.errors import NotFoundError, RateLimitedError, ServerStatusError
from mediascrape.queue.job import Backoff, Job, JobOptions, Retention
from mediascrape.queue.job_log import MAX_ROW, MAX_ROWS, Note, packed_rows
from mediascrape.queue.outcome import (
    Completed,
    HandedBack,
    Lost,
    Postpone,
    Postponed,
    Verdict,
    judge_error,
)
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker

NOW = 1_700_000_000_123
STAMP = "2023-11-14T22:13:20.123Z "


def rows(verdict: Verdict, *notes: Note, made: int = 0, started: int = 1, attempts: int = 2) -> list[str]:
    job = Job("1", "x", {}, JobOptions(attempts=attempts), attempts_made=made, attempts_started=started)
    packed = packed_rows(job, verdict, notes, NOW)
    if not packed:
        return []
    keep, *found = msgpack.unpackb(packed)
    assert keep == 0
    return [row.removeprefix(STAMP) for row in found]


def judged(error: Exception, made: int, attempts: int) -> Verdict:
    options = JobOptions(attempts=attempts, backoff=Backoff("fixed", 2000))
    return judge_error(Job("1", "x", {}, options, attempts_made=made), error, lambda: 0.0)


def test_a_failed_attempt_says_which_why_and_when_the_next_comes() -> None:
    error = ServerStatusError("HTTP 503")
    first = "attempt 1 of 2 failed: http_server_error: HTTP 503; next in 2.0 s"
    assert rows(judged(error, 0, 2)) == [first]
    assert rows(judged(error, 1, 2), made=1) == [
        "attempt 2 of 2 failed: http_server_error: HTTP 503; it was the last"
    ]
    assert rows(judged(NotFoundError("HTTP 404"), 0, 2)) == [
        "attempt 1 of 2 failed: not_found: HTTP 404; another would not help"
    ]
    asked = judged(RateLimitedError("HTTP 429", retry_after=30), 0, 2)
    assert rows(asked) == ["attempt 1 of 2 failed: rate_limited: HTTP 429; next in 30 s, as the host asked"]


def test_notes_come_first_and_what_ends_elsewhere_tells_nothing() -> None:
    note = (NOW, "redirected to https://example.org/")
    assert rows(Completed("{}"), note) == [note[1]]
    assert rows(judged(NotFoundError(), 0, 1), note, attempts=1)[0] == note[1]
    assert rows(HandedBack(), note) == rows(Lost(), note) == rows(Completed("{}")) == []


@given(st.integers(1, 100_000))
def test_holds_are_told_seldom_however_many_there_are(holds: int) -> None:
    told = sum(bool(rows(Postponed(2000, "why"), started=holds + made, made=made)) for made in (0, 3))
    assert told == (2 if holds.bit_count() == 1 else 0)
    assert not rows(Postponed(999, "why"), started=holds)


def test_a_hold_says_why() -> None:
    assert rows(Postponed(2500, "the host rests")) == ["held: the host rests; again in 2.5 s"]
    assert rows(Postponed(1000), started=4) == [
        "held (4 times so far): its turn has not come; again in 1.0 s"
    ]


@given(st.lists(st.text(max_size=3000), max_size=3), st.integers(0, 300))
def test_rows_are_bounded_lines_of_valid_text(texts: list[str], more: int) -> None:
    notes = [(NOW, text + "\ud800\n\x00") for text in texts] + [(NOW, "x")] * more
    found = rows(Completed("{}"), *notes)
    assert len(found) == min(len(notes), MAX_ROWS)
    for row in found:
        assert "\n" not in row
        assert len(row) <= MAX_ROW + 1
        row.encode()


# --- with a worker ----------------------------------------------------------------------------------


async def worked(
    redis: Redis, queue: Queue, process: Callable[[Job, JobContext], Awaitable[object]], options: JobOptions
) -> tuple[str, list[str]]:
    """A job that ended, and its log without the times."""
    added = await queue.add("x", {}, options)
    async with Worker(redis, queue.name, process, WorkerOptions()), asyncio.timeout(20):
        while await queue.job_state(added.id) not in ("failed", "completed", None):
            await asyncio.sleep(0.02)
    return added.id, [row.partition(" ")[2] for row in await queue.get_logs(added.id)]


async def test_each_way_back_into_the_queue_carries_its_rows(redis: Redis, queue: Queue) -> None:
    async def process(job: Job, context: JobContext) -> None:
        context.note(f"began {job.attempts_started}")
        if job.attempts_started == 1:
            raise Postpone(1, "too short a hold to be told")
        if job.attempts_started == 2:
            raise ServerStatusError("HTTP 500")
        raise NotFoundError("HTTP 404")

    for backoff in (None, Backoff("fixed", 10)):  # at once, and by way of the delayed set
        _, log = await worked(redis, queue, process, JobOptions(attempts=3, backoff=backoff))
        assert log == [
            "began 2",
            "attempt 1 of 3 failed: http_server_error: HTTP 500; next in 0.0 s",
            "began 3",
            "attempt 2 of 3 failed: not_found: HTTP 404; another would not help",
        ]


async def test_keep_logs_is_the_producer_s_word(redis: Redis, queue: Queue) -> None:
    async def process(_job: Job, context: JobContext) -> None:
        for n in range(5):
            context.note(f"row {n}")

    _, log = await worked(redis, queue, process, JobOptions(keep_logs=2))
    assert log == ["row 3", "row 4"]


async def test_a_job_that_leaves_leaves_no_log(redis: Redis, queue: Queue) -> None:
    async def process(job: Job, context: JobContext) -> None:
        context.note("seen")
        if job.opts.remove_on_fail:
            raise NotFoundError

    for gone in (JobOptions(remove_on_complete=Retention(0)), JobOptions(remove_on_fail=Retention(0))):
        job_id, log = await worked(redis, queue, process, gone)
        assert log == []
        assert not await redis.exists(queue.keys.job(job_id), queue.keys.logs(job_id))
