"""What all listings share: their size, and answers that a client may already have."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from mediascrape.settings import Settings
from mediascrape.store import MediaQuery
from mediascrape.web.models import JobState, Kind
from mediascrape.web.problems import Problem, invalid_request


class Paging(BaseModel):
    """Parameters of every listing; unknown ones are refused, so that a typo is not a silent no-op."""

    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before; none starts."),
    ] = None
    limit: Annotated[int, Field(ge=1, description="Most entries of one page.")] = 100


P = TypeVar("P", bound=Paging)


def read_params(request: Request, model: type[P]) -> P:
    """Parameters of a page's own form, whose empty fields mean nothing chosen. Raises Problem."""
    given = {name: value for name, value in request.query_params.items() if value != ""}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False, include_input=False)) from None


class MediaParams(Paging):
    """Which media: all that is given must hold."""

    cursor: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$",
            description="`next_cursor` of the page before, with the same filters; none starts.",
        ),
    ] = None
    kind: Kind | None = None
    q: Annotated[
        str | None, Field(max_length=200, description="Words in URL, alt, title and page title.")
    ] = None
    host: Annotated[str | None, Field(max_length=255, description="Host of the media URL.")] = None
    page_url: Annotated[str | None, Field(max_length=8192, description="Only media on this page.")] = None
    batch_id: Annotated[str | None, Field(max_length=100)] = None
    since: Annotated[datetime | date | None, Field(description="First seen at or after; UTC.")] = None
    until: Annotated[datetime | date | None, Field(description="First seen before; UTC.")] = None
    min_width: Annotated[int | None, Field(ge=1, le=10**6, description="Pixels.")] = None
    min_height: Annotated[int | None, Field(ge=1, le=10**6, description="Pixels.")] = None

    def to_query(self, limit: int) -> MediaQuery:
        return MediaQuery(
            kind=self.kind, q=self.q or None, host=self.host or None, page_url=self.page_url or None,
            batch_id=self.batch_id or None, since=_seconds(self.since), until=_seconds(self.until),
            min_width=self.min_width, min_height=self.min_height, cursor=self.cursor, limit=limit,
        )  # fmt: skip


def _seconds(moment: datetime | date | None) -> float | None:
    """Unix time; a date means its first moment, and a time without a zone is UTC."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


class ScrapeParams(Paging):
    """Which ended jobs."""

    batch_id: Annotated[str | None, Field(max_length=100)] = None
    outcome: Annotated[str | None, Field(max_length=100, description="`ok` or an error's code.")] = None
    failed: bool | None = None


class JobParams(Paging):
    """Which jobs of the queue."""

    state: Annotated[
        JobState | None,
        Field(description="If none, a search (`q`) is of all states, and a list without one of failed jobs."),
    ] = None
    q: Annotated[str | None, Field(max_length=200, description="Part of the URL, or a job's id.")] = None

    @property
    def states(self) -> tuple[JobState, ...]:
        """Those asked for; the ones that somebody looks for most often first."""
        if self.state is not None:
            return (self.state,)
        return _SEARCHED if self.q else ("failed",)


_SEARCHED: tuple[JobState, ...] = (
    "failed", "active", "waiting", "prioritized", "delayed", "waiting-children", "completed",
)  # fmt: skip


def checked(limit: int, settings: Settings) -> int:
    """Raises Problem for more entries than the operator allows."""
    if limit > settings.max_page_size:
        raise Problem(
            422, "invalid_request", f"At most {settings.max_page_size} entries are given at once.",
            errors=[{"field": "query.limit", "message": f"at most {settings.max_page_size}"}],
        )  # fmt: skip
    return limit


def with_etag(request: Request, answer: BaseModel) -> Response:
    """The answer as JSON, or 304 where the client has that very one.

    The tag is weak: compression changes the bytes, not what they mean.
    """
    body = answer.model_dump_json(by_alias=True).encode()
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
