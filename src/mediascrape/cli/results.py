"""Media records to a file, a pipe or a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import orjson

from mediascrape.errors import ConfigurationError

if TYPE_CHECKING:
    from mediascrape.store.records import StoredMedia

Form = Literal["jsonl", "csv", "parquet"]

#: DEL, C1 and direction overrides in UTF-8: JSON lets them stand, and some terminals obey them.
_OBEYED = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\x1b")


async def write_media(items: AsyncIterator[StoredMedia], form: Form, output: str | None) -> Counter[str]:
    """Write all items; how many of each kind. Memory does not grow with their number.

    Raises ConfigurationError for a file that cannot be written, or Parquet on standard output.
    """
    from mediascrape.store.export import open_writer

    kinds: Counter[str] = Counter()
    if form == "parquet" and output is None:
        raise ConfigurationError("Parquet is no text: name a file with --output")
    with _open(output) as out, open_writer(form, out) as writer:
        async for item in items:
            kinds[item.kind] += 1
            writer.write(item.to_record())
    return kinds


def require_writable(path: Path) -> None:
    """Before long work whose result goes there. Raises ConfigurationError."""
    if path.is_dir():
        raise ConfigurationError(f"cannot write {path}: it is a directory")
    if not path.parent.is_dir():
        raise ConfigurationError(f"cannot write {path}: there is no directory {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigurationError(f"cannot write {path}: permission denied")


def json_lines_output() -> Callable[[dict[str, Any]], None]:
    """A function that writes one record to standard output as a line of JSON."""
    with _open(None) as out:

        def write(record: dict[str, Any]) -> None:
            out.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

        return write


def _open(output: str | None) -> AbstractContextManager[BinaryIO]:
    if output is None:
        out = sys.stdout.buffer
        return nullcontext(cast("BinaryIO", _TerminalOutput(out) if sys.stdout.isatty() else out))
    try:
        return Path(output).open("wb")
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None


class _TerminalOutput:
    """A terminal that gets no character of a page's text which it would obey."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        return self._out.write(_OBEYED.sub(_escape, bytes(data)))

    def __getattr__(self, name: str) -> object:
        return getattr(self._out, name)


def _escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())
