from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgpack import unpackb

from mediascrape.errors import JobDataError
from mediascrape.queue.job import (
    MAX_PRIORITY,
    Backoff,
    Deduplication,
    Job,
    JobOptions,
    NewJob,
    Retention,
    backoff_delay,
)
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.scripts import QueueScripts
from single_calls import of_bullmq

BACKOFFS = st.builds(
    Backoff, st.sampled_from(["fixed", "exponential"]), st.integers(0, 10**6), st.floats(0, 1)
)
RETENTIONS = st.builds(Retention, st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6))
OPTIONS = st.builds(
    JobOptions,
    attempts=st.integers(1, 100),
    backoff=st.none() | BACKOFFS,
    delay_ms=st.integers(0, 10**9),
    priority=st.integers(0, MAX_PRIORITY),
    lifo=st.booleans(),
    remove_on_complete=st.none() | RETENTIONS,
    remove_on_fail=st.none() | RETENTIONS,
    keep_logs=st.none() | st.integers(0, 100),
    stack_trace_limit=st.none() | st.integers(0, 100),
)


@given(OPTIONS)
def test_options_come_back_as_they_were(options: JobOptions) -> None:
    assert JobOptions.from_wire(options.to_wire()) == options


@given(OPTIONS, st.none() | st.text(min_size=1), st.booleans())
def test_packed_options_say_what_the_map_says(
    options: JobOptions, deduplication: str | None, of_the_job: bool
) -> None:
    scripts = QueueScripts(QueueKeys("q"))
    for _ in range(2):  # the second time as packed before
        new, expected = NewJob("name", None), options.to_wire()
        if deduplication is not None and of_the_job:
            new, expected = (
                NewJob("name", None, None, deduplication),
                {**expected, "de": {"id": deduplication}},
            )
        elif deduplication is not None:
            options = replace(options, deduplication=Deduplication(deduplication, 5, replace=True))
            expected = options.to_wire()
        _, (head, _, packed) = of_bullmq(scripts.add_job("id", new, "{}", options, 1))
        assert unpackb(packed) == expected
        assert unpackb(head)[-1] == (None if deduplication is None else f"bull:q:de:{deduplication}")


@pytest.mark.parametrize(
    ("wire", "kept", "keep_jobs"),
    [
        (True, Retention(0), {"count": 0}),
        (False, Retention(), {"count": -1}),
        (5, Retention(5), {"count": 5}),
        ({"count": 5}, Retention(5), {"count": 5}),
        ({"age": 60}, Retention(None, 60), {"age": 60}),
        ({"age": 60, "count": 5}, Retention(5, 60), {"age": 60, "count": 5}),
        (None, None, None),
    ],
)
def test_retention_as_node_writes_it(wire: object, kept: Retention | None, keep_jobs: object) -> None:
    assert Retention.from_wire(wire) == kept
    assert (kept and kept.keep_jobs()) == keep_jobs


@pytest.mark.parametrize("wire", [500, {"type": "fixed", "delay": 500}])
def test_a_backoff_that_is_a_number_is_fixed(wire: object) -> None:
    assert Backoff.from_wire(wire) == Backoff("fixed", 500)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (None, [0, 0, 0]),
        (Backoff("fixed", 100), [100, 100, 100]),
        (Backoff("exponential", 100), [100, 200, 400]),
        (Backoff("of-its-producer", 100), [100, 100, 100]),
    ],
)
def test_backoff_without_jitter(backoff: Backoff | None, delays: list[int]) -> None:
    assert [backoff_delay(backoff, made, random.random) for made in (1, 2, 3)] == delays


@given(BACKOFFS, st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_takes_away_at_most_its_share(backoff: Backoff, made: int, drawn: float) -> None:
    whole = backoff_delay(Backoff(backoff.type, backoff.delay_ms), made, random.random)
    delay = backoff_delay(backoff, made, lambda: drawn)
    assert whole * (1 - backoff.jitter) - 1 <= delay <= whole


@pytest.mark.parametrize("job_id", ["", "7", "a:b"])
def test_ids_that_bullmq_refuses(job_id: str) -> None:
    with pytest.raises(JobDataError):
        JobOptions(job_id=job_id)


@pytest.mark.parametrize("priority", [-1, MAX_PRIORITY + 1])
def test_priorities_that_bullmq_refuses(priority: int) -> None:
    with pytest.raises(JobDataError):
        JobOptions(priority=priority)


def flat(**fields: str) -> list[str]:
    return [part for pair in ({"name": "n", "data": "{}", "opts": "{}"} | fields).items() for part in pair]


def test_all_fields_are_read() -> None:
    job = Job.from_wire(
        "x",
        flat(
            data='{"url":"u"}', opts='{"attempts":3,"de":{"id":"d"},"telemetry":1}', timestamp="1", delay="2",
            priority="3", atm="4", ats="5", stc="6", processedOn="7", finishedOn="8", pb="worker",
            progress='{"half":true}', returnvalue="[1]", failedReason="why", stacktrace='["a","b"]',
            defa="stalled", rjk="schedule", deid="d", parentKey="bull:p:1", parent='{"id":"1"}',
        ),
    )  # fmt: skip
    assert (job.name, job.data, job.opts.attempts, job.opts.other) == (
        "n",
        {"url": "u"},
        3,
        (("telemetry", 1),),
    )
    assert (job.timestamp, job.delay, job.priority, job.attempts_made, job.attempts_started) == (
        1,
        2,
        3,
        4,
        5,
    )
    assert (job.stalled_count, job.processed_on, job.finished_on, job.processed_by) == (6, 7, 8, "worker")
    assert (job.progress, job.returnvalue, job.failed_reason) == ({"half": True}, [1], "why")
    assert (job.stacktrace, job.deferred_failure, job.repeat_job_key) == (["a", "b"], "stalled", "schedule")
    assert (job.deduplication_id, job.parent_key, job.parent) == ("d", "bull:p:1", {"id": "1"})
    assert job.malformed is None


@pytest.mark.parametrize(
    "fields",
    [{"data": "{"}, {"opts": "["}, {"opts": "[]"}, {"opts": "7"}, {"data": "[" * 100_000},
     {"opts": r'{"x":"\ud800"}'}],
)  # fmt: skip
def test_a_job_that_cannot_be_decoded_says_so(fields: dict[str, str]) -> None:
    assert Job.from_wire("x", flat(**fields)).malformed


def test_a_job_removed_while_it_waited_says_so() -> None:
    assert Job.from_wire("x", ["processedOn", "1", "ats", "1"]).malformed


@given(st.dictionaries(st.text(), st.text()))
def test_no_fields_whatever_raise(fields: dict[str, str]) -> None:
    Job.from_wire("x", flat(**fields))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))  # fmt: skip
@example(float("inf"))
@example({"type": "fixed", "jitter": "much"})
def test_no_options_whatever_raise(value: Any) -> None:
    names = ("attempts", "backoff", "delay", "priority", "lifo", "removeOnComplete", "removeOnFail", "kl")
    JobOptions.from_wire(dict.fromkeys(names, value))
