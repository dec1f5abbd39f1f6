"""How much of its time limit an attempt has used.

The limit is about what a job costs the world: connecting, answers, bodies, parsing. With thousands of
jobs in flight on one core, most of an attempt's time may be spent in our own queues (for memory, for the
parser, for the database), and an attempt that is late for that reason alone would be as late the next
time. So a processor stops its clock while it waits for its turn here.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

#: Seconds of waiting in all that an attempt is excused; more of it counts like any other time.
MAX_EXCUSED_S: Final = 120.0


class AttemptClock:
    """Stopped while at least one reason to wait holds; `resume` must be called once for each `pause`."""

    __slots__ = ("_excused_s", "_paused_at", "_pauses", "_started")

    def __init__(self) -> None:
        self._started = monotonic()
        self._excused_s = 0.0
        self._pauses = 0
        self._paused_at = 0.0

    def pause(self) -> None:
        """The attempt waits for a turn of ours from now on."""
        if not self._pauses:
            self._paused_at = monotonic()
        self._pauses += 1

    def resume(self) -> None:
        """That wait is over."""
        self._pauses -= 1
        if not self._pauses:
            self._excused_s += monotonic() - self._paused_at

    def paused(self) -> Paused:
        """Stopped for the time of a block."""
        return Paused(self)

    def used_s(self) -> float:
        """Seconds that count against the limit so far."""
        now = monotonic()
        excused = self._excused_s + (now - self._paused_at if self._pauses else 0.0)
        return now - self._started - min(excused, MAX_EXCUSED_S)


class Paused:
    """What `AttemptClock.paused` returns."""

    __slots__ = ("_clock",)

    def __init__(self, clock: AttemptClock) -> None:
        self._clock = clock

    def __enter__(self) -> None:
        self._clock.pause()

    def __exit__(self, *_: object) -> None:
        self._clock.resume()
