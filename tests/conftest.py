from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import mediascrape as package
from command_line import CommandLine
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import RunningOrigin, running_origin


def pytest_configure() -> None:
    """What the tests show must be what the sources say: a binary hides the source beside it."""
    for binary in Path(package.__file__).parent.rglob("*.so"):
        stem = binary.name.partition(".")[0]
        for pattern in (f"{stem}.py", f"{stem}.c", "*.h"):
            for source in binary.parent.glob(pattern):
                if source.stat().st_mtime > binary.stat().st_mtime:
                    pytest.exit(f"{source} is newer than what was compiled: `make test` compiles anew", 4)


@pytest.fixture
def mediascrape(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
async def origin() -> AsyncIterator[RunningOrigin]:
    async with running_origin(OriginOptions(hosts=4, pages=8, mean_size=20_000)) as running:
        yield running
