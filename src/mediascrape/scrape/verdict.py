"""What to do with an answer once its head is known. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from mediascrape.errors import (
    BodyTooLargeError,
    ClientStatusError,
    EmptyBodyError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    RedirectError,
    ScrapeError,
    ServerStatusError,
    UnsupportedContentError,
)
from mediascrape.scrape.content import Declared, MediaKind, classify
from mediascrape.scrape.headers import Headers, parse_content_length, parse_content_type, parse_retry_after

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425})  # a retry may be answered otherwise


class BodyAction(Enum):
    """KEEP the body; SNIFF its beginning before keeping it; DRAIN it so that the connection can be used
    again; STOP before it."""

    KEEP = "keep"
    SNIFF = "sniff"
    DRAIN = "drain"
    STOP = "stop"


class Wanted(Enum):
    """PAGE: a document to scrape; anything else is an error, a media file is noted without its body.
    FILE: the body, whatever its type, and the status, whatever it says (robots.txt, a picture)."""

    PAGE = "page"
    FILE = "file"


class Verdict(NamedTuple):
    """error: what to raise when the transfer is over. media: the answer is itself such a file."""

    action: BodyAction
    error: ScrapeError | None = None
    location: str | None = None
    media: MediaKind | None = None
    not_modified: bool = False


class Question(NamedTuple):
    """What an answer is judged by. conditional: the request carried validators, so that 304 answers it."""

    wanted: Wanted = Wanted.PAGE
    conditional: bool = False
    max_bytes: int = 10 * 1024 * 1024


def judge(status: int, headers: Headers, question: Question, now: datetime) -> Verdict:
    """The verdict on an answer's head."""
    conditional, max_bytes = question.conditional, question.max_bytes
    if status in _REDIRECTS and (location := headers.first("location")):
        return Verdict(BodyAction.DRAIN, location=location)
    if question.wanted is Wanted.FILE:
        keep = 200 <= status < 300 and parse_content_length(headers) != 0
        return Verdict(BodyAction.KEEP if keep else BodyAction.DRAIN)
    if 200 <= status < 300:
        return _judge_success(status, headers, max_bytes)
    if status == 304 and conditional:
        return Verdict(BodyAction.DRAIN, not_modified=True)
    return Verdict(BodyAction.DRAIN, error=_status_error(status, headers, now))


def _judge_success(status: int, headers: Headers, max_bytes: int) -> Verdict:
    length = parse_content_length(headers)
    if status in (204, 205) or length == 0:
        return Verdict(BodyAction.DRAIN, error=EmptyBodyError(f"HTTP {status} without a body"))
    essence, _ = parse_content_type(headers.first("content-type"))
    declared = classify(essence)
    if declared is Declared.OTHER:
        text = f"neither a page nor media: {(essence or '')[:80]}"
        return Verdict(BodyAction.STOP, error=UnsupportedContentError(text))
    if not isinstance(declared, Declared):
        return Verdict(BodyAction.STOP, media=declared)
    if declared is Declared.UNKNOWN:
        return Verdict(BodyAction.SNIFF)
    if length is not None and length > max_bytes:
        text = f"{length:,} bytes announced, {max_bytes:,} allowed"
        return Verdict(BodyAction.STOP, error=BodyTooLargeError(text))
    return Verdict(BodyAction.KEEP)


def _status_error(status: int, headers: Headers, now: datetime) -> ScrapeError:
    text = f"HTTP {status}"
    retry_after = parse_retry_after(headers.first("retry-after"), now)
    if status == 429 or (status == 503 and retry_after is not None):
        return RateLimitedError(text, retry_after=retry_after)
    if status in (404, 410):
        return NotFoundError(text)
    if 500 <= status < 600 or status in _PASSING:
        return ServerStatusError(text, retry_after=retry_after)
    if 300 <= status < 400:
        return RedirectError(f"{text} without a usable target")
    if 400 <= status < 500:
        return ClientStatusError(text, retry_after=retry_after)
    return ProtocolError(f"{text} is not a status")
