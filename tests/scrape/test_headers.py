from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.scrape.headers import Headers, parse_content_length, parse_content_type, parse_retry_after

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def test_fields() -> None:
    headers = Headers(
        [
            b"Set-Cookie: a=1\r\n",
            b"SET-COOKIE:b=2\r\n",
            b"junk\r\n",
            b"Location: /caf\xc3\xa9\r\n",
            b"X: \xe9\r\n",
        ]
    )
    assert headers["set-cookie"] == "a=1, b=2"
    assert headers.first("Set-Cookie") == "a=1"
    assert headers["LOCATION"] == "/café"
    assert headers["x"] == "é"
    assert "junk" not in headers
    assert headers.first("absent") is None
    assert len(headers) == 3


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("text/html", ("text/html", None)),
        ("Text/HTML; Charset='UTF-8'", ("text/html", "UTF-8")),
        ('text/html;x=y; charset="windows-1252" ;z', ("text/html", "windows-1252")),
        ("text/plain, text/html; charset=utf-8", ("text/html", "utf-8")),
        ("html", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
        ("text/html; charset=", ("text/html", None)),
    ],
)
def test_content_type(value: str | None, parsed: tuple[str | None, str | None]) -> None:
    assert parse_content_type(value) == parsed


@given(st.text())
def test_content_type_reads_anything(value: str) -> None:
    parse_content_type(value)


@pytest.mark.parametrize(
    ("value", "length"), [(b"12", 12), (b"-1", None), (b"1e3", None), (b"", None), (b"\xb2", None)]
)
def test_content_length(value: bytes, length: int | None) -> None:
    assert parse_content_length(Headers([b"Content-Length: " + value])) == length


@given(st.timedeltas(timedelta(0), timedelta(days=400)), st.integers(-12, 12))
def test_retry_after_as_a_date(wait: timedelta, hours: int) -> None:
    when = (NOW + wait).astimezone(timezone(timedelta(hours=hours)))
    seconds = parse_retry_after(format_datetime(when), NOW)
    assert seconds is not None
    assert abs(seconds - wait.total_seconds()) < 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("Sun, 01 Jun 2025 12:01:00 GMT", 60),
        ("Sunday, 01-Jun-25 12:01:00 GMT", 60),
        ("Sun Jun  1 12:01:00 2025", 60),
        ("Sun, 01 Jun 2025 11:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 400, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text())
def test_retry_after_reads_anything(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0
