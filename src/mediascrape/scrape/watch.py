"""Ends transfers whose host is too slow: one timer for all of them, not one for each.

Time is counted only while the host could send: neither while our budget pauses a transfer, nor while
our own event loop is late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mediascrape.errors import TooSlowError
from mediascrape.scrape.exchange import Exchange
from mediascrape.scrape.limits import Pace


class Watch:
    """fail: called for each exchange that is too slow, with the error to end it with."""

    def __init__(self, pace: Pace, fail: Callable[[Exchange, TooSlowError], None]) -> None:
        self._pace = pace
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._clock = 0.0
        self._last = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._exchanges: dict[Exchange, None] = {}

    def add(self, exchange: Exchange) -> None:
        """Begins to count the exchange's time."""
        if self._timer is None:
            self._last = self._loop.time()
            self._timer = self._loop.call_later(self._pace.interval_s, self._tick)
        exchange.started = self._clock
        self._exchanges[exchange] = None

    def remove(self, exchange: Exchange) -> None:
        """May be called again."""
        self._exchanges.pop(exchange, None)

    def exchanges(self) -> list[Exchange]:
        """Those watched now."""
        return list(self._exchanges)

    def close(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = self._loop.time()
        elapsed = min(now - self._last, 2 * self._pace.interval_s)
        self._last = now
        self._clock += elapsed
        late = [
            (exchange, error)
            for exchange in self._exchanges
            if (error := self._judge(exchange, elapsed)) is not None
        ]
        for exchange, error in late:
            self._fail(exchange, error)
        self._timer = self._loop.call_later(self._pace.interval_s, self._tick) if self._exchanges else None

    def _judge(self, exchange: Exchange, elapsed: float) -> TooSlowError | None:
        if exchange.paused:
            exchange.started += elapsed
            exchange.window_started += elapsed
            return None
        pace = self._pace
        if self._clock - exchange.started > pace.total_s:
            return TooSlowError(f"not complete after {pace.total_s:g} s")
        if exchange.window_started < exchange.started:  # no window yet: no byte had been seen
            if exchange.received:  # waiting for an answer is no sign of slowness, dripping one is
                self._open_window(exchange)
            return None
        if self._clock - exchange.window_started < pace.window_s:
            return None
        arrived = exchange.received - exchange.window_bytes
        self._open_window(exchange)
        exchange.shrink(ahead=arrived)  # what it is likely to bring in the next window
        if arrived < pace.min_bytes_per_s * pace.window_s:
            return TooSlowError(f"{arrived} bytes in {pace.window_s:g} s")
        return None

    def _open_window(self, exchange: Exchange) -> None:
        exchange.window_started = self._clock
        exchange.window_bytes = exchange.received
