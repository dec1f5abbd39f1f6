"""`mediascrape loadtest`: how much does this machine do?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mediascrape.cli import EXIT_JOBS_FAILED
from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import SCRAPING, SERVICE, with_settings
from mediascrape.cli.results import require_writable
from mediascrape.cli.running import run
from mediascrape.cli.terminal import console, duration, table
from mediascrape.loadtest.options import FAULTS, OriginOptions, check_latency, parse_fault
from mediascrape.settings import Settings

if TYPE_CHECKING:
    from mediascrape.loadtest.driver import LoadOptions, LoadProgress
    from mediascrape.loadtest.measures import LoadResult, Percentiles

#: Added to the queue's name where the user's own Valkey is tested, so that no real job is touched.
QUEUE_SUFFIX = "-loadtest"


class _Checked(click.ParamType[Any]):
    """A value that a function of the origin's options reads, with its own message when it is wrong."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _origin_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    latency = _Checked("LATENCY", check_latency)
    fault = _Checked("KIND=SHARE", parse_fault)
    for option in reversed(
        (
            click.option(
                "--hosts",
                type=click.IntRange(1, 10_000),
                default=100,
                show_default=True,
                help="Hosts of the simulated origin.",
            ),
            click.option(
                "--latency",
                type=latency,
                default="lognormal:0.2:0.5",
                show_default=True,
                help="Seconds before it answers: SECONDS, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA.",
            ),
            click.option(
                "--page-size",
                type=click.IntRange(2000, 5_000_000),
                default=200_000,
                show_default=True,
                help="Mean size of its pages, in bytes.",
            ),
            click.option(
                "--fault",
                type=fault,
                multiple=True,
                help=f"Share of pages that fail, may be repeated: {', '.join(FAULTS)}.",
            ),
            click.option("--gzip", is_flag=True, help="Compress its answers."),
            click.option(
                "--seed", type=int, default=0, show_default=True, help="Of pages, faults and latencies."
            ),
        )
    ):
        function = option(function)
    return function


@click.command("loadtest")
@click.option(
    "--mode",
    type=click.Choice(["scrape", "enqueue", "http"]),
    default="scrape",
    show_default=True,
    help="scrape: queue, worker and store; enqueue: only add jobs; http: add them to `serve`.",
)
@click.option(
    "-n", "--jobs", type=click.IntRange(min=1), default=5000, show_default=True, help="Jobs in all."
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Jobs submitted by one call.",
)
@click.option(
    "--delay-ms", type=click.FloatRange(min=0), default=10, show_default=True, help="Pause between two calls."
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="Seconds after which the run is given up.",
)
@_origin_flags
@click.option(
    "--own-services",
    is_flag=True,
    help="Test the Valkey and the database of your settings, in a queue of its own "
    "(NAME-loadtest); the pages found stay in the database. Default: throw-away ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Write charts of throughput, in-flight jobs, latency and memory.",
)
@with_settings(SERVICE, SCRAPING)
def loadtest_command(
    settings: Settings, mode: str, as_json: bool, report: Path | None, own_services: bool, **flags: Any
) -> int:
    """Put this machine under load and measure it.

    A simulated origin with as many hosts as you like runs in another process; nothing but this
    machine is contacted. Status 3 means that some jobs failed or did not end.

    \b
    mediascrape loadtest                                        5,000 pages
    mediascrape loadtest --latency 4 --hosts 640 --delay-ms 0   5,000 in flight at once
    mediascrape loadtest --fault 404=0.05 --fault flaky=0.05 --report load.html
    """
    configure_logging("error" if settings.log_level == "info" else settings.log_level)
    from mediascrape.loadtest.driver import LoadOptions

    if report is not None:
        require_writable(report)
    origin = OriginOptions(
        hosts=flags["hosts"],
        latency=flags["latency"],
        mean_size=flags["page_size"],
        faults=dict(flags["fault"]),
        gzip=flags["gzip"],
        seed=flags["seed"],
    )
    load = LoadOptions(flags["jobs"], flags["batch_size"], flags["delay_ms"], flags["timeout_s"])
    result = run(_measure(settings, mode, own_services, origin, load))
    if as_json:
        click.echo(json.dumps(result.as_dict()))
    else:
        _show(result)
    if report is not None:
        from mediascrape.loadtest.report import render

        title = (
            f"{mode}: {load.jobs:,} jobs in batches of {load.batch_size}; "
            f"{origin.hosts} hosts, latency {origin.latency}"
        )
        report.write_text(render(result, title=title), encoding="utf-8")
    ran = result.mode != "enqueue"
    return EXIT_JOBS_FAILED if ran and (result.errors or result.pending) else 0


async def _measure(
    settings: Settings, mode: str, own_services: bool, origin_options: OriginOptions, load: LoadOptions
) -> LoadResult:
    from mediascrape.loadtest.driver import LoadRun
    from mediascrape.loadtest.process import running_origin
    from mediascrape.loadtest.targets import open_target

    async with AsyncExitStack() as stack:
        settings = _prepared(settings, own_services, stack)
        target, labels = await open_target(mode, settings, stack)
        if mode == "enqueue":  # nobody fetches these
            urls = [f"http://127.0.0.1/p/{number}/" for number in range(load.jobs)]
            with _progress(load.jobs) as report:
                return await LoadRun(load, target, labels=labels, report=report).run(urls)
        origin = await stack.enter_async_context(running_origin(origin_options))
        labels[origin.pid] = "simulated origin"
        with _progress(load.jobs) as report:
            driver = LoadRun(load, target, labels=labels, report=report)
            result = await driver.run(origin.urls(load.jobs))
        counts = await origin.stats()
    return replace(result, origin={name: value for name, value in counts.items() if name != "hosts"})


def _prepared(settings: Settings, own_services: bool, stack: AsyncExitStack) -> Settings:
    """The settings of the run: loopback may be contacted, and nothing of the user's own is touched."""
    changes: dict[str, Any] = {"allow_networks": (*settings.allow_networks, ip_network("127.0.0.0/8"))}
    changes["log_level"] = "error" if settings.log_level == "info" else settings.log_level
    if own_services:
        changes["queue_name"] = settings.queue_name + QUEUE_SUFFIX
    else:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="mediascrape-loadtest-"))
        changes |= {"data_dir": Path(directory), "redis_url": None, "redis_host": None, "database_url": None}
    return settings.model_copy(update=changes)


@contextmanager
def _progress(jobs: int) -> Iterator[Callable[[LoadProgress], None] | None]:
    err = console(stderr=True)
    if not err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("jobs"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    ) as bar:
        task = bar.add_task("jobs", total=jobs, detail="")

        def report(now: LoadProgress) -> None:
            rate = now.ended / max(now.elapsed, 0.001)
            bar.update(
                task,
                completed=now.ended,
                detail=f"{now.submitted} submitted, {now.in_flight} in flight, {rate:.0f}/s, "
                f"{now.memory >> 20} MB",
            )

        yield report


def _show(result: LoadResult) -> None:
    failed = sum(result.errors.values())
    doing = "jobs/s" if result.mode != "enqueue" else "jobs/s submitted"
    facts = [
        ("rate", f"{result.rate:,.0f} {doing}"),
        ("submitted", f"{result.jobs:,} in {duration(result.submit_elapsed)}"),
    ]
    if result.mode != "enqueue":
        errors = ", ".join(f"{count} {code}" for code, count in result.errors.items())
        facts += [
            ("succeeded", f"{result.succeeded:,}"),
            ("failed", f"{failed:,}" + (f" ({errors})" if errors else "")),
            ("not ended", f"{result.pending:,}"),
            ("retries", f"{result.retried:,}"),
            ("most in flight", f"{result.max_in_flight:,}"),
        ]
    facts.append(("elapsed", duration(result.elapsed)))
    out = console()
    for name, text in facts:
        out.print(f"{name:<16}{text}")
    out.print()
    times = [("submit a batch", result.submit)]
    if result.outcomes:
        times += [("wait", result.wait), ("run", result.run)]
    columns = ("milliseconds", "p50", "p95", "p99", "max")
    out.print(table(columns, [(name, *_cells(found)) for name, found in times], right=columns[1:]))
    out.print()
    memory = [(name, f"{used / 2**20:,.0f}") for name, used in result.peak_memory.items()]
    out.print(table(("process", "peak MB"), memory, right=("peak MB",)))


def _cells(found: Percentiles) -> tuple[str, ...]:
    return tuple(f"{value:,.1f}" for value in (found.p50, found.p95, found.p99, found.max))
