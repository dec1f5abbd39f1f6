"""What goes into the store and what comes out of it.

Times are Unix seconds in UTC; the tables keep them as whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

OK = "ok"
"""Outcome of a scrape that succeeded; every other outcome is an error's `code`."""


KINDS = ("image", "video", "audio", "embed")


class MediaLike(Protocol):
    """A media item as the extractor finds it; the store needs its shape, not its class.

    `places` are all the vias of the item on its page, `via` the first of them. The order of the
    items in a page's list is the order in which they are listed again.
    """

    @property
    def url(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def via(self) -> str: ...
    @property
    def places(self) -> Sequence[str]: ...
    @property
    def alt(self) -> str | None: ...
    @property
    def title(self) -> str | None: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def mime_type(self) -> str | None: ...
    @property
    def flags(self) -> Collection[str]: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def provider_id(self) -> str | None: ...


class PageRecord(NamedTuple):
    """The document that an attempt got.

    `final_url` is where redirects ended (None: nowhere else). `content_hash` is the caller's digest
    of the body and comes back from `Store.validators`.
    """

    final_url: str | None = None
    title: str | None = None
    status: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    content_hash: bytes | None = None


class ScrapeRecord(NamedTuple):
    """One job's end: what became of it and what it found.

    `outcome` is `ok` or the code of an error, `error` its one-line message. `items` None means "as
    stored before" (HTTP 304, or a body whose hash is known); an empty sequence means that the page
    has no media. `page` None (a failure) leaves the page and its media as they are.
    """

    job_id: str
    url: str
    started_at: float
    finished_at: float
    outcome: str = OK
    error: str | None = None
    batch_id: str | None = None
    attempts: int = 1
    duration_ms: int = 0
    page: PageRecord | None = None
    items: Sequence[MediaLike] | None = None


class Saved(NamedTuple):
    """`found`: media on the page; `new`: those of them that no page had shown before this job."""

    found: int
    new: int


@dataclass(frozen=True, slots=True)
class Validators:
    """What a conditional GET of a known page may send, and the digest of the body it had."""

    etag: str | None
    last_modified: str | None
    content_hash: bytes | None


@dataclass(frozen=True, slots=True)
class MediaQuery:
    """Which media to list; None leaves a criterion out, all that are given must hold.

    With `page_url`, `batch_id` or `job_ids` there is one entry per page and item, in the order of
    the pages; otherwise one per item, newest first, with the page that showed it first. `since` and
    `until` (not included) are about when an item was first seen; of unknown size is none wide enough.
    """

    kind: str | None = None
    q: str | None = None
    host: str | None = None
    page_url: str | None = None
    batch_id: str | None = None
    job_ids: Sequence[str] | None = None
    since: float | None = None
    until: float | None = None
    min_width: int | None = None
    min_height: int | None = None
    cursor: str | None = None
    limit: int = 100

    @property
    def by_page(self) -> bool:
        return self.page_url is not None or self.batch_id is not None or self.job_ids is not None


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A media item as it is listed: what the page named by `page_url` says of it."""

    id: int
    url: str
    kind: str
    via: str
    page_url: str | None
    alt: str | None
    title: str | None
    width: int | None
    height: int | None
    mime_type: str | None
    host: str
    flags: tuple[str, ...]
    provider: str | None
    provider_id: str | None
    page_title: str | None
    first_seen: float

    def to_record(self) -> dict[str, str | int | None]:
        """The media record of the JSON Lines and CSV exports."""
        return {name: getattr(self, name) for name in MEDIA_RECORD_FIELDS}


MEDIA_RECORD_FIELDS = (
    "url",
    "kind",
    "via",
    "page_url",
    "alt",
    "title",
    "width",
    "height",
    "mime_type",
)


@dataclass(frozen=True, slots=True)
class MediaPage:
    """One listing's worth of media; `next_cursor` is None at the end."""

    items: list[StoredMedia]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """One page on which an item was seen."""

    page_url: str
    page_title: str | None
    via: str
    places: tuple[str, ...]
    position: int
    alt: str | None
    title: str | None
    last_scraped: float


@dataclass(frozen=True, slots=True)
class MediaDetail:
    """An item with the pages that show it now, newest scrape first."""

    media: StoredMedia
    seen_on: list[Sighting]


@dataclass(frozen=True, slots=True)
class StoredScrape:
    """One job as the store remembers it."""

    id: int
    job_id: str
    batch_id: str | None
    url: str
    outcome: str
    error: str | None
    found: int
    new: int
    attempts: int
    duration_ms: int
    started_at: float
    finished_at: float


@dataclass(frozen=True, slots=True)
class ScrapeQuery:
    """Which scrapes to list, newest first. `failed` True: all but `ok`, False: only `ok`."""

    batch_id: str | None = None
    outcome: str | None = None
    failed: bool | None = None
    cursor: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class ScrapePage:
    """One listing's worth of scrapes; `next_cursor` is None at the end."""

    items: list[StoredScrape]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is, by jobs that have ended; the store does not know how many there are."""

    done: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    found: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything there is. `scrapes` counts by outcome, `media` by kind."""

    pages: int = 0
    media: dict[str, int] = field(default_factory=dict)
    scrapes: dict[str, int] = field(default_factory=dict)
