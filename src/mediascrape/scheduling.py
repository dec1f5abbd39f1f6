"""Pages that are scraped again and again: one schedule per URL, kept in the queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mediascrape.errors import InvalidURLError
from mediascrape.pipeline import JOB_NAME, ScrapeTask
from mediascrape.queue.job import NewJob
from mediascrape.queue.queue import Queue
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule, Schedule
from mediascrape.scrape.urls import normalize_url
from mediascrape.submission import Rejected, deduplication_id, sift


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What became of the URLs of one call; `schedules` has one entry per distinct accepted URL."""

    schedules: list[Schedule]
    rejected: list[Rejected]


class PageSchedules:
    """The schedules of a queue, by page. Any worker of the queue runs them, also BullMQ's own."""

    def __init__(self, queue: Queue, *, max_url_length: int) -> None:
        self._queue = queue
        self._max_url_length = max_url_length

    async def add(self, urls: Iterable[str], repeat: Repeat, *, priority: int = 0) -> Scheduled:
        """Scrape each page as `repeat` says, from now on; a page that has a schedule gets this one
        instead. A URL that is none is reported in `rejected`, the rest is scheduled.

        Raises InvalidScheduleError when there would be no run at all, QueueUnavailableError.
        """
        accepted = sift(urls, max_url_length=self._max_url_length)
        options = replace(self._queue.defaults, priority=priority)
        ids = [deduplication_id(url) for url in accepted.urls]
        await self._queue.schedules.upsert([
            NewSchedule(schedule_id, repeat, NewJob(JOB_NAME, ScrapeTask(url).to_data(), options))
            for schedule_id, url in zip(ids, accepted.urls, strict=True)
        ])  # fmt: skip
        written = await self._queue.schedules.get_many(ids)
        return Scheduled([one for one in written if one is not None], accepted.rejected)

    async def page(self, start: int = 0, limit: int = 50) -> list[Schedule]:
        """Schedules in the order of their next run, those of other producers included."""
        return await self._queue.schedules.page(start, limit)

    async def count(self) -> int:
        return await self._queue.schedules.count()

    async def remove(self, names: Sequence[str]) -> list[str]:
        """Remove the schedules of these ids or page URLs; those that there were. A run that has begun
        is not cancelled."""
        return [name for name in names if await self._queue.schedules.remove(self._id_of(name))]

    async def remove_all(self) -> int:
        """Remove every schedule; how many there were."""
        removed = 0
        while page := await self.page(limit=500):
            removed += len(await self.remove([schedule.id for schedule in page]))
        return removed

    def _id_of(self, name: str) -> str:
        if "://" not in name:
            return name
        try:
            return deduplication_id(normalize_url(name, max_length=self._max_url_length))
        except InvalidURLError:
            return name


def page_url(schedule: Schedule) -> str | None:
    """The page that a schedule scrapes; None for a schedule of another kind of job."""
    data = schedule.data
    url = data.get("url") if schedule.name == JOB_NAME and isinstance(data, dict) else None
    return url if isinstance(url, str) else None


def schedule_to_json(schedule: Schedule) -> dict[str, Any]:
    """A schedule for machines, as the command line and the HTTP API give it. Times are milliseconds
    since the epoch."""
    repeat = schedule.repeat
    return {
        "id": schedule.id,
        "url": page_url(schedule),
        "name": schedule.name,
        "every_ms": repeat.every_ms,
        "cron": repeat.cron,
        "tz": repeat.tz,
        "limit": repeat.limit,
        "start_ms": repeat.start_ms,
        "end_ms": repeat.end_ms,
        "next_ms": schedule.next_ms,
        "runs": schedule.runs,
        "priority": schedule.options.priority,
    }


def rhythm(repeat: Repeat) -> str:
    """How a schedule repeats, for people."""
    if repeat.cron is not None:
        return f"{repeat.cron} ({repeat.tz or 'UTC'})"
    seconds, rest = divmod(repeat.every_ms or 0, 1000)
    if rest:
        return f"every {repeat.every_ms} ms"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return f"every {''.join(parts)}"
