"""The shortest way from a socket to the queue, for the request that comes by the thousand.

A POST of one URL to the ingest route, with no header that asks for more, is read, checked and answered
here between uvicorn's parser and its socket: no task, no ASGI messages, no middleware, which is most of
what the same request costs as an ASGI call. Whatever is not that plain, or turns out not to be (a bad
URL, several URLs, options but `force`), goes on to the application as an ordinary request with the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol, cast

import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from mediascrape.errors import InvalidURLError, MediascrapeError
from mediascrape.queue.adding import Added
from mediascrape.scrape.turns import Guests
from mediascrape.web import ingest
from mediascrape.web.access import CLOSED_HEADERS, Gate
from mediascrape.web.batches import duplicate_batch_id, single_batch_id
from mediascrape.web.problems import MEDIA_TYPE, Problem, problem_of

log = logging.getLogger(__name__)

_PATH = ingest.PATH.encode()
#: Headers that ask for more than the short way gives.
_NOT_PLAIN = frozenset({
    b"cookie", b"origin", b"sec-fetch-site", b"idempotency-key", b"expect", b"transfer-encoding", b"upgrade",
    b"content-encoding", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id",
})  # fmt: skip
#: Longest body taken here; the longest URL that is allowed by default is half as long.
_MAX_BODY = 16 * 1024
#: What httptools can tell the parts of.
_LONGEST_TARGET = 65_535
_SECURITY = b"".join(b"%b: %b\r\n" % pair for pair in CLOSED_HEADERS)
_ACCEPTED = STATUS_LINE[202] + b"content-type: application/json\r\n" + _SECURITY + b"content-length: "
_END = (b"\r\nconnection: close\r\n\r\n", b"\r\n\r\n")


def _head(problem: Problem) -> bytes:
    """All but the length and the end."""
    head = [STATUS_LINE[problem.status], b"content-type: ", MEDIA_TYPE.encode(), b"\r\n", _SECURITY]
    head += [
        f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in (problem.headers or {}).items()
    ]
    return b"".join([*head, b"content-length: "])


class SubmitOne(Protocol):
    """`Mediascrape.submit_one`."""

    def __call__(
        self, url: str, batch_id: str, job_id: str, *, force: bool
    ) -> tuple[str, asyncio.Future[Added]]: ...


class Lean:
    """What every connection shares. `new_id` is `Queue.new_id`."""

    def __init__(self, gate: Gate, submit_one: SubmitOne, new_id: Callable[[], str], guests: Guests) -> None:
        self.gate = gate
        self.submit_one = submit_one
        self.new_id = new_id
        self.guests = guests


class _NoEvent:
    __slots__ = ()

    def set(self) -> None:
        """Nobody waits for the body of a request on the short way."""


class _Request:
    """A request on the short way, with what HttpToolsProtocol looks for in its `cycle`."""

    __slots__ = ("batch_id", "body", "disconnected", "keep_alive", "more_body", "response_complete", "url")

    message_event = _NoEvent()

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.url = ""
        self.batch_id = ""


class LeanProtocol(HttpToolsProtocol):
    """One connection. To uvicorn, a request on the short way is a cycle like any other: requests that a
    client sends ahead wait for its end, and a graceful stop waits for its answer."""

    cycle: Any

    def __init__(
        self,
        lean: Lean,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._lean = lean

    def on_headers_complete(self) -> None:
        before = self.cycle
        if self.url == _PATH and (before is None or before.response_complete) and self._is_plain():
            keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            self.cycle = _Request(keep_alive=keep_alive)
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        request = self.cycle
        if type(request) is not _Request or not request.more_body:
            super().on_message_complete()
            return
        request.more_body = False
        if not self._begin(request):
            self._go_on(request)

    def _is_plain(self) -> bool:
        if self.parser.get_method() != b"POST":
            return False
        length = kind = b""
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                kind = value
            elif name in _NOT_PLAIN:
                return False
        return kind == b"application/json" and len(length) < 6 and int(length or b"0") <= _MAX_BODY

    def _begin(self, request: _Request) -> bool:
        """Whether the request is under way, or refused; if not, nothing has happened yet."""
        lean = self._lean
        try:
            document = orjson.loads(request.body)
            urls = document["urls"]
            if type(urls) is not list or len(urls) != 1 or type(urls[0]) is not str:
                return False
            force = len(document) == 2 and document["force"]
            if len(document) > 2 or type(force) is not bool:
                return False
        except (ValueError, TypeError, KeyError):
            return False
        scope = cast("dict[str, Any]", self.scope)
        scope["method"] = "POST"
        scope["path"] = ingest.PATH
        try:
            lean.gate.admit(scope, dict(self.headers))
        except Problem as problem:
            self._refuse(request, problem)
            return True
        job_id = lean.new_id()
        request.batch_id = single_batch_id(job_id)
        try:
            request.url, future = lean.submit_one(urls[0], request.batch_id, job_id, force=force)
        except InvalidURLError:
            return False
        lean.guests.waiting += 1
        future.add_done_callback(lambda added: self._end(request, added))
        return True

    def _go_on(self, request: _Request) -> None:
        """Hand the request, whole, to the application."""
        request.response_complete = True
        super().on_headers_complete()
        self.cycle.body += request.body
        super().on_message_complete()

    def _end(self, request: _Request, future: asyncio.Future[Added]) -> None:
        self._lean.guests.waiting -= 1
        try:
            added = future.result()
        except MediascrapeError as error:
            self._refuse(request, problem_of(error))
            return
        except (Exception, asyncio.CancelledError) as error:
            log.error("the ingest route failed", exc_info=error)
            self._refuse(request, Problem(500, "internal_error", "The service failed; its log says why."))
            return
        fresh = not added.duplicate
        body = orjson.dumps({
            "batch_id": request.batch_id if fresh else duplicate_batch_id(request.batch_id),
            "queued": int(fresh), "duplicates": int(not fresh), "rejected": [],
            "jobs": [{"id": added.id, "url": request.url, "duplicate": not fresh}],
        })  # fmt: skip
        self._write(request, _ACCEPTED, body)

    def _refuse(self, request: _Request, problem: Problem) -> None:
        self._write(request, _head(problem), problem.body())

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what its parser refuses, as a problem document."""
        problem = Problem(400, "bad_request", msg)
        if len(self.url) > _LONGEST_TARGET:
            problem = Problem(414, "uri_too_long", f"A URL may have {_LONGEST_TARGET} bytes.")
        body = problem.body()
        self.transport.write(b"%b%d%b%b" % (_head(problem), len(body), _END[False], body))
        self.transport.close()

    def _write(self, request: _Request, head: bytes, body: bytes) -> None:
        request.response_complete = True
        if request.disconnected or self.transport.is_closing():
            return
        self.transport.write(b"%b%d%b%b" % (head, len(body), _END[request.keep_alive], body))
        if not request.keep_alive:
            self.transport.close()
        self.on_response_complete()
