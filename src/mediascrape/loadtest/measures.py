"""What a load test measures, and the arithmetic on it. Times in seconds, memory in bytes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a set of durations, in milliseconds. All zero for an empty set."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Percentiles:
        values = [value * 1000 for value in seconds]
        if len(values) < 2:
            return cls(*(values * 4)) if values else cls()
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        return cls(cuts[49], cuts[94], cuts[98], max(values))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job. `code` is `ok` or the error's code; times are epoch seconds."""

    code: str
    submitted_at: float
    started_at: float
    finished_at: float
    attempts: int = 1

    @property
    def ok(self) -> bool:
        return self.code == "ok"

    @property
    def wait(self) -> float:
        """From submission to the start of the last attempt: queue, turn of the host, backoff of retries."""
        return max(self.started_at - self.submitted_at, 0.0)

    @property
    def run(self) -> float:
        """The last attempt, fetching to saving."""
        return max(self.finished_at - self.started_at, 0.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the run, `at` seconds after its start. `memory` by process label."""

    at: float
    submitted: int
    ended: int
    in_flight: int
    memory: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A finished (or given up) run.

    submit: of the calls that submitted one batch each. `pending` jobs had not ended when the time was up.
    """

    mode: str
    jobs: int
    elapsed: float
    submit_elapsed: float
    submit: Percentiles
    pending: int = 0
    outcomes: Sequence[Outcome] = ()
    samples: Sequence[Sample] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def succeeded(self) -> int:
        return sum(outcome.ok for outcome in self.outcomes)

    @property
    def errors(self) -> dict[str, int]:
        """Failed jobs by error code, most frequent first."""
        return dict(Counter(outcome.code for outcome in self.outcomes if not outcome.ok).most_common())

    @property
    def retried(self) -> int:
        """Attempts beyond each job's first."""
        return sum(outcome.attempts - 1 for outcome in self.outcomes)

    @property
    def rate(self) -> float:
        """Jobs a second: ended ones, or submitted ones where nothing is run."""
        done = len(self.outcomes) or self.jobs
        seconds = self.elapsed if self.outcomes else self.submit_elapsed
        return done / seconds if seconds else 0.0

    @property
    def wait(self) -> Percentiles:
        return Percentiles.of(outcome.wait for outcome in self.outcomes)

    @property
    def run(self) -> Percentiles:
        return Percentiles.of(outcome.run for outcome in self.outcomes)

    @property
    def peak_memory(self) -> dict[str, int]:
        """Most memory of each process at any look, largest first."""
        peaks: dict[str, int] = {}
        for sample in self.samples:
            for label, used in sample.memory.items():
                peaks[label] = max(peaks.get(label, 0), used)
        return dict(sorted(peaks.items(), key=lambda item: -item[1]))

    @property
    def max_in_flight(self) -> int:
        return max((sample.in_flight for sample in self.samples), default=0)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON takes it; single jobs are left out, the looks are kept."""
        return {
            "mode": self.mode,
            "jobs": self.jobs,
            "succeeded": self.succeeded,
            "failed": sum(self.errors.values()),
            "pending": self.pending,
            "retried": self.retried,
            "errors": self.errors,
            "elapsed_s": round(self.elapsed, 3),
            "rate_per_s": round(self.rate, 1),
            "submit_elapsed_s": round(self.submit_elapsed, 3),
            "submit_ms": _rounded(self.submit),
            "wait_ms": _rounded(self.wait),
            "run_ms": _rounded(self.run),
            "max_in_flight": self.max_in_flight,
            "peak_memory_bytes": self.peak_memory,
            "origin": dict(self.origin),
            "samples": [asdict(sample) for sample in self.samples],
        }


def _rounded(percentiles: Percentiles) -> dict[str, float]:
    return {name: round(value, 2) for name, value in asdict(percentiles).items()}


def by_second(outcomes: Iterable[Outcome], start: float) -> list[tuple[int, list[Outcome]]]:
    """Outcomes by the whole second after `start` in which they ended, in order."""
    seconds: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        seconds.setdefault(max(int(outcome.finished_at - start), 0), []).append(outcome)
    return sorted(seconds.items())
