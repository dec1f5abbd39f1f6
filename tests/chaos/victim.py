"""A whole worker process that starts within a few milliseconds, to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.context import ForkServerProcess
from typing import Any

from mediascrape.service import Mediascrape
from mediascrape.settings import Settings

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["mediascrape.service"])


def start_worker(**settings: Any) -> ForkServerProcess:
    """A process that runs the worker of a data directory until it is killed."""
    process = _CONTEXT.Process(target=_work, args=(settings,), daemon=True)
    process.start()
    return process


def _work(settings: dict[str, Any]) -> None:
    async def work() -> None:
        async with Mediascrape(Settings.load(**settings)):
            await asyncio.Event().wait()

    asyncio.run(work())
