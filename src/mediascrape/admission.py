"""A host's turn: robots.txt, the host's slots across all workers, and what its answers mean for it.

Joins what the scraping side knows (policies, robots.txt) with what the queue side keeps for all
workers (slots, pauses), neither of which knows the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType

from mediascrape.errors import (
    HostUnavailableError,
    QueueUnavailableError,
    RobotsDisallowedError,
)
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits, Wait
from mediascrape.queue.outcome import Postpone
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.headers import parse_retry_after
from mediascrape.scrape.politeness import HostPolicy, gives_up, host_limits, origin_of, report_on
from mediascrape.scrape.robots import FetchRobots, Robots, RobotsAnswer, RobotsPending
from mediascrape.scrape.verdict import Wanted

#: Milliseconds that a job waits, no attempt used, when the gate cannot be reached.
GATE_AWAY_MS = 1000


class HostAdmission:
    """Gives jobs their host's turn. robots None: robots.txt is neither fetched nor obeyed."""

    def __init__(self, gate: GroupGate, robots: Robots | None, policy: HostPolicy) -> None:
        self._gate = gate
        self._robots = robots
        self._policy = policy

    def turn(self, url: str) -> Turn:
        """To be entered with `async with`; holds one of the host's slots until it ends.

        Entering raises Postpone when the host must wait, RobotsDisallowedError, HostUnavailableError
        when waiting is given up, or the ScrapeError that met the request for robots.txt.
        """
        return Turn(self, url)

    async def enter(self, url: str) -> Granted:
        """`turn` without its context: the caller must call `leave`."""
        origin = origin_of(url)
        crawl_delay_s = await self._obey_robots(origin, url)
        limits = host_limits(self._policy, crawl_delay_s)
        try:
            answer = await self._gate.acquire(origin, GroupLimits(limits.concurrent, limits.gap_ms))
        except QueueUnavailableError:
            raise Postpone(GATE_AWAY_MS) from None
        if isinstance(answer, Granted):
            return answer
        raise self._refusal(origin, answer)

    def leave(self, granted: Granted, error: BaseException | None) -> None:
        """Give the slot back; `error` is what the attempt ended with."""
        report = report_on(error)
        self._gate.release(granted, report.effect, report.pause_ms)

    async def _obey_robots(self, origin: str, url: str) -> float | None:
        """The host's Crawl-delay in seconds, where it has one."""
        if self._robots is None:
            return None
        rules = self._robots.known(origin)
        if rules is None:
            try:
                found = await self._robots.rules(origin)
            except QueueUnavailableError:  # where workers share what hosts said
                raise Postpone(GATE_AWAY_MS) from None
            if isinstance(found, RobotsPending):
                raise Postpone(found.delay_ms)
            rules = found
        if not rules.allows(url):
            raise RobotsDisallowedError(f"{origin}/robots.txt disallows this page")
        return rules.crawl_delay_s

    def _refusal(self, origin: str, wait: Wait) -> Exception:
        if gives_up(self._policy, wait.rests):
            return HostUnavailableError(f"{origin} kept failing through {wait.rests} rests")
        return Postpone(wait.delay_ms)


class Turn:
    """What `HostAdmission.turn` returns."""

    __slots__ = ("_admission", "_granted", "_url")

    def __init__(self, admission: HostAdmission, url: str) -> None:
        self._admission = admission
        self._url = url
        self._granted: Granted | None = None

    async def __aenter__(self) -> None:
        self._granted = await self._admission.enter(self._url)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._granted is not None
        self._admission.leave(self._granted, error)


def robots_fetcher(fetcher: Fetcher) -> FetchRobots:
    """Fetches a robots.txt with the guard, limits and pace of every other fetch."""

    async def fetch(url: str) -> RobotsAnswer:
        async with fetcher.fetch(url, wanted=Wanted.FILE) as response:
            retry_after = parse_retry_after(response.headers.first("retry-after"), datetime.now(UTC))
            return RobotsAnswer(response.status, response.content(), retry_after)

    return fetch
