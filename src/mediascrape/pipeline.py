"""THE main path: one scrape job, step by step.

    read -> admit -> fetch -> extract -> save

`Pipeline.process` is what the worker runs for each job. A step that fails raises a typed error
(`mediascrape.errors`), which tells the worker whether another attempt can help; a host that must
wait raises `Postpone`, which costs no attempt. What became of a job is in the store before the
queue is told, so that a job never counts as finished with its rows missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, NamedTuple, Protocol

from mediascrape.errors import JobDataError, MediascrapeError, ServiceUnavailableError
from mediascrape.observing import Observer
from mediascrape.queue.clock import AttemptClock
from mediascrape.queue.job import Job
from mediascrape.queue.outcome import Postpone
from mediascrape.queue.slots import JobContext
from mediascrape.scrape.extract import MediaItem
from mediascrape.scrape.extraction import Extractor
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.response import Response, Validators
from mediascrape.scrape.urls import normalize_url, without_credentials
from mediascrape.store import OK, PageRecord, ScrapeRecord, Store

#: Name of the jobs we understand, in BullMQ's sense.
JOB_NAME = "scrape-page"
#: Milliseconds until a job is tried again when the store or the queue could not be reached.
SERVICE_AWAY_MS = 2000
#: Seconds between two warnings that a service is away: each job in flight finds out for itself.
_WARN_EVERY_S = 10.0

log = logging.getLogger(__name__)


class ScrapeTask(NamedTuple):
    """What a job asks for: `url` is normalised, `batch_id` groups what one call submitted. force: read the
    page even if it has not changed since it was last scraped."""

    url: str
    batch_id: str | None = None
    force: bool = False

    def to_data(self) -> dict[str, Any]:
        """The job's data on the wire."""
        data: dict[str, Any] = {"url": self.url}
        if self.batch_id is not None:
            data["batch"] = self.batch_id
        if self.force:
            data["force"] = True
        return data


def read_task(name: str, data: object, *, max_url_length: int = 8192) -> ScrapeTask:
    """The task in a job, ours or a foreign producer's.

    Raises JobDataError when the job is not a scrape job, InvalidURLError when its URL is none.
    """
    if name != JOB_NAME:
        raise JobDataError(f"job name is {name!r}, not {JOB_NAME!r}")
    if not isinstance(data, dict) or not isinstance(data.get("url"), str):
        raise JobDataError('job data must be an object with a text "url"')
    batch = data.get("batch")
    if batch is not None and not isinstance(batch, str):
        raise JobDataError('"batch" in job data must be a text')
    force = data.get("force", False)
    if not isinstance(force, bool):
        raise JobDataError('"force" in job data must be true or false')
    return ScrapeTask(normalize_url(data["url"], max_length=max_url_length), batch, force)


class HostTurn(Protocol):
    """One of a host's slots, held."""

    async def move(self, url: str) -> None:
        """Exchange it for one of another URL's host, where a redirect leads. Raises as `turn` does."""
        ...


class Admission(Protocol):
    """The host's turn: holds one of its slots for the time of a request."""

    def turn(self, url: str, clock: AttemptClock) -> AbstractAsyncContextManager[HostTurn]:
        """Raises Postpone when the host must wait, RobotsDisallowedError when it must not be asked.

        A ScrapeError that leaves the context tells how the host behaved.
        """
        ...


class Pipeline:
    """Runs scrape jobs; shared by all slots of a worker."""

    def __init__(
        self,
        fetcher: Fetcher,
        extractor: Extractor,
        store: Store,
        admission: Admission,
        observer: Observer,
        *,
        max_url_length: int,
        revalidate: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fetcher = fetcher
        self._extractor = extractor
        self._store = store
        self._admission = admission
        self._observer = observer
        self._max_url_length = max_url_length
        self._revalidate = revalidate
        self._clock = clock
        self._warned_at = float("-inf")

    async def process(self, job: Job, context: JobContext) -> dict[str, Any]:
        """Scrape the job's page; the result goes into BullMQ's `completed` event."""
        try:
            attributes = {"messaging.message.attempt": job.attempts_made + 1}
            with self._observer.attempt(job.id, attributes), self._store.savers:
                return await self._scrape(job, context)
        except ServiceUnavailableError as error:
            # Our own services are away: no fault of the page, so no attempt of its job is used.
            self._warn(job, error)
            raise Postpone(SERVICE_AWAY_MS, error.reason) from error

    def _warn(self, job: Job, error: ServiceUnavailableError) -> None:
        now = self._clock()
        is_due = not 0 <= now - self._warned_at < _WARN_EVERY_S
        if is_due:
            self._warned_at = now
        log.log(logging.WARNING if is_due else logging.DEBUG, "job %s waits: %s", job.id, error)

    async def _scrape(self, job: Job, context: JobContext) -> dict[str, Any]:
        started = self._clock()
        observer, clock = self._observer, context.clock
        task = read_task(job.name, job.data, max_url_length=self._max_url_length)
        known = await self._known(task, clock)
        async with (
            observer.entering("admit", self._admission.turn(task.url, clock)) as turn,
            observer.entering(
                "fetch",
                self._fetcher.fetch(
                    task.url, validators=known, on_hop=partial(_move, turn, context), clock=clock
                ),
            ) as response,
        ):
            unchanged = response.not_modified
            with observer.step("extract"):
                document = None if unchanged else await self._extractor.document(response, clock)
            page = _page_record(response, document.title if document else None)
        items = document.items if document else None
        with observer.step("save"), clock.paused():
            saved = await self._store.save(self._record(job, task, started, page=page, items=items))
        same = "has not changed: " if unchanged else ""
        context.note(f"{same}{saved.found} media found, {saved.new} new")
        result = {"found": saved.found, "new": saved.new}
        return {**result, "unchanged": True} if unchanged else result

    async def _known(self, task: ScrapeTask, clock: AttemptClock) -> Validators | None:
        """What the page said of its version the last time, so that it need not be sent again."""
        if not self._revalidate or task.force:
            return None
        with clock.paused():
            stored = await self._store.validators(task.url)
        return None if stored is None else Validators(stored.etag, stored.last_modified)

    async def record_failure(self, job: Job, error: BaseException) -> None:
        """Store that a job failed for good; awaited by the worker before the queue is told."""
        data = job.data if isinstance(job.data, dict) else {}
        url, batch = data.get("url"), data.get("batch")
        # A foreign producer's URL may hold a password, which is why it failed.
        url = without_credentials(url) if isinstance(url, str) else ""
        task = ScrapeTask(url, batch if isinstance(batch, str) else None)
        started = job.processed_on / 1000 if job.processed_on else self._clock()
        await self._store.save(self._record(job, task, started, error=error))

    def _record(
        self,
        job: Job,
        task: ScrapeTask,
        started: float,
        *,
        page: PageRecord | None = None,
        items: list[MediaItem] | None = None,
        error: BaseException | None = None,
    ) -> ScrapeRecord:
        finished = self._clock()
        return ScrapeRecord(
            job_id=job.id,
            batch_id=task.batch_id,
            url=task.url,
            outcome=OK if error is None else outcome_of(error),
            error=None if error is None else str(error) or type(error).__name__,
            attempts=job.attempts_made + 1,
            started_at=started,
            finished_at=finished,
            duration_ms=round((finished - started) * 1000),
            page=page,
            items=items,
        )


async def _move(turn: HostTurn, context: JobContext, url: str) -> None:
    context.note(f"redirected to {without_credentials(url)}")
    await turn.move(url)


def outcome_of(error: BaseException) -> str:
    """The stable word for a failure: an error's `code`, `crash` for one we did not foresee."""
    return error.code if isinstance(error, MediascrapeError) else "crash"


def _page_record(response: Response, title: str | None) -> PageRecord:
    validators = response.validators
    return PageRecord(
        final_url=response.url if response.url != response.requested_url else None,
        title=title,
        status=response.status,
        etag=validators.etag,
        last_modified=validators.last_modified,
    )
