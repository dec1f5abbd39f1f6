"""The simulated origin as a child process of a test, a benchmark or the load driver."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mediascrape.errors import ServiceUnavailableError
from mediascrape.loadtest.options import OriginOptions

_START_TIMEOUT_S = 60
_LINE_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class RunningOrigin:
    """Where a started origin is reached. `bases` are its hosts' URLs without a trailing slash."""

    pid: int
    bases: tuple[str, ...]

    def url(self, number: int, kind: str = "p") -> str:
        """Page `number`; consecutive numbers go to the hosts in turn."""
        return f"{self.bases[number % len(self.bases)]}/{kind}/{number}/"

    def urls(self, count: int, *, start: int = 0) -> list[str]:
        return [self.url(number) for number in range(start, start + count)]

    async def stats(self, *, paths: bool = False) -> dict[str, Any]:
        """The origin's own counts (`Counts.snapshot`). Raises OSError when it is gone."""
        address = self.bases[0].removeprefix("http://")
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=_LINE_LIMIT)
        try:
            target = "/__stats?paths" if paths else "/__stats"
            writer.write(f"GET {target} HTTP/1.1\r\nhost: {address}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            result: dict[str, Any] = json.loads(await reader.readexactly(length))
            return result
        finally:
            writer.close()


@asynccontextmanager
async def running_origin(options: OriginOptions, *, cpu: int | None = None) -> AsyncIterator[RunningOrigin]:
    """Run an origin in another process, on core `cpu` alone if given (Linux), until the block ends.

    Raises ServiceUnavailableError when it does not come up.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mediascrape.loadtest.origin",
        *options.arguments(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
    )
    try:
        if cpu is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {cpu})
        yield await _ready(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def _ready(process: asyncio.subprocess.Process) -> RunningOrigin:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_TIMEOUT_S)
    except TimeoutError:
        line = b""
    if not line:
        raise ServiceUnavailableError("the simulated origin did not start; its own message is above")
    answer = json.loads(line)
    return RunningOrigin(answer["pid"], tuple(answer["bases"]))
