"""A host that must wait never blocks another, whatever the number of jobs in flight."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mediascrape import Mediascrape, Settings
from mediascrape.loadtest.process import RunningOrigin
from scrape.hostile_origin import Request, hostile_origin

STUCK, OTHERS = 4900, 100


@pytest.mark.parametrize("robots_answer", [True, False], ids=["robots", "robots-hang"])
@pytest.mark.parametrize("concurrency", [5, 200, "auto"])
async def test_jobs_of_a_host_that_hangs_let_the_others_pass(
    tmp_path: Path, origin: RunningOrigin, concurrency: int | str, robots_answer: bool
) -> None:
    """4,900 jobs of a host that takes requests and never answers stand before 100 of others."""
    never, at_once, most = asyncio.Event(), 0, 0
    settings = Settings.load(
        data_dir=tmp_path, concurrency=concurrency, allow_networks="127.0.0.0/8",
        job_timeout_ms=120_000, shutdown_grace_s=0,
    )  # fmt: skip

    async def hang(request: Request) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await request.hold(never)

    async def no_rules(request: Request) -> None:
        await request.answer("404 Not Found")

    async with hostile_origin() as stuck, Mediascrape(settings) as service:
        stuck.handlers |= {"*": hang, "/robots.txt": no_rules if robots_answer else hang}
        await service.submit(stuck.url(f"/{number}") for number in range(STUCK))
        others = await service.submit(origin.urls(OTHERS))
        async with asyncio.timeout(100):
            progress = await service.wait(others)
        assert (progress.done, progress.failed) == (OTHERS, 0)
        worker = service.worker
        assert worker is not None
        counters = worker.counters
        assert (counters.failed, counters.retried) == (0, 0), "waiting uses no attempt"
        assert counters.postponed < 3 * STUCK, "each goes back once or twice, not again and again"
    assert 1 <= most <= 8
