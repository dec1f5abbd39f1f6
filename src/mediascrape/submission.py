"""What a call that submits URLs gives back, and the pure part of submitting."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from mediascrape.errors import InvalidURLError
from mediascrape.scrape.urls import normalize_url


@dataclass(frozen=True, slots=True)
class Rejected:
    """A submitted URL that was not queued, and why (`code: message`)."""

    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """The job that answers for a submitted URL; `duplicate` when an earlier submission queued it."""

    id: str
    url: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of the URLs of one call.

    `queued` counts new jobs, `duplicates` the URLs that some job already answers for: one that an
    earlier submission left pending, or an earlier URL of the same call. `jobs` has one entry per
    distinct accepted URL.
    """

    batch_id: str
    queued: int
    duplicates: int
    rejected: list[Rejected] = field(default_factory=list)
    jobs: list[SubmittedJob] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a submission is, in jobs; `missing` ones were removed from the queue by somebody."""

    total: int
    done: int = 0
    failed: int = 0
    missing: int = 0
    found: int = 0
    new: int = 0

    @property
    def ended(self) -> int:
        return self.done + self.failed + self.missing

    @property
    def finished(self) -> bool:
        return self.ended >= self.total


@dataclass(frozen=True, slots=True)
class Accepted:
    """URLs that may be queued (normalised, distinct, in order), the repeats, and the rejected."""

    urls: list[str]
    repeats: int
    rejected: list[Rejected]


def sift(urls: Iterable[str], *, max_url_length: int) -> Accepted:
    """Normalise every URL; a bad one is reported and hurts no other."""
    distinct: dict[str, None] = {}
    rejected: list[Rejected] = []
    given = 0
    for raw in urls:
        given += 1
        try:
            distinct[normalize_url(raw, max_length=max_url_length)] = None
        except InvalidURLError as error:
            rejected.append(Rejected(raw, error.reason))
    return Accepted(list(distinct), given - len(rejected) - len(distinct), rejected)


def deduplication_id(url: str) -> str:
    """Name under which BullMQ knows that a job for this normalised URL is pending.

    A digest, because ids become key names: URLs are long and hold colons.
    """
    return hashlib.blake2b(url.encode(), digest_size=12).hexdigest()
