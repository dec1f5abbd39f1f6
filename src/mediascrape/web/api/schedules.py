"""Pages that are scraped again and again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from mediascrape.errors import InvalidScheduleError
from mediascrape.queue.job import MAX_PRIORITY
from mediascrape.queue.repeat import Repeat, parse_duration
from mediascrape.queue.schedules import Schedule
from mediascrape.scheduling import page_url
from mediascrape.settings import Settings
from mediascrape.web.listing import Paging, checked, with_etag
from mediascrape.web.models import JSON_NUMBER, Model, RejectedURL, Time
from mediascrape.web.parts import PartsOf
from mediascrape.web.problems import Problem, not_found

router = APIRouter(prefix="/api/schedules", tags=["schedules"])


_NULL: JsonValue = {"type": "null"}
_TEXT: JsonValue = {"type": "string"}
#: What `Repeat` refuses, as far as JSON Schema can say it; `format` names the rest.
_EITHER_OR: dict[str, JsonValue] = {
    "oneOf": [
        {"required": ["every"], "properties": {"every": _TEXT, "cron": _NULL, "tz": _NULL}},
        {"required": ["cron"], "properties": {"cron": _TEXT, "every": _NULL}},
    ],
    "anyOf": [{"properties": {"immediately": {"const": False}}}, {"properties": {"start": _NULL}}],
    "examples": [
        {"urls": ["https://example.org/"], "every": "1h"},
        {"urls": ["https://example.org/"], "cron": "0 6 * * 1-5", "tz": "Europe/Berlin"},
    ],
}


def _text(form: str, length: int) -> Any:
    """An optional string, of a format that OpenAPI has no word for."""
    return Field(max_length=length, json_schema_extra={"format": form})


class SchedulesRequest(BaseModel):
    """Pages, and either an interval or a cron expression. One that would never run is refused (422)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_EITHER_OR)

    urls: Annotated[list[str], Field(min_length=1)]
    every: Annotated[
        Annotated[str, _text("interval", 50)] | None,
        Field(description="Between two runs: 30s, 15m, 1h30m, 7d; the first is now."),
    ] = None
    cron: Annotated[
        Annotated[str, _text("cron", 250)] | None,
        Field(description="Five fields, six with seconds, or @hourly, @daily …."),
    ] = None
    tz: Annotated[
        Annotated[str, _text("time-zone", 64)] | None,
        Field(description="IANA time zone of `cron`; UTC if none."),
    ] = None
    limit: Annotated[int | None, Field(ge=1, le=10**9, description="Runs in all."), JSON_NUMBER] = None
    start: Annotated[AwareDatetime | None, Field(description="First run no earlier.")] = None
    end: Annotated[AwareDatetime | None, Field(description="No run is planned after it.")] = None
    immediately: Annotated[bool, Field(strict=True, description="With `cron`: run once at once, too.")] = (
        False
    )
    priority: Annotated[
        int, Field(ge=0, le=MAX_PRIORITY, description="1 is the most urgent, 0 goes first."), JSON_NUMBER
    ] = 0

    def repeat(self) -> Repeat:
        """Raises InvalidScheduleError."""
        return Repeat(
            every_ms=None if self.every is None else parse_duration(self.every),
            cron=self.cron,
            tz=None if self.cron is None else self.tz or "UTC",
            limit=self.limit,
            start_ms=_ms(self.start),
            end_ms=_ms(self.end),
            immediately=self.immediately,
        )


class ScheduleState(Model):
    """One schedule; `url` is null for one of another kind of job."""

    id: str
    url: str | None
    name: str
    every_ms: int | None
    cron: str | None
    tz: str | None
    limit: int | None
    start_at: Time | None
    end_at: Time | None
    next_at: Time
    runs: Annotated[int, Field(description="Jobs made so far, the next one included.")]
    priority: int

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleState:
        repeat = schedule.repeat
        return cls(
            id=schedule.id, url=page_url(schedule), name=schedule.name, every_ms=repeat.every_ms,
            cron=repeat.cron, tz=repeat.tz, limit=repeat.limit, start_at=_seconds(repeat.start_ms),
            end_at=_seconds(repeat.end_ms), next_at=schedule.next_ms / 1000, runs=schedule.runs,
            priority=schedule.options.priority,
        )  # fmt: skip


class SchedulesAnswer(Model):
    """What became of the URLs; one schedule per distinct page."""

    schedules: list[ScheduleState]
    rejected: list[RejectedURL]


class ScheduleList(Model):
    items: list[ScheduleState]
    next_cursor: str | None
    total: int


@router.get("", response_model=ScheduleList, summary="List schedules")
async def list_schedules(request: Request, parts: PartsOf, params: Annotated[Paging, Query()]) -> Response:
    """The one due next first."""
    schedules = parts.media.schedules
    start, limit = int(params.cursor or 0), checked(params.limit, parts.settings)
    total = await schedules.count()
    items = [ScheduleState.of(one) for one in await schedules.page(start, limit)] if start < total else []
    after = start + limit
    return with_etag(
        request,
        ScheduleList(items=items, next_cursor=str(after) if after < total else None, total=total),
    )


@router.post("", summary="Scrape pages on a schedule")
async def add_schedules(parts: PartsOf, wanted: SchedulesRequest) -> SchedulesAnswer:
    """A page that has a schedule gets this one instead. A bad URL is reported and hurts no other."""
    _limit_urls(wanted.urls, parts.settings)
    if wanted.tz is not None and wanted.cron is None:
        raise InvalidScheduleError("a time zone goes with a cron expression, not with an interval")
    done = await parts.media.schedules.add(wanted.urls, wanted.repeat(), priority=wanted.priority)
    return SchedulesAnswer(
        schedules=[ScheduleState.of(one) for one in done.schedules],
        rejected=[RejectedURL.model_validate(one) for one in done.rejected],
    )


@router.delete("/{schedule_id}", status_code=204, summary="Remove a schedule")
async def remove_schedule(parts: PartsOf, schedule_id: Annotated[str, Path(max_length=200)]) -> None:
    """A run that has begun goes on."""
    if not await parts.media.schedules.remove([schedule_id]):
        raise not_found(f"No schedule {schedule_id} is known.")


def _limit_urls(urls: list[str], settings: Settings) -> None:
    if len(urls) > settings.max_urls_per_request:
        raise Problem(
            413, "too_many_urls", f"At most {settings.max_urls_per_request} URLs are taken at once."
        )


def _ms(moment: AwareDatetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000
