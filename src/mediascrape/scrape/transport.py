"""Sends one request to one address through libcurl and waits for the whole answer."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any, Final, NamedTuple

import certifi
import pycurl

from mediascrape.errors import EmptyBodyError, ForbiddenAddressError, ScrapeError
from mediascrape.scrape.budget import BodyBudget
from mediascrape.scrape.curl_errors import transfer_error
from mediascrape.scrape.curl_loop import CurlLoop
from mediascrape.scrape.exchange import Exchange
from mediascrape.scrape.guard import AddressGuard, IPAddress, parse_host
from mediascrape.scrape.options import FetchOptions
from mediascrape.scrape.turns import Clock, LoopTurns
from mediascrape.scrape.verdict import BodyAction, Question, Wanted
from mediascrape.scrape.watch import Watch

#: Easy handles kept for the next request: making one costs more than the request itself.
_IDLE_HANDLES: Final = 256
#: Bytes libcurl reads at once however many requests are on their way; less saves nothing more.
_LEAST_READ: Final = 4 * 1024
#: Transfers begun in one iteration of the event loop: some two milliseconds of work.
_STARTS_AT_ONCE: Final = 16


class Target(NamedTuple):
    """headers: conditional ones, to add to those of every request."""

    url: str
    address: IPAddress
    headers: list[str]
    wanted: Wanted
    connect_timeout_s: float


class Transport:
    """Owns the connections, the byte budget and the clock of all transfers."""

    def __init__(self, options: FetchOptions, guard: AddressGuard) -> None:
        self._options = options
        self._guard = guard
        self.budget = BodyBudget(options.body_budget_bytes, overdraft=options.limits.max_bytes)
        self._curl_loop = CurlLoop(max_idle_connections=options.max_idle_connections)
        self._watch = Watch(options.pace, self._fail)
        self._idle: list[Any] = []
        #: Numbers of sockets whose receive buffer has been opened; kept-alive connections bring many bodies.
        self._opened: set[int] = set()
        self._starts = LoopTurns(_STARTS_AT_ONCE)
        self._headers = [
            f"User-Agent: {options.user_agent}",
            f"Accept: {options.accept}",
            f"Accept-Language: {options.accept_language}",
            "Accept-Encoding: gzip, deflate, br, zstd",
        ]

    def __len__(self) -> int:
        return len(self._curl_loop)

    async def exchange(self, target: Target, clock: Clock | None = None) -> Exchange:
        """One answer, its body (if wanted) complete. The caller must close the exchange's account.
        `clock` is stopped while the exchange waits for its turn to begin and its body for the budget.

        Raises ScrapeError; cancelling ends the transfer at once.
        """
        await self._starts.wait(clock)
        curl = self._idle.pop() if self._idle else self._new_handle()
        question = Question(target.wanted, bool(target.headers), self._options.limits.max_bytes)
        exchange = Exchange(self._options.limits, self.budget.open(), question, hooks=self, clock=clock)
        exchange.account.on_granted = partial(self._resume, exchange, curl)
        address = target.address
        curl.setopt(pycurl.URL, target.url)
        curl.setopt(pycurl.CONNECT_TO, [f"::[{address}]:" if address.version == 6 else f"::{address}:"])
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(target.connect_timeout_s * 1000))
        curl.setopt(pycurl.HTTPHEADER, self._headers + target.headers)
        curl.setopt(pycurl.BUFFERSIZE, self._read_bytes())
        curl.setopt(pycurl.HEADERFUNCTION, exchange.on_header)
        curl.setopt(pycurl.WRITEFUNCTION, exchange.on_body)
        self._watch.add(exchange)
        try:
            self._curl_loop.start(curl, partial(self._done, exchange, curl))
            await exchange.result
        except BaseException:
            exchange.account.close()
            raise
        finally:
            self._watch.remove(exchange)
            exchange.resume()
            self._curl_loop.abort(curl)
            self._keep_handle(curl)
        return exchange

    def close(self) -> None:
        """Cancels the exchanges in flight and closes every connection."""
        for exchange in self._watch.exchanges():
            exchange.result.cancel()
        self._watch.close()
        self._curl_loop.close()
        for curl in self._idle:
            curl.close()
        self._idle.clear()

    def _new_handle(self) -> Any:
        options = self._options
        curl = pycurl.Curl()
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.PROXY, ""),  # not even one from the environment: it would resolve names itself
            (pycurl.NETRC, pycurl.NETRC_IGNORED),
            (pycurl.HTTP09_ALLOWED, 0),
            (
                pycurl.HTTP_VERSION,
                pycurl.CURL_HTTP_VERSION_2TLS if options.http2 else pycurl.CURL_HTTP_VERSION_1_1,
            ),
            (pycurl.PIPEWAIT, int(options.http2)),  # a connection being made may turn out to carry many
            (pycurl.DNS_CACHE_TIMEOUT, 0),  # it is given addresses: there is nothing to remember
            (pycurl.CAINFO, options.ca_file or certifi.where()),
            (pycurl.SSL_VERIFYPEER, int(options.verify_tls)),
            (pycurl.SSL_VERIFYHOST, 2 if options.verify_tls else 0),
            (pycurl.OPENSOCKETFUNCTION, self.open_socket),
        ):
            curl.setopt(option, value)
        return curl

    def _read_bytes(self) -> int:
        options = self._options
        return max(_LEAST_READ, min(options.read_bytes, options.paused_bytes // (len(self) + 1)))

    def _keep_handle(self, curl: Any) -> None:
        if len(self._idle) < _IDLE_HANDLES:
            curl.setopt(pycurl.HEADERFUNCTION, _ignore)
            curl.setopt(pycurl.WRITEFUNCTION, _ignore)
            self._idle.append(curl)
        else:
            curl.close()

    def open_socket(self, purpose: int, address: tuple[int, int, int, Any]) -> LentSocket | int:
        """libcurl's socket hook, called for each new connection with the very address it will contact.

        What comes here was vetted before; asking again makes that true by construction.
        """
        self._opened.clear()  # the new one may get the number of any that was closed
        family, kind, protocol, to = address
        try:
            host = parse_host(to[0].decode() if isinstance(to[0], bytes) else to[0])
            if host is None:
                return int(pycurl.SOCKET_BAD)
            self._guard.check(host)
        except ForbiddenAddressError:
            return int(pycurl.SOCKET_BAD)
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._options.receive_buffer_bytes)
        return LentSocket(opened)

    def body_began(self, exchange: Exchange) -> None:
        """Notes the connection: its number can be known only now, and is wanted when a pause has ended."""
        exchange.socket = self._curl_loop.acting_on

    def body_admitted(self, exchange: Exchange) -> None:
        """The body's turn has come: let the host send more than the small buffer it began with."""
        if exchange.socket >= 0 and exchange.socket not in self._opened:
            self._opened.add(exchange.socket)
            _set_receive_buffer(exchange.socket, self._options.open_receive_buffer_bytes)

    def _resume(self, exchange: Exchange, curl: Any) -> None:
        # Not at once: the grant may come from within a callback of another transfer.
        self._curl_loop.soon(curl, partial(self._unpause, exchange, curl))

    def _unpause(self, exchange: Exchange, curl: Any) -> None:
        exchange.resume()
        curl.pause(pycurl.PAUSE_CONT)

    def _fail(self, exchange: Exchange, error: ScrapeError) -> None:
        if not exchange.result.done():
            exchange.result.set_exception(error)

    def _done(self, exchange: Exchange, curl: Any, code: int, message: str) -> None:
        if exchange.result.done():
            return
        error = self._outcome(exchange, curl, code, message)
        if error is not None:
            exchange.result.set_exception(error)
            return
        exchange.remote_address = curl.getinfo(pycurl.PRIMARY_IP)
        exchange.connect_s = curl.getinfo(pycurl.CONNECT_TIME)
        exchange.first_byte_s = curl.getinfo(pycurl.STARTTRANSFER_TIME)
        exchange.account.settle(exchange.length)
        exchange.result.set_result(None)

    def _outcome(self, exchange: Exchange, curl: Any, code: int, message: str) -> ScrapeError | None:
        if exchange.error is not None:
            return exchange.error
        ended_by_us = exchange.head_complete and exchange.verdict.action in (
            BodyAction.DRAIN,
            BodyAction.STOP,
        )
        if code != 0 and not ended_by_us:
            return transfer_error(code, message, curl.getinfo(pycurl.OS_ERRNO))
        if exchange.verdict.action is BodyAction.SNIFF and exchange.length:
            exchange.sniff()
        if exchange.verdict.error is not None:
            return exchange.verdict.error
        kept = exchange.verdict.action in (BodyAction.KEEP, BodyAction.SNIFF)
        if kept and not exchange.length and exchange.question.wanted is Wanted.PAGE:
            return EmptyBodyError(f"HTTP {exchange.status} without a body")
        return None


class LentSocket:
    """A socket for pycurl, which duplicates it and lets go of this one; only then may it be closed."""

    __slots__ = ("_socket",)

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def fileno(self) -> int:
        """What pycurl duplicates."""
        return self._socket.fileno()

    def __del__(self) -> None:
        self._socket.close()


def _set_receive_buffer(number: int, size: int) -> None:
    try:
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, number)
    except OSError:
        return  # an exception must not leave a callback of libcurl's, which would break the transfer
    try:
        borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        if hasattr(socket, "TCP_WINDOW_CLAMP"):  # Linux: set by the first, smaller buffer, else for good
            borrowed.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, size)
    except OSError:
        pass  # the connection has just gone; libcurl will say so
    finally:
        borrowed.detach()


def _ignore(data: bytes) -> None:
    """Keeps an idle handle from holding on to its last exchange."""
