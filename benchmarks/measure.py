"""CPU and memory of a stack: all processes that descend from the runner, but for those it leaves out.

CPU is counted by the kernel per process (user and system time, children that ended included), so
that nothing a stack starts escapes. Memory is the proportional set size: pages shared by several
processes count once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_S = 0.1


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ended, so that they stay in the count (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stack(leave_out: frozenset[int]) -> list[psutil.Process]:
    """Descendants of this process but those in `leave_out` and theirs."""
    found = []
    for child in psutil.Process().children():
        if child.pid not in leave_out:
            found.append(child)
            with contextlib.suppress(psutil.NoSuchProcess):
                found += child.children(recursive=True)
    return found


def cpu_seconds(leave_out: frozenset[int]) -> defaultdict[str, float]:
    """By the processes' names."""
    spent: defaultdict[str, float] = defaultdict(float)
    for process in stack(leave_out):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used = times.user + times.system + times.children_user + times.children_system
            spent[process.name()] += used
    return spent


def memory_bytes(process: psutil.Process) -> int:
    return int(process.memory_full_info().pss)


@dataclass(slots=True)
class Usage:
    """What a stack used between two moments. Memory in bytes, CPU and wall time in seconds."""

    cpu: float = 0.0
    cpu_by_process: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    peak_memory: int = 0
    peak_by_process: dict[str, int] = field(default_factory=dict)

    def sample(self, leave_out: frozenset[int]) -> None:
        total = 0
        for process in stack(leave_out):
            with contextlib.suppress(psutil.NoSuchProcess):
                used, name = memory_bytes(process), process.name()
                total += used
                self.peak_by_process[name] = max(self.peak_by_process.get(name, 0), used)
        self.peak_memory = max(self.peak_memory, total)


@asynccontextmanager
async def measured(leave_out: frozenset[int]) -> AsyncIterator[Usage]:
    """Measure the stack while the block runs."""
    usage = Usage()

    async def keep_sampling() -> None:
        while True:
            usage.sample(leave_out)
            await asyncio.sleep(_SAMPLE_S)

    cpu, start = cpu_seconds(leave_out), time.perf_counter()
    sampling = asyncio.create_task(keep_sampling())
    try:
        yield usage
    finally:
        usage.wall = time.perf_counter() - start
        spent = cpu_seconds(leave_out)
        usage.cpu_by_process = {name: spent[name] - cpu[name] for name in spent}
        usage.cpu = sum(usage.cpu_by_process.values())
        sampling.cancel()


def pin(cpu: int) -> None:
    """Keep this process, and what it starts from now on, on one core."""
    os.sched_setaffinity(0, {cpu})
