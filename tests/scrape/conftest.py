from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.guard import AddressGuard
from mediascrape.scrape.limits import BodyLimits, Pace
from mediascrape.scrape.options import FetchOptions
from scrape.hostile_origin import HostileOrigin, hostile_origin

LOOPBACK = ("127.0.0.0/8", "::1/128")


def quick_options(**changes: object) -> FetchOptions:
    """Limits that a test can run into within moments."""
    options: dict[str, object] = {
        "limits": BodyLimits(max_bytes=200_000, max_head_bytes=16_384),
        "pace": Pace(total_s=20, window_s=0.3, min_bytes_per_s=1000, interval_s=0.05),
        "connect_timeout_s": 1.0,
    }
    return FetchOptions(**(options | changes))  # type: ignore[arg-type]


@pytest.fixture
async def origin() -> AsyncIterator[HostileOrigin]:
    async with hostile_origin() as running:
        yield running


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    async with Fetcher(quick_options(), AddressGuard(LOOPBACK)) as running:
        yield running
        assert running.in_flight == 0
        assert running.budget.used == 0
