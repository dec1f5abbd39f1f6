from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediascrape.governor import Governor, GovernorOptions, LoopLoad, MemoryGauge, Sample, govern
from mediascrape.parts import companions
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.settings import Settings

# --- a machine made of arithmetic ------------------------------------------------------------


@dataclass
class Machine:
    """One core, one event loop, an origin that answers after `latency_s`, and endless jobs.

    Answers queue for the core in the order they come; each needs `cost_s` of it. Memory is a base, a
    share per job in flight, and one more for those whose answer is there.
    """

    latency_s: float
    cost_s: float
    jobs: float = float("inf")
    memory_base: float = 0.1
    memory_per_job: float = 0.0
    now: float = 0.0
    done: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)
    flying: deque[float] = field(default_factory=deque)
    most_dwell: float = 0.0

    STEP = 0.01

    def run(self, governor: Governor, seconds: float) -> None:
        until, credit = self.now + seconds, 0.0
        while self.now < until:
            busy, ended, peak, lag = 0.0, 0, 0, 0.0
            for _ in range(25):
                while len(self.flying) < governor.limit and self.done + len(self.flying) < self.jobs:
                    self.flying.append(self.now)
                peak = max(peak, len(self.flying))
                credit += self.STEP
                ready = 0
                while self.flying and self.flying[0] + self.latency_s <= self.now and credit >= self.cost_s:
                    self.most_dwell = max(self.most_dwell, self.now - self.flying.popleft())
                    credit -= self.cost_s
                    busy += self.cost_s
                    ended += 1
                    ready += 1
                credit = min(credit, self.cost_s)
                lag = max(lag, min(0.2, ready * self.cost_s))
                self.now += self.STEP
            self.done += ended
            memory = self.memory_base + self.memory_per_job * len(self.flying)
            governor.observe(Sample(peak, ended, min(1.0, busy / 0.25), busy, lag, memory), self.now)
            self.limits.append((self.now, governor.limit))

    def lately(self, since: float) -> list[int]:
        return [limit for at, limit in self.limits if at >= since]


def test_it_begins_with_five_as_the_original_design() -> None:
    assert Governor().limit == 5


def test_a_slow_origin_is_met_with_thousands_within_seconds() -> None:
    governor, machine = Governor(), Machine(latency_s=4, cost_s=0.001)
    machine.run(governor, 3)
    assert governor.limit >= 2000
    machine.run(governor, 60)
    before = machine.done
    machine.run(governor, 60)
    assert machine.done - before >= 0.8 * 60 / machine.cost_s, "the core is put to use"


def test_with_hardly_any_processor_time_per_job_it_reaches_the_most() -> None:
    governor, machine = Governor(), Machine(latency_s=4, cost_s=0.0001)
    machine.run(governor, 15)
    assert governor.limit == 5000


def test_it_stays_small_when_the_processor_is_the_limit() -> None:
    governor, machine = Governor(), Machine(latency_s=0.005, cost_s=0.0016)
    machine.run(governor, 120)
    assert max(machine.lately(0)) <= GovernorOptions().few
    assert machine.done >= 0.95 * 120 / machine.cost_s


@pytest.mark.parametrize("cost_s", [0.0016, 0.004, 0.02])
def test_no_answer_waits_too_long_for_the_core(cost_s: float) -> None:
    governor, machine = Governor(), Machine(latency_s=2, cost_s=cost_s)
    machine.run(governor, 60)
    machine.most_dwell = 0
    machine.run(governor, 120)
    assert machine.most_dwell < 2 + GovernorOptions().burst_s


@pytest.mark.parametrize("latency_s", [0.1, 0.5, 2, 4])
def test_it_does_not_swing(latency_s: float) -> None:
    governor, machine = Governor(), Machine(latency_s=latency_s, cost_s=0.0016)
    machine.run(governor, 60)
    settled = machine.now
    machine.run(governor, 120)
    limits = machine.lately(settled)
    assert max(limits) <= 2.5 * min(limits)
    assert machine.done >= 0.75 * 180 / machine.cost_s - governor.limit


def test_it_follows_an_origin_that_becomes_fast_and_slow_again() -> None:
    governor, machine = Governor(), Machine(latency_s=4, cost_s=0.0016)
    machine.run(governor, 30)
    assert governor.limit > 1000
    machine.latency_s = 0.01
    machine.run(governor, 60)
    assert governor.limit < 100
    machine.latency_s = 4
    machine.run(governor, 60)
    assert governor.limit > 1000


def test_a_moment_without_a_core_does_not_keep_it_small() -> None:
    """While URLs are submitted in the same process, or others use the core, the loop is late."""
    governor, machine = Governor(), Machine(latency_s=4, cost_s=0.001)
    machine.run(governor, 1)
    for _ in range(12):  # three seconds in which nothing ended and the loop hardly ran
        machine.now += 0.25
        governor.observe(Sample(governor.limit, 0, 1.0, 0.0, 1.0), machine.now)
    assert governor.limit < 100
    machine.run(governor, 12)
    assert governor.limit >= 2000


def test_memory_is_never_used_up() -> None:
    governor = Governor()
    machine = Machine(latency_s=4, cost_s=0.0005, memory_base=0.2, memory_per_job=0.7 / 1000)
    peaks = []
    for _ in range(400):
        machine.run(governor, 0.25)
        peaks.append(machine.memory_base + machine.memory_per_job * len(machine.flying))
    assert max(peaks) < 1
    assert min(machine.lately(20)) > 100, "without giving up on work"


def test_critical_memory_shrinks_it_to_the_least_at_once() -> None:
    governor = Governor(GovernorOptions(start=3000))
    assert governor.observe(Sample(in_flight=3000, memory=0.95), 1.0) == 1
    assert governor.why == "memory"


def test_short_memory_counts_from_what_is_in_flight() -> None:
    governor = Governor(GovernorOptions(start=3000))
    governor.observe(Sample(in_flight=100, memory=0.85), 1.0)
    assert governor.limit == 70


def test_it_does_not_grow_for_want_of_work() -> None:
    governor, machine = Governor(), Machine(latency_s=4, cost_s=0.001, jobs=4)
    machine.run(governor, 20)
    assert governor.limit == 5
    assert governor.why == "enough"


def test_a_late_event_loop_is_a_reason_for_fewer() -> None:
    governor = Governor(GovernorOptions(start=1000))
    governor.observe(Sample(in_flight=1000, busy=0.5, lag_s=0.4), 1.0)
    assert governor.limit == 800
    assert governor.why == "lag"


samples = st.builds(
    Sample,
    in_flight=st.integers(0, 10_000),
    ended=st.integers(0, 10_000),
    busy=st.floats(0, 1),
    cpu_s=st.floats(0, 4),
    lag_s=st.floats(0, 30),
    memory=st.floats(0, 1.2),
)


@settings(max_examples=300)
@given(
    course=st.lists(st.tuples(st.floats(0, 5), samples), max_size=40),
    least=st.integers(1, 10),
    start=st.integers(1, 6000),
    most=st.integers(10, 6000),
)
def test_laws(course: list[tuple[float, Sample]], least: int, start: int, most: int) -> None:
    options = GovernorOptions(start=start, least=least, most=most)
    governor, now = Governor(options), 0.0
    for pause, sample in course:
        before = governor.limit
        now += pause
        limit = governor.observe(sample, now)
        assert least <= limit <= most
        assert limit <= 2 * before, "never more than twice as many"
        if sample.memory >= options.memory_critical:
            assert limit == least
        if sample.memory >= options.memory_grow or sample.in_flight < 0.9 * before:
            assert limit <= before
        if before > options.few and (sample.busy > options.busy_grow or sample.lag_s >= options.lag_shrink_s):
            assert limit <= before
        assert governor.cost_s >= 0


# --- memory ----------------------------------------------------------------------------------

MIB = 1 << 20


def cgroup_v2(root: Path, groups: dict[str, tuple[str, int]], own: str, stat: str = "") -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"0::{own}\n")
    for path, (limit, used) in groups.items():
        folder = root / "sys/fs/cgroup" / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(stat)


def test_the_tightest_control_group_counts(tmp_path: Path) -> None:
    groups = {"/a/b": ("max", 10 * MIB), "/a": (str(100 * MIB), 90 * MIB), "/": (str(1000 * MIB), 100 * MIB)}
    cgroup_v2(tmp_path, groups, "/a/b")
    reading = MemoryGauge(root=tmp_path).read()
    assert (reading.used, reading.limit, reading.bound) == (90 * MIB, 100 * MIB, "cgroup")
    assert reading.share == pytest.approx(0.9)


def test_file_cache_that_can_be_dropped_is_not_in_use(tmp_path: Path) -> None:
    stat = f"anon 1\nfile {70 * MIB}\ninactive_file {60 * MIB}\nactive_file {10 * MIB}\n"
    cgroup_v2(tmp_path, {"/": (str(100 * MIB), 99 * MIB)}, "/", stat)
    assert MemoryGauge(root=tmp_path).read().used == 39 * MIB


def test_version_1_and_a_path_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("5:cpu:/\n4:cpuset,memory:/docker/0123\n0::/x\n")
    folder = tmp_path / "sys/fs/cgroup/memory"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(10 * MIB))
    (folder / "memory.usage_in_bytes").write_text(str(9 * MIB))
    (folder / "memory.stat").write_text(f"inactive_file 7\ntotal_inactive_file {MIB}\n")
    reading = MemoryGauge(root=tmp_path).read()
    assert (reading.used, reading.limit) == (8 * MIB, 10 * MIB)
    (folder / "memory.limit_in_bytes").write_text("9223372036854771712")
    assert MemoryGauge(root=tmp_path).read().bound == "machine"


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    reading = MemoryGauge(root=tmp_path).read()
    assert reading.bound == "machine"
    assert 0 < reading.share < 1


def test_a_bound_of_the_operators_counts_companions_too(tmp_path: Path) -> None:
    alone = MemoryGauge(MIB, root=tmp_path).read()
    assert (alone.bound, alone.limit) == ("setting", MIB)
    both = MemoryGauge(MIB, lambda: [1, 2**30], root=tmp_path).read()  # the second is no process
    assert both.used > alone.used - 10 * MIB
    assert both.share > 1


async def test_the_embedded_server_is_a_companion(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    assert companions(settings) == []
    async with EmbeddedValkey(tmp_path):
        (pid,) = companions(settings)
        assert "valkey" in psutil.Process(pid).name()
    assert companions(settings) == []
    assert companions(Settings.load(data_dir=tmp_path, redis_url="redis://elsewhere:6379")) == []


# --- the loop --------------------------------------------------------------------------------


def test_busy_time_is_told_from_idle_time() -> None:
    load = LoopLoad()
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    busy, cpu_s = load.since_last()
    assert busy > 0.8
    assert cpu_s >= 0.1
    time.sleep(0.2)
    busy, _ = load.since_last()
    assert busy < 0.5


@dataclass
class Worker:
    concurrency: int = 0
    running: int = 0
    ended: int = 0


async def test_the_loop_drives_a_worker(tmp_path: Path) -> None:
    worker = Worker()

    async def work() -> None:  # as many as it may, each waiting for ever
        while worker.concurrency < 500:
            worker.running = worker.concurrency
            await asyncio.sleep(0)

    governor = Governor()
    driver = asyncio.create_task(
        govern(worker, governor, MemoryGauge(root=tmp_path), lambda: worker.ended, interval_s=0.01)
    )
    governor.options = GovernorOptions(busy_grow=2, busy_shrink=2, lag_shrink_s=60)  # the test itself is busy
    async with asyncio.timeout(30):
        await work()
    driver.cancel()
    with suppress(asyncio.CancelledError):
        await driver
    assert worker.concurrency == governor.limit
