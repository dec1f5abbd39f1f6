"""When a schedule runs: BullMQ's repeat options, cron expressions, the next iteration. Pure.

Where two workers, Node's or ours, share a queue, both must plan the same next time; whichever is
first wins, and the script refuses the other. So the rules here are Node's
(`src/classes/job-scheduler.ts`), dialect of cron included (`cron-parser`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from mediascrape.errors import InvalidScheduleError
from mediascrape.queue.wire import to_int

#: Longest cron expression looked at; a list of every minute of an hour has 170 characters.
_MAX_CRON = 250
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@minutely": "* * * * *",
    "@weekdays": "0 0 * * 1-5",
    "@weekends": "0 0 * * 0,6",
}
_UNITS_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_DURATION = re.compile(r"(\d+)\s*(ms|s|min|m|h|d|w)\s*", re.IGNORECASE)
#: Beyond this a score no longer holds a millisecond exactly together with BullMQ's 12 bits.
_MAX_MS = 2**41
_END_OF_TIME_MS = 221_845_392_000_000


@dataclass(frozen=True, slots=True)
class Repeat:
    """How a schedule repeats: every so often, or by a cron expression of five fields (six with
    seconds in front). Times are milliseconds since the epoch.

    tz: IANA time zone of the cron expression; None is UTC.
    limit: runs in all. offset_ms: shifts the slots of `every_ms`, which are counted from the epoch.
    immediately: the first run is now (that of `every_ms` without an offset always is).
    """

    every_ms: int | None = None
    cron: str | None = None
    tz: str | None = None
    limit: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    offset_ms: int | None = None
    immediately: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidScheduleError for what cannot be planned."""
        if (self.every_ms is None) == (self.cron is None):
            raise InvalidScheduleError("a schedule needs either an interval or a cron expression")
        if self.every_ms is not None and not 1 <= self.every_ms < _MAX_MS:
            raise InvalidScheduleError(
                f"an interval must be at least 1 ms and below 69 years, not {self.every_ms} ms"
            )
        if self.tz is not None and self.cron is None:
            raise InvalidScheduleError("a time zone goes with a cron expression, not with an interval")
        if self.limit is not None and self.limit < 1:
            raise InvalidScheduleError(f"the number of runs must be at least 1, not {self.limit}")
        if not all(0 <= (moment or 0) < _END_OF_TIME_MS for moment in (self.start_ms, self.end_ms)):
            raise InvalidScheduleError("a schedule starts and ends between the years 1970 and 9000")
        if self.immediately and self.start_ms is not None:
            raise InvalidScheduleError("a schedule either starts immediately or at a given time")
        if self.offset_ms is not None and (self.every_ms is None or not 0 <= self.offset_ms < self.every_ms):
            raise InvalidScheduleError("an offset goes with an interval and is shorter than it")
        if self.cron is not None:
            next_cron_ms(self.cron, self.tz, 0)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The `repeat` option of a job or the fields of a scheduler, unchecked: the producer may be
        anyone, and `plan` tells what is wrong."""
        repeat = object.__new__(cls)
        for name, key in (("every_ms", "every"), ("limit", "limit"), ("offset_ms", "offset")):
            object.__setattr__(repeat, name, to_int(wire.get(key)) or None)
        for name, key in (("cron", "pattern"), ("tz", "tz")):
            value = wire.get(key)
            object.__setattr__(repeat, name, str(value) if value else None)
        for name, key in (("start_ms", "startDate"), ("end_ms", "endDate")):
            object.__setattr__(repeat, name, _date_ms(wire.get(key)))
        object.__setattr__(repeat, "immediately", False)
        return repeat

    def to_wire(self) -> dict[str, Any]:
        """Node's names, without what is not set. `immediately` only concerns the first plan."""
        wire = {
            "every": self.every_ms, "pattern": self.cron, "tz": self.tz, "limit": self.limit,
            "startDate": self.start_ms, "endDate": self.end_ms, "offset": self.offset_ms,
        }  # fmt: skip
        return {name: value for name, value in wire.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Iteration:
    """The next run: when (for intervals the script has the last word), and its job's options."""

    at_ms: int
    options: dict[str, Any]


def plan(
    schedule_id: str, repeat: Repeat, options: Mapping[str, Any], *, now: int, done: int = 0
) -> Iteration | None:
    """The run after `done` others; None when there is none: the limit or the end is reached, or the
    cron expression never fits again.

    options: of the template, or of the run before (its `prevMillis` is not planned a second time
    by a clock that is behind). Raises InvalidScheduleError for a cron expression or time zone of a
    foreign producer that is none.
    """
    if repeat.limit is not None and done >= repeat.limit:
        return None
    if repeat.end_ms is not None and now > repeat.end_ms:
        return None
    after = max(now, to_int(options.get("prevMillis")))
    job_options = dict(options)
    job_options["repeat"] = {**repeat.to_wire(), "count": done + 1}
    job_options["repeatJobKey"] = schedule_id
    job_options["timestamp"] = now
    if repeat.cron is None:
        if repeat.every_ms is None:
            raise InvalidScheduleError("it has neither an interval nor a cron expression")
        return Iteration(now, job_options)
    at_ms = (
        now if repeat.immediately else next_cron_ms(repeat.cron, repeat.tz, max(after, repeat.start_ms or 0))
    )
    if at_ms is None:
        return None
    job_options["prevMillis"] = at_ms
    job_options["delay"] = max(at_ms - now, 0)
    return Iteration(at_ms, job_options)


def next_cron_ms(expression: str, tz: str | None, after_ms: int) -> int | None:
    """The first time after `after_ms` that fits; None when there is none within 50 years.

    A time of day that a change of the clocks leaves out runs when the clocks have changed; one that
    comes twice runs once, except for expressions with `*` in their hours. Raises
    InvalidScheduleError for a bad expression or an unknown time zone.
    """
    zone = _zone(tz)
    try:
        base = datetime.fromtimestamp(after_ms / 1000, zone)
        found = next(CronSim(_in_cronsim_s_dialect(expression), base))
        return round(found.timestamp() * 1000)
    except CronSimError as error:
        raise InvalidScheduleError(f"{expression[:80]!r} is no cron expression: {error}") from None
    except StopIteration:
        return None
    except (ValueError, OverflowError, OSError):
        raise InvalidScheduleError(f"no calendar goes as far as {after_ms} ms") from None


def parse_duration(text: str) -> int:
    """Milliseconds of `90s`, `1h30m`, `2d`. Raises InvalidScheduleError."""
    total = position = 0
    stripped = text.strip()
    while match := _DURATION.match(stripped, position):
        total += int(match[1]) * _UNITS_MS[match[2].lower()]
        position = match.end()
    if not stripped or position != len(stripped) or total >= _MAX_MS:
        raise InvalidScheduleError(f"{text[:80]!r} is no duration; write it like 30s, 15m, 1h30m or 7d")
    return total


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        raise InvalidScheduleError(
            f"{str(name)[:80]!r} is no time zone; write it like Europe/Berlin"
        ) from None


def _in_cronsim_s_dialect(expression: str) -> str:
    """Nicknames and `?` as in Node's cron-parser; and its rule that a day must fit either of the two
    day fields unless one of them is a bare `*`, where Debian's also takes `*/2` for one."""
    text = expression.strip()
    fields = _NICKNAMES.get(text.lower(), text).split()
    if len(expression) > _MAX_CRON or len(fields) not in {5, 6}:
        raise InvalidScheduleError(
            f"{expression[:80]!r} is no cron expression: it needs five fields, or six with seconds"
        )
    for index, whole in ((-3, "1-31"), (-1, "0-6")):
        if fields[index] == "?":
            fields[index] = "*"
        elif fields[index].startswith("*/"):
            fields[index] = whole + fields[index][1:]
    return " ".join(fields)


def _date_ms(value: object) -> int | None:
    """A date of a foreign producer: milliseconds, or ISO 8601 as JSON.stringify writes one."""
    if isinstance(value, str) and not value.isdigit():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return to_int(value) or None
