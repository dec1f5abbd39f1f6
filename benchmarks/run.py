"""Run the peers side by side: `python -m benchmarks.run pages|noop|add|inflight`. See README.md here."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.environment import machine, versions
from benchmarks.peer_list import PEERS, Peer
from benchmarks.stack import ORIGIN_CPU, Result, Task, run_peer, write_urls

from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import running_origin

OURS = "mediascrape"
LIMIT = "bare"
COLUMNS = ("peer", "CPU ms/job", "x ours", "x bare", "jobs/s", "s", "peak MB", "media", "errors")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A table. `hosts` and `latency_s` describe the origin."""

    help: str
    mode: str
    jobs: int
    concurrency: tuple[int, ...]
    hosts: int = 16
    latency_s: float = 0.0
    limit_s: float = 240.0


SCENARIOS = {
    "pages": Scenario("CPU, speed and memory per scraped page", "pages", 3000, (50,)),
    "noop": Scenario("the queue alone: jobs that do nothing", "noop", 20_000, (50, 500, 5000), limit_s=120),
    "add": Scenario("adding jobs in bulk", "add", 50_000, (1,), limit_s=120),
    "inflight": Scenario(
        "5,000 jobs in flight against an origin that answers after 4 s",
        "pages",
        5000,
        (5000,),
        hosts=640,
        latency_s=4.0,
        limit_s=120,
    ),
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "scenario", choices=SCENARIOS, help="; ".join(f"{name}: {s.help}" for name, s in SCENARIOS.items())
    )
    parser.add_argument("--peers", help=f"comma-separated, of {', '.join(PEERS)}; default all that can")
    parser.add_argument("--jobs", type=int, help="jobs per run")
    parser.add_argument("--concurrency", type=int, action="append", help="jobs in flight, may be repeated")
    parser.add_argument("--rounds", type=int, default=1, help="interleaved rounds; the median run counts")
    parser.add_argument(
        "--corpus", type=Path, help="folder of *.html(.gz) to serve; default: generated pages"
    )
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace, mode: str) -> list[Peer]:
    names = (
        arguments.peers.split(",") if arguments.peers else [n for n, p in PEERS.items() if mode in p.modes]
    )
    peers = [PEERS[name] for name in names]
    for peer in peers:
        peer.install()
    return peers


async def run_all(arguments: argparse.Namespace, scenario: Scenario) -> list[tuple[int, Result]]:
    """All peers at all concurrencies, round by round; (concurrency, result) of each run."""
    peers = chosen(arguments, scenario.mode)
    jobs = arguments.jobs or scenario.jobs
    options = OriginOptions(hosts=scenario.hosts, latency=str(scenario.latency_s), directory=arguments.corpus)
    results = []
    async with running_origin(options, cpu=ORIGIN_CPU) as origin:
        with tempfile.TemporaryDirectory() as directory:
            urls = write_urls(origin.urls(jobs), directory)
            for _ in range(arguments.rounds):
                for concurrency in arguments.concurrency or scenario.concurrency:
                    for peer in peers:
                        task = Task(scenario.mode, jobs, concurrency, urls)
                        leave_out = frozenset({origin.pid})
                        result = await run_peer(peer, task, leave_out=leave_out, limit_s=scenario.limit_s)
                        print(_line(concurrency, result), file=sys.stderr)
                        results.append((concurrency, result))
    return results


def _line(concurrency: int, r: Result) -> str:
    split = ", ".join(
        f"{name} {cpu / r.jobs * 1000:.3f}" for name, cpu in r.usage.cpu_by_process.items() if cpu
    )
    return (
        f"{r.peer} at {concurrency}: {r.ok} ok, {r.failed} failed, {r.media} media, "
        f"{r.cpu_ms:.3f} ms CPU/job ({split}), {r.rate:.0f}/s in {r.usage.wall:.1f} s, "
        f"{r.usage.peak_memory >> 20} MB {r.error}"
    )


def median_run(runs: list[Result]) -> Result:
    """The run whose CPU is the median (the lower one of two)."""
    cpu = statistics.median_low([run.cpu_ms for run in runs])
    return next(run for run in runs if run.cpu_ms == cpu)


def table(results: list[tuple[int, Result]], concurrency: int, scenario: Scenario) -> str:
    """One concurrency's comparison as a Markdown table, cheapest first."""
    runs: dict[str, list[Result]] = {}
    for at, result in results:
        if at == concurrency:
            runs.setdefault(result.peer, []).append(result)
    medians = {name: median_run(of_peer) for name, of_peer in runs.items()}
    rows: list[Sequence[str]] = [
        ("peer", "CPU ms/job", "x ours", "x bare", "jobs/s", "s", "peak MB", "media", "errors")
    ]
    for name, run in sorted(medians.items(), key=lambda item: (bool(item[1].error), item[1].cpu_ms)):
        title = PEERS[name].queue_title if scenario.mode != "pages" else PEERS[name].title
        figures = [f"{run.cpu_ms:.3f}", _ratio(run, medians.get(OURS)), _ratio(run, medians.get(LIMIT))]
        figures += [f"{run.rate:,.0f}", f"{run.usage.wall:.1f}"] if not run.error else ["-", "-"]
        figures += [f"{run.usage.peak_memory / 2**20:,.0f}", f"{run.media:,}", run.error or str(run.failed)]
        rows.append((title, *figures))
    return f"At most {concurrency:,} jobs in flight:\n\n{markdown(rows)}\n"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded, so that the table reads well as text too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join([f"{row[0]:<{widths[0]}}", *(f"{c:>{w}}" for c, w in cells)]) + " |"
        for row in rows
        for cells in [zip(row[1:], widths[1:], strict=True)]
    ]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if not n else ":") for n, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _ratio(run: Result, other: Result | None) -> str:
    return f"{run.cpu_ms / other.cpu_ms:.2f}" if other and other.cpu_ms else "-"


def main() -> None:
    arguments = parse()
    scenario = SCENARIOS[arguments.scenario]
    measure.adopt_orphans()
    measure.pin(ORIGIN_CPU)
    results = asyncio.run(run_all(arguments, scenario))
    print(f"{scenario.help[0].upper()}{scenario.help[1:]}. {machine()}.\n")
    for concurrency in arguments.concurrency or scenario.concurrency:
        print(table(results, concurrency, scenario))
    for name in dict.fromkeys(result.peer for _, result in results):
        print(f"- {PEERS[name].title}: {versions(PEERS[name])}")
    if arguments.json:
        runs = [{"concurrency": at, **result.as_dict()} for at, result in results]
        arguments.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()
