"""Files on disk, bounded in bytes; the least recently used go first.

Blocking: to be called in a thread. Several threads may; a second process over the same directory sees
files come and go, which counts as a miss.
"""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock

_SUFFIX = ".webp"


class DiskCache:
    """Keys are names of files: hexadecimal digests, nothing that a stranger chose."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._sizes: OrderedDict[str, int] | None = None
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes that the files take up, as far as known."""
        return self._bytes

    def get(self, key: str) -> bytes | None:
        """The file's content, None where there is none (any more)."""
        path = self._path(key)
        with self._lock:
            sizes = self._known()
            try:
                data = path.read_bytes()
            except OSError:
                data = b""
            if not data:  # gone, or empty after the power was cut
                self._bytes -= sizes.pop(key, 0)
                return None
            self._bytes += len(data) - sizes.get(key, 0)
            sizes[key] = len(data)
            sizes.move_to_end(key)
            with suppress(OSError):
                os.utime(path)  # the order of use outlives the process
            return data

    def put(self, key: str, data: bytes) -> None:
        """Keep a file, and drop as many of the others as it takes. What is larger than all is not kept."""
        if len(data) > self._most_bytes:
            return
        with self._lock:
            sizes = self._known()
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor, draft = tempfile.mkstemp(dir=self._directory)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(draft).replace(self._path(key))
            self._bytes += len(data) - sizes.pop(key, 0)
            sizes[key] = len(data)
            while self._bytes > self._most_bytes:
                oldest, size = sizes.popitem(last=False)
                self._bytes -= size
                self._path(oldest).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}{_SUFFIX}"

    def _known(self) -> OrderedDict[str, int]:
        """What is there, the least recently used first; looked up once. Drafts of a killed process go."""
        if self._sizes is None:
            found: list[tuple[float, str, int]] = []
            for path in self._directory.glob("*"):
                with suppress(OSError):
                    state = path.stat()
                    if path.suffix == _SUFFIX:
                        found.append((state.st_mtime, path.stem, state.st_size))
                    else:
                        path.unlink()
            self._sizes = OrderedDict((key, size) for _, key, size in sorted(found))
            self._bytes = sum(self._sizes.values())
        return self._sizes
