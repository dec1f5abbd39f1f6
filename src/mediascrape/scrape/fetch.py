"""One GET for one page: redirects followed hop by hop, every address vetted before it is contacted.

    async with fetcher.fetch(url) as response:
        document = response.body()

libcurl is given an address, never a name, and its socket hook asks the guard once more, so a name that
changes its address between check and connection changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from mediascrape.errors import (
    ConnectionFailedError,
    ConnectionRefusedByHostError,
    ForbiddenAddressError,
    InvalidURLError,
    RedirectError,
)
from mediascrape.scrape.budget import BodyBudget
from mediascrape.scrape.exchange import Exchange
from mediascrape.scrape.guard import AddressGuard, IPAddress, host_of, parse_host
from mediascrape.scrape.options import FetchOptions
from mediascrape.scrape.resolver import Resolver
from mediascrape.scrape.response import Redirect, Response, Timings, Validators
from mediascrape.scrape.transport import Target, Transport
from mediascrape.scrape.turns import Clock
from mediascrape.scrape.urls import join_url, normalize_url
from mediascrape.scrape.verdict import Wanted

#: Awaited with the next hop's URL before it is requested; may raise to end the fetch.
OnHop = Callable[[str], Awaitable[None]]

_NOTHING_KNOWN = Validators()


class _Order(NamedTuple):
    validators: Validators
    on_hop: OnHop | None
    wanted: Wanted
    clock: Clock | None


class Fetcher:
    """The HTTP client: one per event loop, made inside it, closed at the end.

    resolver: replaces the system's name resolution.
    """

    def __init__(
        self, options: FetchOptions, guard: AddressGuard, *, resolver: Resolver | None = None
    ) -> None:
        self._options = options
        self._guard = guard
        self._resolver = resolver or Resolver(options.resolver)
        self._transport = Transport(options, guard)

    @property
    def in_flight(self) -> int:
        """Requests on their way now."""
        return len(self._transport)

    @property
    def budget(self) -> BodyBudget:
        """The bytes of bodies in memory, for metrics."""
        return self._transport.budget

    def fetch(
        self,
        url: str,
        *,
        validators: Validators | None = None,
        on_hop: OnHop | None = None,
        wanted: Wanted = Wanted.PAGE,
        clock: Clock | None = None,
    ) -> FetchContext:
        """To be entered with `async with`: yields a Response, and frees its body at the end.

        wanted: FILE takes any status and type; read it by `content`. clock: stopped while requests
        wait for their turn and the body for the budget.
        Don't fetch again inside the context: the second body could wait for the first one's release.

        Entering raises a ScrapeError, from InvalidURLError to TooSlowError, or what `on_hop` raises.
        Cancelling the task ends the transfer at once.
        """
        return FetchContext(self, url, _Order(validators or _NOTHING_KNOWN, on_hop, wanted, clock))

    async def follow(self, url: str, order: _Order) -> Response:
        """`fetch` without its context: the caller must release the response."""
        validators = order.validators
        started = asyncio.get_running_loop().time()
        current = normalize_url(url, max_length=self._options.max_url_length)
        redirects: list[Redirect] = []
        while True:
            exchange = await self._request(current, validators, order)
            location = exchange.verdict.location
            if location is None:
                return self._response((url, current), redirects, exchange, started)
            exchange.account.close()
            target = self._next_hop(current, location, redirects)
            redirects.append(Redirect(current, exchange.status, target))
            current, validators = target, _NOTHING_KNOWN
            if order.on_hop is not None:
                await order.on_hop(target)

    async def close(self) -> None:
        """Cancels the fetches in flight and closes every connection."""
        self._transport.close()
        self._resolver.close()

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _next_hop(self, current: str, location: str, redirects: list[Redirect]) -> str:
        if len(redirects) >= self._options.max_redirects:
            raise RedirectError(f"more than {self._options.max_redirects} redirects")
        try:
            joined = join_url(current, location)
            if joined is None:
                raise RedirectError(f"redirect to something that is no URL: {location[:100]!r}")
            target = normalize_url(joined, max_length=self._options.max_url_length)
        except InvalidURLError as error:
            raise RedirectError(f"redirect to an unusable URL: {error}") from error
        if target == current or any(target == hop.url for hop in redirects):
            raise RedirectError(f"redirects lead back to {target[:200]}")
        return target

    async def _request(self, url: str, validators: Validators, order: _Order) -> Exchange:
        options = self._options
        conditional = validators.request_headers()
        host = host_of(url)
        *others, last = await self._addresses(host)
        for address in others:
            target = Target(url, address, conditional, order.wanted, options.next_address_after_s)
            try:
                return await self._transport.exchange(target, order.clock)
            except (ConnectionRefusedByHostError, ConnectionFailedError):
                self._resolver.demote(host, address)  # another of the host's addresses may answer
        target = Target(url, last, conditional, order.wanted, options.connect_timeout_s)
        return await self._transport.exchange(target, order.clock)

    async def _addresses(self, host: str) -> list[IPAddress]:
        """The host's addresses that may be contacted, a few at most.

        Raises ForbiddenAddressError, HostNotFoundError or DNSFailureError.
        """
        literal = parse_host(host)
        if literal is not None:
            self._guard.check(literal)
            return [literal]
        self._guard.check_name(host)
        found = await self._resolver.resolve(host)
        allowed = [address for address in found if self._guard.refusal(address) is None]
        if not allowed:
            why = self._guard.refusal(found[0])
            raise ForbiddenAddressError(f"{host} is at {found[0]}, which is not public ({why})")
        return allowed[: self._options.max_addresses]

    def _response(
        self, urls: tuple[str, str], redirects: list[Redirect], exchange: Exchange, started: float
    ) -> Response:
        return Response(
            requested_url=urls[0],
            url=urls[1],
            status=exchange.status,
            headers=exchange.headers,
            redirects=redirects,
            media_kind=exchange.verdict.media,
            not_modified=exchange.verdict.not_modified,
            remote_address=exchange.remote_address,
            timings=Timings(
                connect=exchange.connect_s,
                first_byte=exchange.first_byte_s,
                total=asyncio.get_running_loop().time() - started,
            ),
            _pieces=exchange.pieces,
            _limits=self._options.decoding,
            _account=exchange.account,
        )


class FetchContext:
    """What `Fetcher.fetch` returns."""

    __slots__ = ("_fetcher", "_order", "_response", "_url")

    def __init__(self, fetcher: Fetcher, url: str, order: _Order) -> None:
        self._fetcher = fetcher
        self._url = url
        self._order = order
        self._response: Response | None = None

    async def __aenter__(self) -> Response:
        self._response = await self._fetcher.follow(self._url, self._order)
        return self._response

    async def __aexit__(self, *exc_info: object) -> None:
        if self._response is not None:
            self._response.release()
