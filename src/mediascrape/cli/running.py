"""From a command to its event loop, and what the process does about signals and logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from mediascrape.allocator import keep_freed_memory

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on the fastest loop there is.

    SIGINT, SIGTERM and SIGHUP (the terminal is gone; unless `nohup` ignores it) cancel it, so that its
    context managers hand back what is in flight; a second one ends the process at once. Raises
    KeyboardInterrupt when it was stopped that way.
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
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if stopped:
            os._exit(130)  # the embedded server ends with us, the jobs stay in the queue
        stopped = True
        task.cancel()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        with contextlib.suppress(NotImplementedError, ValueError):
            loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        raise
