from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.errors import InvalidScheduleError
from mediascrape.queue.repeat import Repeat, next_cron_ms, parse_duration, plan


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("cron", "tz", "after", "expected"),
    [
        ("0 * * * *", None, "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"),
        ("0 * * * *", None, "2026-03-01T09:59:59.999Z", "2026-03-01T10:00:00Z"),
        ("@daily", "Europe/Berlin", "2026-03-01T10:00:00Z", "2026-03-01T23:00:00Z"),
        ("0 0 ? * 1", "UTC", "2026-03-01T10:00:00Z", "2026-03-02T00:00:00Z"),
        ("*/10 * * * * *", "UTC", "2026-03-01T10:00:05Z", "2026-03-01T10:00:10Z"),
        # clocks forward: 02:30 does not exist on that day, and is caught up when they have changed
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T02:00:00Z", "2026-03-30T00:30:00Z"),
        # clocks back: 02:30 comes twice, and runs once
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        # every hour runs in each of the two hours that are called 02:00
        ("0 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
        # either day field, as in Node, unless one is a bare star
        ("0 0 */2 * 1", "UTC", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
    ],
)  # fmt: skip
def test_the_next_time_of_a_cron_expression(cron: str, tz: str | None, after: str, expected: str) -> None:
    found = next_cron_ms(cron, tz, ms(after))
    assert found is not None
    assert datetime.fromtimestamp(found / 1000, UTC) == datetime.fromisoformat(expected)


def test_a_day_that_never_comes() -> None:
    with pytest.raises(InvalidScheduleError):
        Repeat(cron="0 0 31 2 *")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either an interval or a cron expression"),
        ({"every_ms": 1000, "cron": "* * * * *"}, "either"),
        ({"every_ms": 0}, "at least 1 ms"),
        ({"every_ms": 2**60}, "below"),
        ({"every_ms": 1000, "tz": "UTC"}, "time zone"),
        ({"every_ms": 1000, "limit": 0}, "number of runs"),
        ({"every_ms": 1000, "offset_ms": 1000}, "offset"),
        ({"cron": "* * * * *", "offset_ms": 1}, "offset"),
        ({"cron": "* * * * *", "immediately": True, "start_ms": 5}, "immediately"),
        ({"every_ms": 1000, "end_ms": 10**18}, "between the years"),
        ({"every_ms": 1000, "start_ms": -1}, "between the years"),
        ({"cron": "* * * *"}, "five fields"),
        ({"cron": "61 * * * *"}, "Bad minute"),
        ({"cron": "every day"}, "five fields"),
        ({"cron": "0 " + ",".join(["1"] * 500) + " * * *"}, "no cron expression"),
        ({"cron": "* * * * *", "tz": "Mars/Olympus"}, "no time zone"),
        ({"cron": "* * * * *", "tz": "../../etc/passwd"}, "no time zone"),
        ({"cron": "* * * * *", "tz": "Europe"}, "no time zone"),
    ],
)
def test_what_makes_no_schedule(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidScheduleError, match=message):
        Repeat(**options)  # type: ignore[arg-type]


FIELD = st.text(alphabet="0123456789*/-,L#W?MONTUEJANabc ", max_size=6)
EXPRESSION = st.text(max_size=40) | st.lists(FIELD, min_size=5, max_size=6).map(" ".join)


@given(
    EXPRESSION, st.sampled_from([None, "UTC", "Europe/Berlin", "x", "", "a\0b"]), st.integers(-(2**63), 2**63)
)
def test_any_expression_has_a_later_time_or_is_refused(cron: str, tz: str | None, after: int) -> None:
    try:
        found = next_cron_ms(cron, tz, after)
    except InvalidScheduleError:
        return
    assert found is None or found > after


@given(
    st.builds(
        Repeat,
        every_ms=st.integers(1000, 10**9),
        limit=st.none() | st.integers(1, 100),
        start_ms=st.none() | st.integers(1, 2**41),
        end_ms=st.none() | st.integers(1, 2**41),
        offset_ms=st.none() | st.integers(1, 999),
    )
)
def test_the_wire_form_is_read_back(repeat: Repeat) -> None:
    assert Repeat.from_wire(repeat.to_wire()) == repeat


def test_dates_of_foreign_producers() -> None:
    wire = {"pattern": "* * * * *", "startDate": "2026-03-01T10:00:00.000Z", "endDate": 1772359200000}
    repeat = Repeat.from_wire(wire)
    assert (repeat.start_ms, repeat.end_ms) == (ms("2026-03-01T10:00:00Z"), 1772359200000)
    assert Repeat.from_wire({"startDate": "soon", "endDate": [], "every": "x"}).start_ms is None


NOW = ms("2026-03-01T10:00:30Z")


def test_each_run_counts_up_until_the_limit() -> None:
    repeat = Repeat(cron="* * * * *", limit=2)
    first = plan("s", repeat, {"attempts": 3}, now=NOW)
    assert first is not None
    assert first.at_ms == ms("2026-03-01T10:01:00Z")
    assert first.options["repeat"] == {"pattern": "* * * * *", "limit": 2, "count": 1}
    assert (first.options["attempts"], first.options["delay"], first.options["prevMillis"]) == (
        3, 30_000, first.at_ms,
    )  # fmt: skip
    second = plan("s", repeat, first.options, now=first.at_ms + 5, done=1)
    assert second is not None
    assert second.at_ms == ms("2026-03-01T10:02:00Z")
    assert plan("s", repeat, second.options, now=second.at_ms, done=2) is None


def test_a_clock_that_is_behind_plans_no_run_twice() -> None:
    again = plan("s", Repeat(cron="* * * * *"), {"prevMillis": NOW + 30_000}, now=NOW, done=1)
    assert again is not None
    assert again.at_ms == NOW + 90_000


def test_start_end_and_immediately() -> None:
    later = plan("s", Repeat(cron="0 * * * *", start_ms=NOW + 86_400_000), {}, now=NOW)
    assert later is not None
    assert later.at_ms == ms("2026-03-02T11:00:00Z")
    assert plan("s", Repeat(cron="0 * * * *", end_ms=NOW - 1), {}, now=NOW) is None
    at_once = plan("s", Repeat(cron="0 * * * *", immediately=True), {}, now=NOW)
    assert at_once is not None
    assert (at_once.at_ms, at_once.options["delay"]) == (NOW, 0)
    assert "immediately" not in at_once.options["repeat"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2s", 2000), ("90 s", 90_000), ("1h30m", 5_400_000), ("1h 30min", 5_400_000), ("7d", 604_800_000),
     ("250ms", 250), ("2W", 1_209_600_000)],
)  # fmt: skip
def test_durations(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", " ", "5", "h", "1x", "-1h", "1.5h", "1h!", "9" * 30 + "d", "１h1"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidScheduleError):
        parse_duration(text)


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_parts_of_a_duration_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    assert parse_duration(text) == (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
