from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediascrape.cli.terminal import duration, safe


@given(st.text())
def test_nothing_a_terminal_obeys_survives(text: str) -> None:
    line = safe(text)
    assert not set(line) & {"\x1b", "\x9b", "\n", "\r", "\x07", "\u202e", "\u2066"}


def test_an_escape_sequence_is_shown_not_obeyed() -> None:
    assert safe("\x1b]0;owned\x07title") == "\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}title"


@given(st.text(), st.integers(1, 50))
def test_a_limit_holds(text: str, limit: int) -> None:
    assert len(safe(text, limit)) <= limit


def test_durations_read_as_people_say_them() -> None:
    assert [duration(s) for s in (0.04, 9.94, 42, 60, 200, 7500)] == [
        "0.0 s", "9.9 s", "42 s", "1 min", "3 min 20 s", "2 h 5 min",
    ]  # fmt: skip
