"""URLs from arguments, files and standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mediascrape.errors import ConfigurationError


def gather_urls(arguments: Sequence[str], files: Sequence[str]) -> list[str]:
    """URLs in the order given: arguments first, then one per line of each file (`-`: standard input).

    Empty lines and lines that begin with `#` are left out. Raises ConfigurationError for a file that
    cannot be read and when there is no URL at all.
    """
    urls = list(arguments)
    for name in files:
        urls.extend(
            line for line in map(str.strip, _read(name).splitlines()) if line and not line.startswith("#")
        )
    if not urls:
        raise ConfigurationError(
            "no URL given: name some, or --file FILE with one per line (- reads them from a pipe)"
        )
    return urls


def _read(name: str) -> str:
    try:
        # A stray byte makes one bad URL, which is reported, and not a list that cannot be read.
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {name}: {error.strerror}") from None
    return data.decode("utf-8-sig", "backslashreplace")
