"""What the tests of the groups' gate share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mediascrape.queue.groups import REPORT_LINGER_S, Granted, GroupGate, GroupLimits, Wait

BASE = "bull:media-scrape:"
GROUP = "https://example.org"
EIGHT = GroupLimits(concurrent=8)


@dataclass
class Clock:
    now: float = 1_700_000_000_000.0

    def __call__(self) -> float:
        return self.now


async def granted(gate: GroupGate, limits: GroupLimits = EIGHT, group: str = GROUP) -> Granted:
    answer = await gate.acquire(group, limits)
    assert isinstance(answer, Granted), answer
    return answer


async def waits(gate: GroupGate, limits: GroupLimits = EIGHT, group: str = GROUP) -> Wait:
    answer = await gate.acquire(group, limits)
    assert isinstance(answer, Wait), answer
    return answer


async def all_reported() -> None:
    """Ends when what jobs have said of their groups has gone to the server, without further requests."""
    await asyncio.sleep(2 * REPORT_LINGER_S)
