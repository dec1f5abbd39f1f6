"""What a person sees: tables, progress and messages, with page text made harmless.

Titles, alt texts and URLs come from strangers. A terminal obeys escape sequences, so nothing of
theirs is printed before `safe` has replaced every control and direction-override character.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"\s+")
#: Terminals below this many columns show URLs and leave out what the page says of them.
WIDE = 110
#: Columns where nobody looks: programs that read a table want whole cells.
PIPE_WIDTH = 100_000


def safe(text: object, limit: int | None = None) -> str:
    """One line of `text` without characters a terminal would obey, cut to `limit` characters."""
    line = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", _SPACE.sub(" ", str(text)).strip())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def console(*, stderr: bool = False) -> Console:
    """A console that writes plain text, nothing cut, where there is no terminal."""
    terminal = _is_terminal(stderr)
    return _Console(
        stderr=stderr,
        highlight=False,
        emoji=False,
        markup=False,
        soft_wrap=not terminal,
        width=None if terminal else PIPE_WIDTH,
        color_system=None if os.environ.get("NO_COLOR") else "auto",  # bold would go the same way
    )


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, whose status says that nothing went wrong."""
        raise BrokenPipeError


def _is_terminal(stderr: bool) -> bool:
    return (sys.stderr if stderr else sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    folded: Sequence[str] = (),
) -> Table:
    """A table whose cells are shown as text, never as markup; those of `whole` columns are never cut, those
    of `folded` ones go on in the next line."""
    view = Table(box=None, pad_edge=False, header_style="bold")
    cells = [["" if cell is None else safe(cell) for cell in row] for row in rows]
    for index, name in enumerate(columns):
        view.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold" if name in folded else "ellipsis",
            no_wrap=name in right or name in whole,
            min_width=max((len(row[index]) for row in cells), default=0) if name in whole else None,
        )
    for row in cells:
        view.add_row(*map(Text, row))
    return view


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def bytes_text(count: int) -> str:
    """`3.4 GB`, in powers of 1024."""
    size, units = float(count), ["bytes", "KB", "MB", "GB", "TB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


_PLURALS = {"image": "images", "video": "videos", "embed": "embeds"}


def kinds_text(kinds: Mapping[str, int]) -> str:
    """`12 images, 1 video, 3 audio`; empty for none."""
    return ", ".join(
        f"{count} {kind if count == 1 else _PLURALS.get(kind, kind)}" for kind, count in kinds.items()
    )


class _Sized(Protocol):
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...


def size(item: _Sized) -> str:
    """Width and height where both are known."""
    return f"{item.width}×{item.height}" if item.width and item.height else ""
