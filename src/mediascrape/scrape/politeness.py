"""How much of one host's time we may take, and what its answers say about that.

Arithmetic only. Who holds a slot now, and when the next may start, is kept for all workers by the
queue's gate; this module says with which numbers, and what an attempt's end means for the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from mediascrape.errors import (
    AttemptTimeoutError,
    ForbiddenAddressError,
    HostNotFoundError,
    InvalidURLError,
    MediascrapeError,
    RateLimitedError,
    RobotsDisallowedError,
    RobotsUnavailableError,
    ScrapeError,
    TLSError,
)

#: The longest that one answer may keep a host waiting, whatever it says.
MAX_PAUSE_S = 3600.0


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """What the operator grants every host.

    concurrent: requests at once. delay_s: least seconds between two starts. max_crawl_delay_s: a
    longer Crawl-delay counts as this much. give_up_after_rests: a host that failed through so many
    rests in a row, probes between them, is given up: its jobs fail and no longer wait.
    """

    concurrent: int = 8
    delay_s: float = 0.0
    max_crawl_delay_s: float = 300.0
    give_up_after_rests: int = 5


class HostLimits(NamedTuple):
    """The numbers that hold for one host: requests at once, least milliseconds between starts."""

    concurrent: int
    gap_ms: int


def share_of_slots(policy: HostPolicy, in_flight: int) -> int:
    """Requests at once to one host by a worker that may have so many jobs in flight.

    At most half of them: one slow host must never hold all, or the jobs of others would wait for it.
    """
    return max(1, min(policy.concurrent, in_flight // 2))


def host_limits(policy: HostPolicy, in_flight: int, crawl_delay_s: float | None = None) -> HostLimits:
    """The stricter of the operator's and the host's wishes, and of what `in_flight` leaves to one host.

    A host with a Crawl-delay means one request after the other, so it gets one slot.
    """
    if not crawl_delay_s:
        return HostLimits(share_of_slots(policy, in_flight), round(policy.delay_s * 1000))
    delay = max(policy.delay_s, min(crawl_delay_s, policy.max_crawl_delay_s))
    return HostLimits(1, round(delay * 1000))


class Effect(StrEnum):
    """What an attempt's end says of its host."""

    OK = "ok"  #: it answered
    FAILED = "failed"  #: it is in trouble: too many of these in a row and it rests
    REFUSED = "refused"  #: it asked for less: it rests at once, and goes on more slowly
    NONE = "none"  #: it was not reached, or the attempt ended for reasons of ours


@dataclass(frozen=True, slots=True)
class HostReport:
    """An attempt's effect on its host, and the pause the host asked for (0: none)."""

    effect: Effect
    pause_ms: int = 0


_ANSWERED = HostReport(Effect.OK)
_NOTHING = HostReport(Effect.NONE)
#: The host itself was not asked, or would answer the same however slowly we came.
_NO_EFFECT = (
    ForbiddenAddressError,
    HostNotFoundError,
    InvalidURLError,
    RobotsDisallowedError,
    RobotsUnavailableError,
    TLSError,
)


def report_on(error: BaseException | None) -> HostReport:
    """The effect on the host of an attempt that ended with `error` (None: with a page).

    A final refusal such as 404 is an answer like any other. Trouble that a retry may mend (time-outs,
    resets, 5xx) counts against the host. A Retry-After is obeyed up to MAX_PAUSE_S.
    """
    if error is None:
        return _ANSWERED
    if isinstance(error, _NO_EFFECT) or not isinstance(error, MediascrapeError):
        return _NOTHING
    retry_after = error.retry_after if isinstance(error, ScrapeError) else None
    pause_ms = round(min(max(retry_after or 0.0, 0.0), MAX_PAUSE_S) * 1000)
    if isinstance(error, RateLimitedError):
        return HostReport(Effect.REFUSED, pause_ms)
    if isinstance(error, AttemptTimeoutError) or (isinstance(error, ScrapeError) and error.retryable):
        return HostReport(Effect.FAILED, pause_ms)
    return _ANSWERED if isinstance(error, ScrapeError) else _NOTHING


def gives_up(policy: HostPolicy, rests: int) -> bool:
    """Whether a host that has rested `rests` times in a row is no longer worth waiting for."""
    return rests >= policy.give_up_after_rests


def origin_of(url: str) -> str:
    """The scheme, host and port that politeness is counted by: `https://example.org`.

    `url` must be normalised: then a port stands only where it is not the scheme's own, and one host has
    one name.
    """
    return "/".join(url.split("/", 3)[:3])
