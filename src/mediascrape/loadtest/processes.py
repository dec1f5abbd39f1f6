"""Memory of this process and all that it started."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import psutil


def memory_by_process(labels: Mapping[int, str]) -> dict[str, int]:
    """Resident bytes by label: of this process, its descendants and the processes in `labels`.

    A process without a label goes by its program's name. Processes of one label add up.
    """
    own = psutil.Process()
    used: dict[str, int] = {}
    for pid in {own.pid, *(child.pid for child in own.children(recursive=True)), *labels}:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(pid)
            label = labels.get(pid) or process.name()
            used[label] = used.get(label, 0) + process.memory_info().rss
    return used


def parent_of(pid: int) -> int | None:
    """The process that keeps `pid`, unless that is the system's first."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid).ppid()
        return parent if parent > 1 else None
    return None
