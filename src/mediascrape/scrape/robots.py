"""What a host's robots.txt lets us fetch (RFC 9309), fetched once and shared by all workers.

Parsing and matching are Protego's. This module decides what an answer means, keeps the rules of the
hosts in use, and sees to it that a host is asked once, however many of its pages are scraped.
It does no I/O of its own: the caller brings the function that fetches and the shared cache.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from base64 import b85decode, b85encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from protego import Protego

from mediascrape.errors import RateLimitedError, RedirectError, RobotsUnavailableError, ScrapeError

#: Our product token, as a `User-agent:` line names us (RFC 9309, 2.2.1).
AGENT_NAME: Final = "mediascrape"
#: What is read of a robots.txt: the least that RFC 9309, 2.5 asks for.
MAX_ROBOTS_BYTES: Final = 500 * 1024
#: Redirects followed for a robots.txt (RFC 9309, 2.3.1.2).
MAX_ROBOTS_REDIRECTS: Final = 5
#: Patterns are tried one by one, so their number is a cost that a hostile host could put on every page.
MAX_WILDCARDS: Final = 2000
#: Parsing more than this would hold up the event loop for milliseconds, so a thread does it.
_LARGE_BYTES: Final = 16 * 1024
_DISALLOW_ALL: Final = "User-agent: *\nDisallow: /"

# Each begins at a line's start or at one character, so that no text makes them take more than linear time.
_OUR_GROUP = re.compile(rf"(?im)^([ \t]*user[- ]?agent[ \t]*:[ \t]*){AGENT_NAME}(?![a-z_-])[^\r\n#]*")
_NOT_RULES = re.compile(r"(?im)#[^\r\n]*|^[ \t]*sitemap[ \t]*:[^\r\n]*")


class RobotsRules:
    """The rules of one host for our product token."""

    def __init__(self, text: str) -> None:
        # RFC 9309 compares whole product tokens; Protego takes any group whose name ours begins with.
        # So the choice between our group and `*` is made here.
        text, ours = _OUR_GROUP.subn(rf"\g<1>{AGENT_NAME}", text)
        self._agent = AGENT_NAME if ours else "*"
        self._parser = Protego.parse(text)

    def allows(self, url: str) -> bool:
        """Whether `url`, which must belong to the host of these rules, may be fetched."""
        return self._parser.can_fetch(url, self._agent)

    @property
    def crawl_delay_s(self) -> float | None:
        """Seconds the host asks for between two requests; not in RFC 9309, but widely used."""
        return self._parser.crawl_delay(self._agent)


ALLOW_ALL: Final = RobotsRules("")


@dataclass(frozen=True, slots=True)
class RobotsAnswer:
    """The last answer to a request for robots.txt, its redirects followed.

    body: the decoded body; only its first MAX_ROBOTS_BYTES count. retry_after: seconds, or None.
    """

    status: int
    body: bytes = b""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RobotsPending:
    """The rules are being fetched and enough jobs wait for them: come back in `delay_ms`."""

    delay_ms: int


def robots_text(answer: RobotsAnswer) -> str:
    """The rules in `answer` as text, "" where everything is allowed.

    4xx means that there are no rules (RFC 9309, 2.3.1.3). 5xx means that nothing may be fetched for
    now (2.3.1.4): RobotsUnavailableError. 429 is not "no rules" but "not now": RateLimitedError.
    """
    if answer.status == 429:
        raise RateLimitedError("robots.txt: HTTP 429", retry_after=answer.retry_after)
    if answer.status >= 500 or answer.status < 200:
        raise RobotsUnavailableError(f"robots.txt: HTTP {answer.status}", retry_after=answer.retry_after)
    if not 200 <= answer.status < 300:
        return ""
    body = answer.body[:MAX_ROBOTS_BYTES]
    if len(answer.body) > MAX_ROBOTS_BYTES:
        body = body[: body.rfind(b"\n") + 1]  # half a path would forbid or allow too much
    text = _NOT_RULES.sub("", body.decode("utf-8-sig", "replace"))
    return _DISALLOW_ALL if text.count("*") > MAX_WILDCARDS else text


class RobotsCache(Protocol):
    """A key-value store with expiry that all workers share."""

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str, ttl_ms: int) -> None: ...

    async def claim(self, key: str, ttl_ms: int) -> bool:
        """True for the one caller who set `key`, which nobody had set."""
        ...


@dataclass(frozen=True, slots=True)
class RobotsOptions:
    """keep_s: how long rules hold; RFC 9309, 2.4 says at most a day. keep_failure_s: how long a failure
    to get them holds. max_waiting: jobs of one host that wait for its rules at once, in this process.
    local_bytes: size of the rules kept parsed.
    """

    keep_s: float = 23 * 3600
    keep_failure_s: float = 30
    claim_s: float = 10
    poll_s: float = 0.1
    max_waiting: int = 8
    local_bytes: int = 4 * 1024 * 1024


@dataclass(slots=True)
class _Entry:
    found: RobotsRules | ScrapeError
    expires: float
    weight: int


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[_Entry]
    waiting: int = 0
    turned_away: int = 0


FetchRobots = Callable[[str], Awaitable[RobotsAnswer]]


class Robots:
    """Rules by origin (`https://host:port`), from memory, the shared cache or the host."""

    def __init__(self, fetch: FetchRobots, cache: RobotsCache, options: RobotsOptions | None = None) -> None:
        self._fetch = fetch
        self._cache = cache
        self._options = options or RobotsOptions()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._weight = 0
        self._flights: dict[str, _Flight] = {}

    def known(self, origin: str) -> RobotsRules | None:
        """The rules of `origin` if they are in memory. Raises what `rules` would raise."""
        entry = self._entries.get(origin)
        if entry is None or entry.expires <= monotonic():
            return None
        self._entries.move_to_end(origin)
        return _open(entry)

    async def rules(self, origin: str, max_waiting: int | None = None) -> RobotsRules | RobotsPending:
        """The rules of `origin`, fetched if need be.

        A host slow to give its robots.txt must not tie up every job slot, so only `max_waiting` callers
        (by default, and at most, the options') wait for it; the others are told to come back, each a little
        later than the one before.
        Raises RobotsUnavailableError, RateLimitedError, or the ScrapeError that met the request.
        """
        rules = self.known(origin)
        if rules is not None:
            return rules
        flight = self._flights.get(origin)
        if flight is None:
            flight = self._flights[origin] = _Flight(asyncio.create_task(self._find(origin)))
            flight.task.add_done_callback(lambda task: self._land(origin, task))
        if flight.waiting >= min(max_waiting or self._options.max_waiting, self._options.max_waiting):
            flight.turned_away += 1
            return RobotsPending(500 + 2 * flight.turned_away)
        flight.waiting += 1
        try:
            # The others wait for the same fetch: one caller's cancellation must not end it.
            return _open(await asyncio.shield(flight.task))
        finally:
            flight.waiting -= 1

    def _land(self, origin: str, task: asyncio.Task[_Entry]) -> None:
        del self._flights[origin]
        if not task.cancelled():
            task.exception()  # everyone who waited may be gone: an error is not to be logged as unseen

    async def close(self) -> None:
        """Cancel the fetches under way."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, origin: str) -> _Entry:
        value = await self._cache.get(origin)
        if value is None and not await self._cache.claim(
            f"{origin}#claim", int(self._options.claim_s * 1000)
        ):
            value = await self._await_other_worker(origin)
        if value is None:
            value, keep_s = await self._ask(origin)
            await self._cache.put(origin, value, int(keep_s * 1000))
        entry = await self._read(value)
        self._remember(origin, entry)
        return entry

    async def _await_other_worker(self, origin: str) -> str | None:
        waited = 0.0
        while waited < self._options.claim_s:
            await asyncio.sleep(self._options.poll_s)
            waited += self._options.poll_s
            if (value := await self._cache.get(origin)) is not None:
                return value
        return None  # the claimant died or is out of luck; another request does less harm than none

    async def _ask(self, origin: str) -> tuple[str, float]:
        try:
            text = robots_text(await self._fetch(f"{origin}/robots.txt"))
        except RedirectError:
            text = ""  # RFC 9309, 2.3.1.2: beyond five redirects it counts as absent
        except ScrapeError as error:
            return _encode_error(error), max(self._options.keep_failure_s, error.retry_after or 0)
        return _encode_text(text), self._options.keep_s

    async def _read(self, value: str) -> _Entry:
        error = _decode_error(value)
        if error is not None:
            return _Entry(error, monotonic() + self._options.keep_failure_s, 1)
        text = _decode_text(value)
        if not text:
            rules = ALLOW_ALL
        elif len(text) > _LARGE_BYTES:
            rules = await asyncio.to_thread(RobotsRules, text)
        else:
            rules = RobotsRules(text)
        return _Entry(rules, monotonic() + min(3600, self._options.keep_s), 256 + len(text))

    def _remember(self, origin: str, entry: _Entry) -> None:
        old = self._entries.pop(origin, None)
        self._entries[origin] = entry
        self._weight += entry.weight - (old.weight if old else 0)
        while self._weight > self._options.local_bytes and len(self._entries) > 1:
            self._weight -= self._entries.popitem(last=False)[1].weight


def _open(entry: _Entry) -> RobotsRules:
    if isinstance(entry.found, ScrapeError):
        # A fresh one each time: a raised exception holds its traceback, and so the caller's frames.
        raise type(entry.found)(str(entry.found), retry_after=entry.found.retry_after)
    return entry.found


# In the shared cache rules are `+` and compressed text, a failure is `-code retry_after message`.


def _encode_text(text: str) -> str:
    return "+" + b85encode(zlib.compress(text.encode())).decode("ascii") if text else "+"


def _decode_text(value: str) -> str:
    packed = value.removeprefix("+")
    return zlib.decompress(b85decode(packed)).decode() if packed else ""


def _encode_error(error: ScrapeError) -> str:
    return f"-{error.code} {error.retry_after or 0:g} {error}"


def _decode_error(value: str) -> ScrapeError | None:
    if not value.startswith("-"):
        return None
    code, retry_after, message = value[1:].split(" ", 2)
    kind = _ERRORS.get(code, RobotsUnavailableError)
    return kind(message, retry_after=float(retry_after) or None)


def _subclasses(kind: type[ScrapeError]) -> list[type[ScrapeError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _subclasses(child))]


_ERRORS: Final = {kind.code: kind for kind in _subclasses(ScrapeError)}
