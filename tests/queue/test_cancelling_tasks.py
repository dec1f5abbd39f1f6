from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from mediascrape.parts import run_beside
from mediascrape.queue.cancelling import cancel_and_wait


async def swallow_one() -> None:
    """As `asyncio.wait_for` does before Python 3.12 when its answer comes with the cancel."""
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)


async def test_a_swallowed_cancel_is_repeated() -> None:
    task = asyncio.create_task(swallow_one())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await cancel_and_wait([task])
    assert task.cancelled()


async def test_a_service_ends_although_a_loop_beside_it_swallows_a_cancel() -> None:
    async with asyncio.timeout(10), AsyncExitStack() as stack:
        run_beside(swallow_one(), "beside", stack)
        await asyncio.sleep(0)
