"""Several worker processes on one queue and one store: limits hold over all, and none is missed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from command_line import CommandLine
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import RunningOrigin, running_origin

LIMIT = 3


@contextmanager
def workers(
    mediascrape: CommandLine, count: int, **environment: str
) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes; those still alive are asked to end."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(mediascrape.start("worker", "-c", "20", **environment)) for _ in range(count)
        ]
        try:
            yield started
        finally:
            for process in started:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            for process in started:
                process.communicate(None, 40)


async def look(mediascrape: CommandLine) -> dict[str, dict[str, int]]:
    seen: dict[str, dict[str, int]] = json.loads((await mediascrape.run("monitor", "--json")).out)
    return seen


async def until_done(mediascrape: CommandLine, pages: int) -> None:
    async with asyncio.timeout(120):
        while True:
            seen = await look(mediascrape)
            assert not seen["scrapes"]["failed"], seen
            if seen["scrapes"]["ok"] == pages:
                return
            await asyncio.sleep(0.3)


async def until_all_run_something(mediascrape: CommandLine, count: int) -> None:
    async with asyncio.timeout(60):
        while (await look(mediascrape))["queue"]["active"] < count:
            await asyncio.sleep(0.2)


async def until_pages_are_asked_for(origin: RunningOrigin) -> None:
    """Jobs in flight may all wait for robots.txt yet."""
    async with asyncio.timeout(60):
        while not ((stats := await origin.stats())["distinct_pages"] and stats["in_flight"] >= 12):
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_four_workers_keep_a_host_s_limit_together(mediascrape: CommandLine) -> None:
    pages = 240
    async with running_origin(OriginOptions(hosts=2, pages=16, mean_size=20_000, latency="0.1")) as origin:
        await mediascrape.run("submit", "--file", "-", stdin="\n".join(origin.urls(pages)))
        with workers(mediascrape, 4, MEDIASCRAPE_HOST_CONCURRENCY=str(LIMIT)):
            await until_done(mediascrape, pages)
        stats = await origin.stats(paths=True)
    most = {base: host["max_in_flight"] for base, host in stats["hosts"].items()}
    print(f"4 workers, limit {LIMIT}: most requests at once by the origin's count: {sorted(most.values())}")
    assert len(most) == 2
    assert max(most.values()) <= LIMIT
    assert min(most.values()) >= LIMIT - 1, "and what is allowed is used"
    assert stats["repeated_pages"] == 0


@pytest.mark.slow
async def test_a_rolling_deploy_hands_jobs_over_at_once(mediascrape: CommandLine) -> None:
    """Locks outlast the test, so what is done was handed back and not found stalled."""
    pages = 90
    patient = {
        "MEDIASCRAPE_LOCK_DURATION_MS": "600000",
        "MEDIASCRAPE_STALLED_INTERVAL_MS": "600000",
        "MEDIASCRAPE_SHUTDOWN_GRACE_S": "0.1",
    }
    async with running_origin(OriginOptions(hosts=6, pages=6, mean_size=10_000, latency="2")) as origin:
        await mediascrape.run("submit", "--file", "-", stdin="\n".join(origin.urls(pages)))
        with workers(mediascrape, 2, **patient) as old:
            await until_all_run_something(mediascrape, 30)
            with workers(mediascrape, 1, **patient):
                await until_pages_are_asked_for(origin)
                for process in old:
                    process.send_signal(signal.SIGTERM)
                    _, err = await asyncio.to_thread(process.communicate, None, 30)
                    assert process.returncode == 130, err
                await until_done(mediascrape, pages)
        again = (await origin.stats())["repeated_pages"]
    print(f"rolling deploy: {pages} pages, 0 lost, {again} begun by a worker that was stopped")
    assert again > 0, "some were in flight"


@pytest.mark.slow
async def test_what_a_killed_worker_held_goes_on_in_the_others(mediascrape: CommandLine) -> None:
    pages = 90
    quick = {"MEDIASCRAPE_LOCK_DURATION_MS": "1000", "MEDIASCRAPE_STALLED_INTERVAL_MS": "500"}
    async with running_origin(OriginOptions(hosts=6, pages=6, mean_size=10_000, latency="1.5")) as origin:
        await mediascrape.run("submit", "--file", "-", stdin="\n".join(origin.urls(pages)))
        with workers(mediascrape, 3, **quick) as processes:
            await until_all_run_something(mediascrape, 30)
            processes[0].kill()
            await until_done(mediascrape, pages)
            left = (await look(mediascrape))["queue"]
        again = (await origin.stats())["repeated_pages"]
    assert sum(left.values()) == 0
    print(f"one of three workers killed: {pages} pages, 0 lost, {again} fetched twice")
