"""The arithmetic of a load test."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.loadtest.measures import LoadResult, Outcome, Percentiles, Sample, by_second

durations = st.lists(st.floats(min_value=0, max_value=1000), min_size=1, max_size=300)


def outcome(code: str = "ok", *, start: float = 1.0, end: float = 2.0, attempts: int = 1) -> Outcome:
    return Outcome(code, submitted_at=0.5, started_at=start, finished_at=end, attempts=attempts)


def result(**fields: object) -> LoadResult:
    given = {"mode": "scrape", "jobs": 4, "elapsed": 2.0, "submit_elapsed": 1.0, "submit": Percentiles()}
    return LoadResult(**(given | fields))  # type: ignore[arg-type]


@given(durations)
def test_percentiles_are_ordered_and_among_the_values(seconds: list[float]) -> None:
    found = Percentiles.of(seconds)
    low, high = min(seconds) * 1000, max(seconds) * 1000
    assert low <= found.p50 * (1 + 1e-9)
    assert found.p50 <= found.p95 * (1 + 1e-9)
    assert found.p95 <= found.p99 * (1 + 1e-9)
    assert found.p99 <= found.max * (1 + 1e-9)
    assert found.max == high


def test_percentiles_of_a_known_set() -> None:
    found = Percentiles.of(n / 1000 for n in range(1, 102))
    assert (found.p50, found.p95, found.p99, found.max) == pytest.approx((51, 96, 100, 101))


def test_no_durations_are_zeros() -> None:
    assert Percentiles.of([]) == Percentiles(0, 0, 0, 0)


def test_a_clock_that_went_back_gives_no_negative_times() -> None:
    odd = Outcome("ok", submitted_at=10.0, started_at=9.0, finished_at=8.0)
    assert (odd.wait, odd.run) == (0, 0)


def test_errors_retries_and_rate() -> None:
    outcomes = [
        outcome(),
        outcome("timeout", attempts=2),
        outcome("timeout", attempts=2),
        outcome("not_found"),
    ]
    found = result(outcomes=outcomes)
    assert (found.succeeded, found.errors, found.retried) == (1, {"timeout": 2, "not_found": 1}, 2)
    assert found.rate == 2.0
    assert list(found.errors) == ["timeout", "not_found"]


def test_where_nothing_runs_the_rate_is_that_of_submitting() -> None:
    assert result(mode="enqueue", jobs=500, submit_elapsed=0.1).rate == 5000


def test_peaks_are_taken_per_process() -> None:
    samples = [
        Sample(0, 0, 0, 0, {"worker": 50, "valkey": 5}),
        Sample(1, 9, 1, 8, {"worker": 90, "valkey": 4}),
        Sample(2, 9, 9, 0, {"worker": 60, "valkey": 7}),
    ]
    found = result(samples=samples)
    assert found.peak_memory == {"worker": 90, "valkey": 7}
    assert found.max_in_flight == 8


def test_outcomes_by_second() -> None:
    ends = [outcome(end=end) for end in (100.2, 101.9, 101.0, 99.0)]
    assert [(second, len(group)) for second, group in by_second(ends, 100.0)] == [(0, 2), (1, 2)]


def test_the_result_is_json() -> None:
    found = result(
        outcomes=[outcome()], samples=[Sample(0.1, 4, 1, 3, {"worker": 1})], origin={"requests": 4}
    )
    again = json.loads(json.dumps(found.as_dict()))
    assert again["succeeded"] == 1
    assert again["wait_ms"] == {"p50": 500, "p95": 500, "p99": 500, "max": 500}
    assert again["samples"][0]["memory"] == {"worker": 1}
