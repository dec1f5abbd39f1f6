"""What must be done now and then, by one of all workers: old scrapes are forgotten.

The others see that it was done by a key in Valkey; a worker that dies at it leaves the rest to the next
turn.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mediascrape.errors import MediascrapeError
from mediascrape.queue.cache import SharedCache
from mediascrape.store import Store

log = logging.getLogger(__name__)

#: Seconds between two turns.
INTERVAL_S = 3600.0


class Upkeep:
    """keep_scrapes_age_s: scrapes that ended longer ago are forgotten; 0 keeps all."""

    def __init__(
        self,
        store: Store,
        turns: SharedCache,
        keep_scrapes_age_s: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._turns = turns
        self._age_s = keep_scrapes_age_s
        self._clock = clock

    async def turn(self) -> int:
        """Forget old scrapes unless another worker has done so within the interval; how many."""
        if not self._age_s or not await self._turns.claim("scrapes", int(0.9 * INTERVAL_S * 1000)):
            return 0
        return await self._store.prune(scrapes_older_than=self._clock() - self._age_s)

    async def run(self) -> None:
        """A turn now and every hour."""
        while True:
            try:
                if forgotten := await self.turn():
                    log.info("%d old scrapes forgotten", forgotten)
            except MediascrapeError as error:
                log.warning("old scrapes are not forgotten this time: %s", error)
            await asyncio.sleep(INTERVAL_S)
