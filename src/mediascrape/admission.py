"""A host's turn: robots.txt, the host's slots across all workers, and what its answers mean for it.

Joins what the scraping side knows (policies, robots.txt) with what the queue side keeps for all
workers (slots, pauses), neither of which knows the other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

from mediascrape.errors import (
    HostUnavailableError,
    QueueUnavailableError,
    RobotsDisallowedError,
)
from mediascrape.queue.clock import AttemptClock
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits, Wait
from mediascrape.queue.outcome import Postpone
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.headers import parse_retry_after
from mediascrape.scrape.politeness import (
    HostPolicy,
    gives_up,
    host_limits,
    origin_of,
    report_on,
    share_of_slots,
)
from mediascrape.scrape.robots import FetchRobots, Robots, RobotsAnswer, RobotsPending
from mediascrape.scrape.verdict import Wanted

#: Milliseconds that a job waits, no attempt used, when the gate cannot be reached.
GATE_AWAY_MS = 1000
_GATE_AWAY = "the queue did not answer when the host's turn was asked for"
#: `Wait.why`, as a job's log tells it.
_WHY = {
    "slots": "serves as many requests as it may at once",
    "gap": "is asked again only after its delay",
    "refused": "asked for a pause (429 or Retry-After)",
    "resting": "rests after failing too often",
    "probing": "is tried by one job after its rest",
}


class HostAdmission:
    """Gives jobs their host's turn. robots None: robots.txt is neither fetched nor obeyed.

    in_flight: how many jobs this worker may have in flight now, of which no host gets all.
    """

    def __init__(
        self, gate: GroupGate, robots: Robots | None, policy: HostPolicy, in_flight: Callable[[], int]
    ) -> None:
        self._gate = gate
        self._robots = robots
        self._policy = policy
        self._in_flight = in_flight

    def turn(self, url: str, clock: AttemptClock) -> Turn:
        """To be entered with `async with`; holds one of the host's slots until it ends. `clock` is stopped
        while the turn is waited for.

        Entering raises Postpone when the host must wait, RobotsDisallowedError, HostUnavailableError
        when waiting is given up, or the ScrapeError that met the request for robots.txt.
        """
        return Turn(self, url, clock)

    async def enter(self, url: str) -> Granted:
        """`turn` without its context: the caller must call `leave`."""
        origin = origin_of(url)
        crawl_delay_s = await self.obey_robots(origin, url)
        limits = host_limits(self._policy, self._in_flight(), crawl_delay_s)
        try:
            answer = await self._gate.acquire(origin, GroupLimits(limits.concurrent, limits.gap_ms))
        except QueueUnavailableError:
            raise Postpone(GATE_AWAY_MS, _GATE_AWAY) from None
        if isinstance(answer, Granted):
            return answer
        raise self._refusal(origin, answer)

    def leave(self, granted: Granted, error: BaseException | None) -> None:
        """Give the slot back; `error` is what the attempt ended with."""
        report = report_on(error)
        self._gate.release(granted, report.effect, report.pause_ms)

    async def obey_robots(self, origin: str, url: str) -> float | None:
        """The host's Crawl-delay in seconds, where it has one. Raises what entering a turn does."""
        if self._robots is None:
            return None
        rules = self._robots.known(origin)
        if rules is None:
            try:
                found = await self._robots.rules(origin, share_of_slots(self._policy, self._in_flight()))
            except QueueUnavailableError:  # where workers share what hosts said
                raise Postpone(GATE_AWAY_MS, _GATE_AWAY) from None
            if isinstance(found, RobotsPending):
                raise Postpone(found.delay_ms, f"{origin}/robots.txt is still being fetched")
            rules = found
        if not rules.allows(url):
            raise RobotsDisallowedError(f"{origin}/robots.txt disallows this page")
        return rules.crawl_delay_s

    def _refusal(self, origin: str, wait: Wait) -> Exception:
        if gives_up(self._policy, wait.rests):
            return HostUnavailableError(f"{origin} kept failing through {wait.rests} rests")
        return Postpone(wait.delay_ms, f"{origin} {_WHY.get(wait.why, wait.why)}")


class Turn:
    """What `HostAdmission.turn` returns."""

    __slots__ = ("_admission", "_clock", "_granted", "_url")

    def __init__(self, admission: HostAdmission, url: str, clock: AttemptClock) -> None:
        self._admission = admission
        self._url = url
        self._clock = clock
        self._granted: Granted | None = None

    async def move(self, url: str) -> None:
        """A redirect leads to `url`: take its host's turn instead, as if the job had begun there.

        Raises what entering does. The host that redirected has answered, and has its slot back.
        """
        origin = origin_of(url)
        with self._clock.paused():
            if self._granted is not None and self._granted.group == origin:
                await self._admission.obey_robots(origin, url)
                return
            self._leave(None)
            self._granted = await self._admission.enter(url)

    async def __aenter__(self) -> Turn:
        with self._clock.paused():
            self._granted = await self._admission.enter(self._url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        granted, self._granted = self._granted, None
        if granted is not None:
            self._admission.leave(granted, error)


def robots_fetcher(fetcher: Fetcher) -> FetchRobots:
    """Fetches a robots.txt with the guard, limits and pace of every other fetch."""

    async def fetch(url: str) -> RobotsAnswer:
        async with fetcher.fetch(url, wanted=Wanted.FILE) as response:
            retry_after = parse_retry_after(response.headers.first("retry-after"), datetime.now(UTC))
            return RobotsAnswer(response.status, response.content(), retry_after)

    return fetch
