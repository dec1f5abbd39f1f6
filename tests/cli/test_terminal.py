from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mediascrape.cli.terminal import duration, kinds_text, safe, table


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


@given(st.text("abc/", min_size=1, max_size=300))
def test_a_url_is_whole_on_a_narrow_terminal(path: str) -> None:
    out = io.StringIO()
    url = f"https://example.org/{path}"
    Console(file=out, width=60).print(table(("kind", "url"), [("image", url)], folded=("url",)))
    assert "".join(line[5:].strip() for line in out.getvalue().splitlines()[1:]) == url


def test_kinds_are_counted_in_words() -> None:
    assert (
        kinds_text({"image": 2, "video": 1, "audio": 3, "embed": 0}) == "2 images, 1 video, 3 audio, 0 embeds"
    )


@given(st.text("abc019", min_size=1, max_size=40), st.text("xyz/", max_size=200))
def test_an_id_can_be_copied_from_a_narrow_terminal(job_id: str, url: str) -> None:
    out = io.StringIO()
    console = Console(file=out, width=60)
    console.print(table(("id", "url", "reason"), [(job_id, url, "why " * 20)], whole=("id",)))
    assert out.getvalue().splitlines()[1].startswith(job_id)
