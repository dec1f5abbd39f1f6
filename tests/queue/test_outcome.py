from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgpack import unpackb

from mediascrape.errors import (
    AttemptTimeoutError,
    JobDataError,
    JobStalledError,
    NotFoundError,
    RateLimitedError,
    ServerStatusError,
)
from mediascrape.queue.job import Backoff, Job, JobOptions
from mediascrape.queue.outcome import (
    MAX_DELAY_MS,
    Completed,
    Failed,
    Postpone,
    Postponed,
    Retry,
    fail_unrun,
    judge_error,
    judge_result,
    reason_of,
)
from mediascrape.queue.wire import decode_json


def job(made: int = 0, **options: Any) -> Job:
    defaults: dict[str, Any] = {"attempts": 2, "backoff": Backoff("exponential", 2000)}
    return Job("x", "n", {}, JobOptions(**defaults | options), attempts_made=made)


def judge(error: BaseException, made: int = 0, **options: Any) -> object:
    return judge_error(job(made, **options), error, random.random)


@pytest.mark.parametrize("error", [NotFoundError("404"), JobDataError("no url")])
def test_what_no_retry_can_help_fails_at_once(error: Exception) -> None:
    assert isinstance(judge(error), Failed)


@pytest.mark.parametrize(
    "error", [ServerStatusError("500"), AttemptTimeoutError(), RuntimeError(), KeyboardInterrupt()]
)
def test_what_may_pass_is_tried_again(error: BaseException) -> None:
    verdict = judge(error)
    assert isinstance(verdict, Retry)
    assert verdict.delay_ms == 2000


def test_the_last_attempt_fails() -> None:
    assert isinstance(judge(ServerStatusError("500"), made=1), Failed)


def test_retry_after_is_waited_for_if_longer() -> None:
    longer, shorter = judge(RateLimitedError(retry_after=30)), judge(RateLimitedError(retry_after=0.5))
    assert isinstance(longer, Retry)
    assert isinstance(shorter, Retry)
    assert (longer.delay_ms, shorter.delay_ms) == (30_000, 2000)


def test_no_wait_is_endless() -> None:
    verdict = judge(RateLimitedError(retry_after=1e12))
    assert isinstance(verdict, Retry)
    assert verdict.delay_ms == MAX_DELAY_MS


def test_postponing_takes_no_attempt() -> None:
    assert judge(Postpone(700), made=1) == Postponed(700)


def test_results_are_json() -> None:
    assert judge_result(job(), {"found": 3}, random.random) == Completed('{"found":3}')
    assert judge_result(job(), None, random.random) == Completed("null")
    assert isinstance(judge_result(job(attempts=1), object(), random.random), Failed)


def test_a_job_failed_unrun_says_so() -> None:
    verdict = fail_unrun(job(), JobStalledError("job stalled more than allowable limit"))
    assert (verdict.reason, verdict.ran) == ("stalled: job stalled more than allowable limit", False)


def fields_of(verdict: object) -> dict[str, str]:
    assert isinstance(verdict, Failed)
    flat = unpackb(verdict.packed_fields)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def test_errors_of_our_own_keep_one_line() -> None:
    fields = fields_of(judge(NotFoundError("gone")))
    assert fields["failedReason"] == "not_found: gone"
    assert decode_json(fields["stacktrace"]) == ["not_found: gone"]


def test_other_errors_keep_their_trace() -> None:
    def fail() -> None:
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    fields = fields_of(judge(caught.value, made=1))
    assert fields["failedReason"] == "ZeroDivisionError: by zero"
    assert "in fail" in decode_json(fields["stacktrace"])[0]


@pytest.mark.parametrize(("limit", "kept"), [(None, 10), (0, 0), (3, 3), (50, 10)])
def test_stack_traces_are_bounded(limit: int | None, kept: int) -> None:
    old = job(stack_trace_limit=limit)
    old.stacktrace = ["old"] * 20
    stacks = decode_json(fields_of(judge_error(old, NotFoundError("gone"), random.random))["stacktrace"])
    assert len(stacks) == kept
    assert not kept or stacks[-1] == "not_found: gone"


@given(st.text(st.characters()))
def test_any_text_makes_a_reason_that_can_be_sent(text: str) -> None:
    assert reason_of(RuntimeError(text)).encode()
