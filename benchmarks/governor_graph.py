"""How many jobs in flight the governor allows: against a slow origin, and where the processor is the limit.

    python benchmarks/governor_graph.py [--seconds N] [--output docs/img/governor.png]

Needs matplotlib (`pip install --group bench`), which nothing else here does. The whole stack runs on
core 0, the simulated origin on core 1. Draws the limit, the jobs in flight and the busy share of the
event loop over time, and prints what it came to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import matplotlib as mpl
import uvloop

from mediascrape.allocator import keep_freed_memory, settle_garbage_collector
from mediascrape.governor import Governor, MemoryGauge, Sample, govern
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import running_origin
from mediascrape.service import Mediascrape
from mediascrape.settings import Settings

mpl.use("Agg")

from matplotlib import pyplot as plt


@dataclass(frozen=True)
class Scenario:
    """latency: as the origin's option. mean_size: bytes of a page. rate: pages to have ready per second."""

    title: str
    latency: str
    mean_size: int
    rate: int
    hosts: int = 700


SCENARIOS = (
    Scenario("Origin answers after 4 s", "4", 8_000, 1500),
    Scenario("Origin answers at once: the processor is the limit", "0", 100_000, 1500),
)


@dataclass
class Course(Governor):
    """A governor that remembers."""

    rows: list[tuple[float, int, int, float, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()

    def observe(self, sample: Sample, now: float) -> int:
        limit = super().observe(sample, now)
        self.rows.append(
            (now - self.began, limit, sample.in_flight, sample.busy, sample.memory, self.why),
        )
        return limit


async def run(scenario: Scenario, seconds: float) -> tuple[Course, int]:
    """The course of the limit, and the pages done."""
    options = OriginOptions(hosts=scenario.hosts, latency=scenario.latency, mean_size=scenario.mean_size)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        origin = await stack.enter_async_context(running_origin(options, cpu=1))
        settings = Settings(
            data_dir=Path(folder), concurrency=5, robots=False, allow_networks=(ip_network("127.0.0.0/8"),)
        )
        service = await stack.enter_async_context(Mediascrape(settings))
        await service.queue.pause()
        await service.submit(origin.urls(int(scenario.rate * seconds)))
        settle_garbage_collector()  # as the commands do
        await service.queue.resume()
        worker = service.worker
        assert worker is not None
        counters, course = worker.counters, Course()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await govern(
                    worker,
                    course,
                    MemoryGauge(),
                    lambda: counters.completed + counters.failed + counters.retried,
                )
        done = counters.completed
        print(
            f"{scenario.title}: {done} pages in {seconds:g} s, "
            f"limit at most {max(row[1] for row in course.rows)}, in the end {course.rows[-1][1]} ({course.why}), "
            f"{course.cost_s * 1000:.2f} ms a page, timed out {counters.timed_out}, "
            f"failed {counters.failed}, postponed {counters.postponed}",
            flush=True,
        )
        await worker.close(0)
    return course, done


def draw(courses: list[tuple[Scenario, Course]], output: Path) -> None:
    figure, axes = plt.subplots(
        2, len(courses), figsize=(6 * len(courses), 6), sharex="col", height_ratios=(2, 1)
    )
    for (scenario, course), (above, below) in zip(courses, axes.T, strict=True):
        times, limits, flying, busy, memory, _ = zip(*course.rows, strict=True)
        above.set_title(scenario.title)
        above.step(times, limits, where="post", label="allowed", color="tab:blue")
        above.plot(times, flying, label="in flight", color="tab:orange", linewidth=1)
        above.set_ylabel("jobs")
        above.set_ylim(0, max(100.0, *limits) * 1.1)
        above.legend(loc="lower right")
        below.plot(times, busy, label="event loop busy", color="tab:red", linewidth=1)
        below.plot(times, memory, label="memory used", color="tab:green", linewidth=1)
        below.set_ylabel("share")
        below.set_ylim(0, 1.05)
        below.set_xlabel("seconds")
        below.legend(loc="center right")
    figure.tight_layout()
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--output", type=Path, default=Path("docs/img/governor.png"))
    arguments: Any = parser.parse_args()
    keep_freed_memory()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    courses = [(scenario, uvloop.run(run(scenario, arguments.seconds))[0]) for scenario in SCENARIOS]
    draw(courses, arguments.output)


if __name__ == "__main__":
    main()
