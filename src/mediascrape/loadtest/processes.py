"""Memory of this process and all that it started."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import psutil


def memory_by_process(labels: Mapping[int, str]) -> dict[str, int]:
    """Resident bytes by label: the given one of a pid, else the program's name. Same labels add up."""
    own = psutil.Process()
    used: dict[str, int] = {}
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            label = labels.get(process.pid) or process.name()
            used[label] = used.get(label, 0) + process.memory_info().rss
    return used
