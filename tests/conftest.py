from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from command_line import CommandLine
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import RunningOrigin, running_origin


@pytest.fixture
def mediascrape(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
async def origin() -> AsyncIterator[RunningOrigin]:
    async with running_origin(OriginOptions(hosts=4, pages=8, mean_size=20_000)) as running:
        yield running
