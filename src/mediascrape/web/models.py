"""What the API answers, as models: the OpenAPI document is made from them.

Times are RFC 3339 in UTC, durations milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from mediascrape.queue.job import Job
from mediascrape.store import MediaDetail, StoredMedia, StoredScrape
from mediascrape.web.batches import BatchState

Kind = Literal["image", "video", "audio", "embed"]
JobState = Literal["waiting", "active", "prioritized", "delayed", "completed", "failed", "waiting-children"]


def _rfc3339(value: float) -> str:
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[
    float,
    PlainSerializer(_rfc3339, return_type=str),
    Field(json_schema_extra={"format": "date-time", "examples": ["2026-03-01T12:00:00.000Z"]}),
]


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("a number is needed")
    return value


#: Beside `int` in a body: what JSON Schema calls an integer, 3.0 included, and neither "3" nor true.
JSON_NUMBER = BeforeValidator(_number)


class Model(BaseModel):
    """Base of all answers: made from our records by attribute."""

    model_config = ConfigDict(from_attributes=True)


class RejectedURL(Model):
    """A URL that was not queued, and why."""

    url: str
    reason: Annotated[str, Field(examples=["unsupported_scheme: only http and https"])]


class AcceptedJob(Model):
    """The job that answers for an accepted URL; `duplicate` when an earlier call queued it."""

    id: str
    url: str
    duplicate: bool = False


class IngestAnswer(Model):
    """What became of the URLs of one call."""

    batch_id: str
    queued: int
    duplicates: int
    rejected: list[RejectedURL]
    jobs: list[AcceptedJob]


class MediaItem(Model):
    """One image, video, audio file or embed, and what the page says of it."""

    id: int
    url: str
    kind: Kind
    via: Annotated[str, Field(description="Where it stood, as element.attribute.", examples=["img.srcset"])]
    page_url: str | None
    page_title: str | None
    alt: str | None
    title: str | None
    width: int | None
    height: int | None
    mime_type: str | None
    host: str
    flags: list[str]
    provider: str | None
    provider_id: str | None
    first_seen: Time


class MediaList(Model):
    """A page of media, newest first; `next_cursor` is null at the end."""

    items: list[MediaItem]
    next_cursor: str | None


class Sighting(Model):
    """A page that shows an item."""

    page_url: str
    page_title: str | None
    via: str
    places: list[str]
    position: int
    alt: str | None
    title: str | None
    last_scraped: Time


class MediaWithSightings(MediaItem):
    """A media item with every page where it was seen."""

    seen_on: list[Sighting]

    @classmethod
    def of(cls, detail: MediaDetail) -> MediaWithSightings:
        return cls.model_validate(
            MediaItem.model_validate(detail.media).__dict__
            | {"seen_on": [Sighting.model_validate(sighting) for sighting in detail.seen_on]}
        )


class Batch(Model):
    """How far a batch is, in jobs. `found` and `new` count media items."""

    batch_id: str
    created_at: Time
    finished: bool
    total: int
    queued: int
    active: int
    done: int
    failed: int
    missing: Annotated[int, Field(description="Removed from the queue by somebody.")]
    found: int
    new: int
    duplicates: int
    rejected: int
    failures: Annotated[dict[str, int], Field(description="Failed jobs by the code of their error.")]

    @classmethod
    def of(cls, state: BatchState) -> Batch:
        return cls.model_validate(state)


class Scrape(Model):
    """A job that has ended, as the store remembers it."""

    job_id: str
    batch_id: str | None
    url: str
    outcome: Annotated[str, Field(description="`ok`, or the code of an error.")]
    error: str | None
    found: int
    new: int
    attempts: int
    duration_ms: int
    started_at: Time
    finished_at: Time


class ScrapeList(Model):
    """A page of ended jobs, newest first."""

    items: list[Scrape]
    next_cursor: str | None


class QueuedJob(Model):
    """A job in the queue."""

    id: str
    name: str
    url: Annotated[str | None, Field(description="Null for a job that is not one of ours.")]
    batch_id: str | None
    state: str | None
    priority: int
    attempts_made: int
    attempts: Annotated[int, Field(description="How often it is tried in all.")]
    stalled_count: int
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    due_at: Annotated[Time | None, Field(description="When a delayed job is tried.")]
    failed_reason: str | None
    processed_by: Annotated[str | None, Field(description="The worker that claimed it last.")] = None

    @classmethod
    def of(cls, job: Job) -> QueuedJob:
        return cls.model_validate(_job_fields(job))


class JobDetail(QueuedJob):
    """A job with all that is known of it; after it left the queue only what the store has."""

    data: Any
    stacktrace: list[str]
    logs: list[str]
    scrape: Scrape | None

    @classmethod
    def of_parts(cls, job: Job, logs: list[str], scrape: StoredScrape | None) -> JobDetail:
        return cls.model_validate(
            _job_fields(job)
            | {
                "data": job.data,
                "stacktrace": job.stacktrace,
                "logs": logs,
                "scrape": None if scrape is None else Scrape.model_validate(scrape),
            }
        )

    @classmethod
    def of_scrape(cls, scrape: StoredScrape) -> JobDetail:
        return cls(
            id=scrape.job_id, name="scrape-page", url=scrape.url, batch_id=scrape.batch_id, state="completed",
            priority=0, attempts_made=scrape.attempts, attempts=scrape.attempts, stalled_count=0,
            created_at=scrape.started_at, started_at=scrape.started_at, finished_at=scrape.finished_at,
            due_at=None, failed_reason=scrape.error, data={"url": scrape.url}, stacktrace=[], logs=[],
            scrape=Scrape.model_validate(scrape),
        )  # fmt: skip


def _job_fields(job: Job) -> dict[str, Any]:
    data = job.data if isinstance(job.data, dict) else {}
    url, batch = data.get("url"), data.get("batch")
    return {
        "id": job.id,
        "name": job.name,
        "url": url if isinstance(url, str) else None,
        "batch_id": batch if isinstance(batch, str) else None,
        "state": job.state,
        "priority": job.priority,
        "attempts_made": job.attempts_made,
        "attempts": job.opts.attempts,
        "stalled_count": job.stalled_count,
        "created_at": job.timestamp / 1000,
        "started_at": job.processed_on / 1000 if job.processed_on else None,
        "finished_at": job.finished_on / 1000 if job.finished_on else None,
        "due_at": (job.timestamp + job.delay) / 1000 if job.state == "delayed" else None,
        "failed_reason": job.failed_reason,
        "processed_by": job.processed_by,
    }


class JobList(Model):
    """A page of jobs of one state."""

    items: list[QueuedJob]
    next_cursor: str | None
    total: Annotated[int, Field(description="Jobs in that state now.")]


class JobSelection(BaseModel):
    """Which failed jobs: those named, or all whose reason has a code, or all."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"ids": ["a1b2"]}, {"reason": "timeout"}]}
    )

    ids: Annotated[list[str], Field(max_length=10_000)] | None = None
    reason: Annotated[str, Field(description="An error's code.", examples=["timeout"])] | None = None


class Changed(Model):
    """How many jobs were changed."""

    changed: int


class Counts(Model):
    """Jobs in the queue by state."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    waiting: int
    active: int
    prioritized: int
    delayed: int
    completed: int
    failed: int
    waiting_children: Annotated[int, Field(alias="waiting-children")]


class WorkerState(Model):
    """A process that works on the queue, on whatever machine."""

    name: str
    address: Annotated[str, Field(description="Empty where the server does not say.")]
    age_s: int
    in_flight: Annotated[int | None, Field(description="Null for a worker of another BullMQ library.")] = None
    limit: Annotated[int | None, Field(description="Jobs it may have in flight.")] = None
    why: Annotated[str | None, Field(description="What keeps the limit where it is.")] = None
    memory: Annotated[int | None, Field(description="Resident bytes of its process.")] = None
    completed: int | None = None
    failed: int | None = None


class HostWait(Model):
    """A host whose turn jobs wait for. Times in milliseconds from now."""

    host: Annotated[str, Field(validation_alias="group")]
    why: Annotated[
        str,
        Field(
            description="`slots`: as many requests as it may have; `gap`: too soon after the last one; "
            "`refused`: it asked for a pause; `resting`: it failed too often; `probing`: one job tries "
            "whether it is well again."
        ),
    ]
    in_flight: Annotated[int, Field(validation_alias="held")]
    paused_ms: int
    line_ms: Annotated[int, Field(description="When the last one in line is due.")]
    failures: Annotated[int, Field(description="In a row.")]


class QueueState(Model):
    """The queue as a whole."""

    name: str
    paused: bool
    counts: Counts
    workers: list[WorkerState]
    hosts: Annotated[list[HostWait], Field(description="Hosts that keep jobs waiting.")]


class Totals(Model):
    """Everything in the store."""

    pages: int
    media: dict[str, int]
    scrapes: dict[str, int]


class ProblemDocument(BaseModel):
    """RFC 9457. `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]] | None = None


def media_item(media: StoredMedia) -> MediaItem:
    return MediaItem.model_validate(media)
