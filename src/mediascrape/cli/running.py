"""From a command to its event loop, and what the process does about signals and logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from mediascrape.allocator import keep_freed_memory
from mediascrape.cli import EXIT_INTERRUPTED

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on the fastest loop there is.

    SIGINT, SIGTERM and SIGHUP (the terminal is gone; unless `nohup` ignores it) cancel it, so that its
    context managers hand back what is in flight; a second one ends the process at once. Raises
    KeyboardInterrupt when it was stopped by SIGINT, for which the terminal gets a new line, and SystemExit
    with status 130 by the others.
    """
    keep_freed_memory()
    with _new_runner() as runner:
        return runner.run(_stoppable(main))


def _new_runner() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:  # not made for every platform
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _stoppable(main: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(main)
    loop = asyncio.get_running_loop()
    stopped: int | None = None

    def stop(number: int) -> None:
        nonlocal stopped
        if stopped is not None:
            os._exit(EXIT_INTERRUPTED)  # the embedded server ends with us, the jobs stay in the queue
        stopped = number
        task.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        with contextlib.suppress(NotImplementedError, ValueError):
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if stopped is None:
            raise
        if stopped == signal.SIGINT:
            raise KeyboardInterrupt from None
        sys.exit(EXIT_INTERRUPTED)
