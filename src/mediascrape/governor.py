"""How many jobs may be in flight at once, found from what the machine says.

`Governor` is arithmetic: samples in, a limit out, time given. `Machine` takes the samples, and
`govern` is the loop that joins the two to a worker.

In flight is cheap while origins are slow: a job that waits costs a socket and some kilobytes. What
ends the growth is the processor, the event loop falling behind, or memory, and each has its own answer:

* Memory short: fewer at once, now, by as much as it takes.
* Processor busy or loop late: fewer, once per time that a job stays in flight, because no sooner does
  one see what the last step did (the reason why TCP backs off once per round trip).
* Neither, and the limit is what holds jobs back: twice as many; in small steps near where it went
  wrong the last time.

However idle the processor is now, all jobs in flight may get their answers at the same moment. What
waits for the processor then is held back by its hosts, who have patience for half a minute or so. So there
are never more of them than it can serve within `burst_s`, and fewer until their cost is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

#: Seconds over which the rate of ended jobs is averaged, and the longest a job is taken to be in flight.
RATE_WINDOW_S = 3.0
MAX_DWELL_S = 10.0
#: Seconds over which a job's processor time is averaged, and for how many jobs the guess of it counts.
COST_WINDOW_S = 20.0
COST_PRIOR_JOBS = 200


@dataclass(frozen=True, slots=True)
class GovernorOptions:
    """start, least, most: jobs in flight. few: so many cost next to nothing and let the queue work in
    batches, so the processor is no reason for fewer.
    busy_grow, busy_shrink: shares of one core's time below which the limit may grow and above which it
    shrinks; below busy_idle the processor was not why a limit went wrong. lag_shrink_s: lateness of the
    event loop that counts as busy.
    memory_grow, memory_shrink, memory_critical: shares of the memory there is.
    burst_s: processor time that all jobs in flight together may need; blind_burst_s: the same while what
    one needs is but guessed, cost_guess_s.
    forget_s: a limit that went wrong is tried again after so long.
    """

    start: int = 5
    least: int = 1
    most: int = 5000
    few: int = 32
    busy_idle: float = 0.4
    busy_grow: float = 0.9
    busy_shrink: float = 0.97
    lag_shrink_s: float = 0.25
    memory_grow: float = 0.7
    memory_shrink: float = 0.8
    memory_critical: float = 0.92
    burst_s: float = 15.0
    blind_burst_s: float = 4.0
    cost_guess_s: float = 0.0015
    forget_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen since the last sample.

    in_flight: the most jobs at once. ended: jobs that ended. busy: share of the time in which the
    event loop's thread ran or wanted to. cpu_s: processor time of the process. lag_s: how late the
    event loop was at worst. memory: share in use of what may be used.
    """

    in_flight: int
    ended: int = 0
    busy: float = 0.0
    cpu_s: float = 0.0
    lag_s: float = 0.0
    memory: float = 0.0


class Governor:
    """Holds the limit. Calls of `observe` must come with a time, in seconds, that does not go back."""

    def __init__(self, options: GovernorOptions | None = None) -> None:
        self.options = options or GovernorOptions()
        self.limit = self._bounded(self.options.start)
        self.why = "start"  #: the reason for the limit: one word, for metrics and people
        self.seen = Sample(0)  #: what it judged by
        self._time: float | None = None
        self._cost_s = self.options.cost_guess_s
        self._cpu_s = self._ended = 0.0  # both fade at the same pace
        self._rate = 0.0  # jobs ended per second
        self._busy = 0.0  # mean over about the time that a job stays in flight
        self._idle_memory = float("inf")  # the least share ever in use
        self._last_step = float("-inf")
        self._ceiling: float | None = None  # the limit that last went wrong
        self._ceiling_of_memory = False
        self._ceiling_until = float("-inf")

    def observe(self, sample: Sample, now: float) -> int:
        """The limit from now on."""
        elapsed = max(0.001, now - self._time) if self._time is not None else 0.25
        self._time = now
        self.seen = sample
        self._learn(sample, elapsed)
        if now >= self._ceiling_until:
            self._ceiling = None
        target, self.why = self._judge(sample, now)
        self.limit = self._bounded(target)
        return self.limit

    @property
    def cost_s(self) -> float:
        """Processor time of one job, as seen lately."""
        return self._cost_s

    def _learn(self, sample: Sample, elapsed: float) -> None:
        self._idle_memory = min(self._idle_memory, sample.memory)
        self._rate += (sample.ended / elapsed - self._rate) * min(1.0, elapsed / RATE_WINDOW_S)
        self._busy += (sample.busy - self._busy) * min(1.0, elapsed / max(elapsed, self._dwell_s(sample)))
        if sample.ended or self._ended:
            # Sums, not a mean of ratios: answers come in bursts, and so does the work for new requests.
            # Before the first answer there is only the work for requests, which tells too little.
            keep = max(0.0, 1 - elapsed / COST_WINDOW_S)
            self._cpu_s = self._cpu_s * keep + sample.cpu_s
            self._ended = self._ended * keep + sample.ended
            known = self._cpu_s + COST_PRIOR_JOBS * self.options.cost_guess_s
            self._cost_s = known / (self._ended + COST_PRIOR_JOBS)

    def _judge(self, sample: Sample, now: float) -> tuple[float, str]:
        return (
            self._short_of_memory(sample, now)
            or self._overloaded(sample, now)
            or self._free_to_grow(sample, now)
        )

    def _short_of_memory(self, sample: Sample, now: float) -> tuple[float, str] | None:
        if sample.memory >= self.options.memory_critical:
            return self._shrink(self.options.least, now, of_memory=True), "memory"
        if sample.memory >= self.options.memory_shrink:
            if sample.in_flight > 1.1 * self.limit:
                return self.limit, "memory"  # none is let in until enough have ended, as things are
            target = 0.7 * min(self.limit, max(sample.in_flight, 1))
            return self._shrink(target, now, of_memory=True), "memory"
        return None

    def _overloaded(self, sample: Sample, now: float) -> tuple[float, str] | None:
        options, limit = self.options, self.limit
        if limit > self._burst():
            return self._burst(), "burst"
        # Answers come in bursts: a core that is busy only now and then is not the limit.
        busy = min(sample.busy, self._busy) >= options.busy_shrink
        if not busy and sample.lag_s < options.lag_shrink_s:
            return None
        why = "cpu" if busy else "lag"
        if limit <= options.few:
            return self._grow_to_few(sample), why
        if sample.in_flight > 1.1 * limit or now - self._last_step < self._dwell_s(sample):
            return limit, why  # the last step has not shown yet what it does
        self._last_step = now
        return self._shrink(max(options.few, 0.8 * limit), now), why

    def _free_to_grow(self, sample: Sample, now: float) -> tuple[float, str]:
        if sample.in_flight < 0.9 * self.limit:
            return self.limit, "enough"
        if sample.memory >= self.options.memory_grow:
            return self.limit, "memory"
        if max(sample.busy, self._busy) > self.options.busy_grow:
            return self._grow_to_few(sample), "cpu"
        return min(self._burst(), self._grow(sample, now)), "growing"

    def _burst(self) -> float:
        """So many jobs the processor can serve when all their answers come at once."""
        options, known = self.options, self._ended / (self._ended + COST_PRIOR_JOBS)
        seconds = options.blind_burst_s + (options.burst_s - options.blind_burst_s) * known
        return max(options.few, seconds / max(self._cost_s, 1e-6))

    def _grow_to_few(self, sample: Sample) -> float:
        """Busy or not: with a handful in flight the queue can't work in batches, which costs more."""
        binding = sample.in_flight >= 0.9 * self.limit and sample.memory < self.options.memory_grow
        return max(self.limit, min(self.options.few, 2 * self.limit)) if binding else self.limit

    def _grow(self, sample: Sample, now: float) -> float:
        target = min(2.0 * self.limit, self._room(sample))
        if max(sample.busy, self._busy) < self.options.busy_idle and not self._ceiling_of_memory:
            self._ceiling = None  # as many are in flight again, and the core idles: it was not they
        if self._ceiling is not None and target > 0.8 * self._ceiling:
            if now - self._last_step < self._dwell_s(sample):
                return self.limit
            self._last_step = now
            target = 1.1 * self.limit
        return max(target, self.limit + 1)

    def _room(self, sample: Sample) -> float:
        """So many jobs would fit into memory if each took what those in flight take."""
        per_job = (sample.memory - self._idle_memory) / max(sample.in_flight, 1)
        return (self.options.memory_grow - self._idle_memory) / max(per_job, 1e-9)

    def _shrink(self, target: float, now: float, *, of_memory: bool = False) -> float:
        if target < self.limit:
            self._ceiling, self._ceiling_of_memory = self.limit, of_memory
        self._ceiling_until = now + self.options.forget_s
        return min(target, self.limit)

    def _dwell_s(self, sample: Sample) -> float:
        """How long a job stays in flight, by Little's law."""
        return min(MAX_DWELL_S, sample.in_flight / self._rate) if self._rate > 0 else 0.0

    def _bounded(self, limit: float) -> int:
        return max(self.options.least, min(self.options.most, int(limit)))


# --- the machine -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Bytes in use and bytes there are, of whichever bound is closest; `bound` names it."""

    used: int
    limit: int
    bound: str

    @property
    def share(self) -> float:
        return self.used / self.limit if self.limit > 0 else 1.0


@dataclass(frozen=True, slots=True)
class _CgroupFiles:
    usage: Path
    limit: Path
    stat: Path
    reclaimable: str  # name in `stat` of file cache that the kernel gives up before anything else

    def read(self) -> MemoryReading | None:
        try:
            text = self.limit.read_text().strip()
            limit = int(text) if text != "max" else 0
            if not 0 < limit < 1 << 60:  # version 1 says "no limit" as a very large number
                return None
            cache = 0
            for line in self.stat.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == self.reclaimable:
                    cache = int(value)
            return MemoryReading(max(0, int(self.usage.read_text()) - cache), limit, "cgroup")
        except (OSError, ValueError):
            return None


class MemoryGauge:
    """How much memory the whole stack (this process, the embedded Valkey, whatever shares their
    control group) uses of what it may.

    limit_bytes: a bound set by the operator for this process and `companions`, the ids of others that
    belong to it. Bounds of control groups (versions 1 and 2, at every level) hold besides, and so does
    what the machine has left, however much of it others use. root: where `/proc` and `/sys` are.
    """

    def __init__(
        self,
        limit_bytes: int | None = None,
        companions: Callable[[], Sequence[int]] = tuple,
        *,
        root: Path = Path("/"),
    ) -> None:
        self._limit_bytes = limit_bytes
        self._companions = companions
        self._cgroups = list(_find_cgroups(root))

    def read(self) -> MemoryReading:
        """The bound that is closest to being reached."""
        return max(self._readings(), key=lambda reading: reading.share)

    def _readings(self) -> Iterator[MemoryReading]:
        ours = sum(map(_resident, (None, *self._companions())))
        yield MemoryReading(ours, ours + psutil.virtual_memory().available, "machine")
        for cgroup in self._cgroups:
            reading = cgroup.read()
            if reading is not None:
                yield reading
        if self._limit_bytes is not None:
            yield MemoryReading(ours, self._limit_bytes, "setting")


def _resident(pid: int | None) -> int:
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _find_cgroups(root: Path) -> Iterator[_CgroupFiles]:
    """Control groups of this process that count memory, from its own up to the topmost seen."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base = root / "sys/fs/cgroup"
            names = ("memory.current", "memory.max", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
        else:
            continue
        # In a container the path may be the host's, of which only the mount's own level is seen.
        own = base / path.lstrip("/")
        for level in (own, *own.parents):
            if (level / names[1]).exists():
                yield _CgroupFiles(level / names[0], level / names[1], level / "memory.stat", names[2])
            if level == base:
                break


class LoopLoad:
    """Share of the time in which the calling thread, the event loop's, ran or waited for a core."""

    def __init__(self) -> None:
        self._schedstat = Path("/proc/thread-self/schedstat")
        self._before = self._now()

    def since_last(self) -> tuple[float, float]:
        """Busy share, and processor time of the whole process in seconds, since the last call."""
        before, self._before = self._before, self._now()
        elapsed, wanted, used = (now - then for now, then in zip(self._before, before, strict=True))
        return (min(1.0, max(wanted, min(used, elapsed)) / elapsed) if elapsed > 0 else 0.0), used

    def _now(self) -> tuple[float, float, float]:
        try:
            # Nanoseconds on a core and in the queue for one: the second counts where others share it.
            ran, waited, _ = self._schedstat.read_text().split()
            wanted = (int(ran) + int(waited)) / 1e9
        except (OSError, ValueError):
            wanted = time.thread_time()
        return time.monotonic(), wanted, time.process_time()


# --- the loop --------------------------------------------------------------------------------


class Governed(Protocol):
    """A worker whose number of jobs in flight can be set."""

    concurrency: int

    @property
    def running(self) -> int: ...


async def govern(
    worker: Governed,
    governor: Governor,
    gauge: MemoryGauge,
    ended: Callable[[], int],
    *,
    interval_s: float = 0.25,
    probes: int = 5,
) -> None:
    """Set the worker's concurrency until cancelled.

    ended: how many attempts have ended since the worker began. Between two decisions the loop is
    probed `probes` times for its lateness and for the jobs in flight.
    """
    worker.concurrency = governor.limit
    load, ended_before = LoopLoad(), ended()
    while True:
        lag, in_flight = 0.0, 0
        for _ in range(probes):
            began = time.monotonic()
            await asyncio.sleep(interval_s / probes)
            lag = max(lag, time.monotonic() - began - interval_s / probes)
            in_flight = max(in_flight, worker.running)
        busy, cpu_s = load.since_last()
        ended_now = ended()
        memory = gauge.read().share
        sample = Sample(in_flight, ended_now - ended_before, busy, cpu_s, lag, memory)
        ended_before = ended_now
        limit = governor.observe(sample, time.monotonic())
        if limit != worker.concurrency:
            worker.concurrency = limit
