"""`mediascrape serve` as a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from command_line import CommandLine


@asynccontextmanager
async def serving(mediascrape: CommandLine, *arguments: str, **environment: str) -> AsyncIterator[str]:
    """Its address as a URL; stopped with SIGTERM, as a supervisor would."""
    with mediascrape.start("serve", "--port", "0", *arguments, **environment) as process:
        assert process.stderr is not None
        try:
            async with asyncio.timeout(20):
                line = ""
                while "serves" not in line:
                    line = await asyncio.to_thread(process.stderr.readline)
                    assert line, "the service ended"
            match = re.search(r"http://[^ ]+", line)
            assert match is not None
            yield match[0].rstrip("/")
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.communicate, None, 30)
