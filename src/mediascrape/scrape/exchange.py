"""One request and its answer, as libcurl's callbacks tell it."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Final, Protocol

import pycurl

from mediascrape.errors import BodyTooLargeError, ProtocolError, ScrapeError, UnsupportedContentError
from mediascrape.scrape.budget import BodyAccount
from mediascrape.scrape.content import SNIFF_BYTES, looks_like_markup, sniff
from mediascrape.scrape.headers import Headers, parse_content_length
from mediascrape.scrape.limits import BodyLimits
from mediascrape.scrape.turns import Clock
from mediascrape.scrape.verdict import BodyAction, Question, Verdict, judge

_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})(?: |\r|\n|\Z)")

#: What a callback returns to end the transfer.
_REFUSE: Final = 0

#: What the write callback returns to be offered the same bytes again later.
_PAUSE: Final = int(pycurl.WRITEFUNC_PAUSE)

_NO_HEADERS: Final = Headers([])
_UNDECIDED: Final = Verdict(BodyAction.DRAIN)


class BodyHooks(Protocol):
    """Told of a wanted body's beginning, and of its admission by the budget; from within libcurl."""

    def body_began(self, exchange: Exchange) -> None: ...

    def body_admitted(self, exchange: Exchange) -> None: ...


class Exchange:
    """State of one transfer; `result` is resolved when it is over, however it ends.

    Its callbacks run inside libcurl, so they never raise and never touch another handle.
    """

    __slots__ = (
        "_clock",
        "_drained",
        "_granted",
        "_head_bytes",
        "_hooks",
        "_lines",
        "account",
        "connect_s",
        "error",
        "first_byte_s",
        "head_complete",
        "headers",
        "length",
        "limits",
        "paused",
        "pieces",
        "question",
        "remote_address",
        "result",
        "socket",
        "started",
        "status",
        "verdict",
        "window_bytes",
        "window_started",
    )

    def __init__(
        self,
        limits: BodyLimits,
        account: BodyAccount,
        question: Question | None = None,
        *,
        hooks: BodyHooks | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.limits = limits
        self.account = account
        self.question = question or Question()
        self.result: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers = _NO_HEADERS
        self.verdict = _UNDECIDED
        self.pieces: list[bytes] = []
        self.length = 0  # of the body so far
        self.error: ScrapeError | None = None
        self.head_complete = False
        self._head_bytes = 0
        self._granted = 0  # the length that needs no further question
        self.paused = False
        self.socket = -1  # its number, once the body has begun
        self._hooks = hooks
        self._clock = clock
        self.started = 0.0
        self.window_started = -1.0
        self.window_bytes = 0
        self.remote_address = ""
        self.connect_s = 0.0
        self.first_byte_s = 0.0
        self._lines: list[bytes] = []
        self._drained = 0

    @property
    def received(self) -> int:
        """Bytes of head and body so far."""
        return self._head_bytes + self.length + self._drained

    def on_header(self, line: bytes) -> int | None:
        """libcurl's header callback: one line, its end included."""
        if self.head_complete:
            return None  # trailers
        self._head_bytes += len(line)
        if self._head_bytes > self.limits.max_head_bytes:
            return self._refuse(ProtocolError(f"more than {self.limits.max_head_bytes:,} bytes of headers"))
        if line not in (b"\r\n", b"\n"):
            self._lines.append(line)
            return None
        status = _STATUS_LINE.match(self._lines[0]) if self._lines else None
        if status is None:
            return self._refuse(ProtocolError("the answer has no HTTP status line"))
        self.status = int(status[1])
        if 100 <= self.status < 200:
            self._lines.clear()
            return None
        return self._on_head()

    def _on_head(self) -> int | None:
        self.head_complete = True
        self.headers = Headers(self._lines[1:])
        self._lines.clear()
        self.verdict = judge(self.status, self.headers, self.question, datetime.now(UTC))
        return _REFUSE if self.verdict.action is BodyAction.STOP else None

    def on_body(self, data: bytes) -> int | None:
        """libcurl's write callback: called for every 16 KB, so its usual case comes first."""
        length = self.length + len(data)
        if length > self._granted:
            return self._on_more_than_granted(data, length)
        self.pieces.append(data)
        self.length = length
        return None

    def _on_more_than_granted(self, data: bytes, length: int) -> int | None:
        if self.verdict.action is BodyAction.DRAIN:
            self._drained += len(data)
            return _REFUSE if self._drained > self.limits.max_drain_bytes else None
        if self.socket < 0 and self._hooks is not None:
            self._hooks.body_began(self)
        if length > self.limits.max_bytes:
            return self._refuse(BodyTooLargeError(f"more than {self.limits.max_bytes:,} bytes"))
        if len(self.pieces) > 4096 + length // 128:
            return self._refuse(ProtocolError("the body comes in absurdly small pieces"))
        if length > self.account.held and not self.account.ask(self._reservation(length)):
            self.paused = True
            if self._clock is not None:
                self._clock.pause()
            return _PAUSE
        if not self.length and self._hooks is not None:
            self._hooks.body_admitted(self)
        self.pieces.append(data)
        self.length = length
        if self.verdict.action is BodyAction.SNIFF:
            return self.sniff() if length >= SNIFF_BYTES else None
        self._granted = min(self.account.held, self.limits.max_bytes)
        return None

    def resume(self) -> None:
        """Ends a pause, if there is one: bytes may come, or none ever will."""
        if self.paused:
            self.paused = False
            if self._clock is not None:
                self._clock.resume()

    def sniff(self) -> int | None:
        """Decides about an answer of unknown type by its first bytes."""
        self.verdict = judge_unknown(b"".join(self.pieces)[:SNIFF_BYTES], self.headers)
        return _REFUSE if self.verdict.action is BodyAction.STOP else None

    def shrink(self, ahead: int) -> None:
        """Gives back what the body has reserved more than `ahead` bytes beyond its present length."""
        self.account.shrink(self.length + ahead)
        self._granted = min(self._granted, self.account.held)

    def _reservation(self, length: int) -> int:
        """Bytes to reserve when `length` are needed: all of a body of usual size at once, so that
        bodies once begun can end; a large one in steps, so that a slow giant hoards nothing."""
        if not self.length:
            announced = parse_content_length(self.headers)
            first = self.limits.usual_bytes if announced is None else announced
            return max(length, min(first, self.limits.max_first_reservation))
        return min(self.limits.max_bytes, length + self.limits.reservation_step)

    def _refuse(self, error: ScrapeError) -> int:
        self.error = error
        return _REFUSE


def judge_unknown(head: bytes, headers: Headers) -> Verdict:
    """The verdict on an answer without a telling Content-Type, from its first bytes.

    An encoded body is kept: its reader will look again once it is decoded.
    """
    if headers.first("content-encoding"):
        return Verdict(BodyAction.KEEP)
    found = sniff(head)
    if found is not None:
        mime_type, kind = found
        if kind is not None:
            return Verdict(BodyAction.STOP, media=kind)
        return Verdict(BodyAction.STOP, error=UnsupportedContentError(f"looks like {mime_type}"))
    if looks_like_markup(head):
        return Verdict(BodyAction.KEEP)
    return Verdict(BodyAction.STOP, error=UnsupportedContentError("untyped, and does not look like markup"))
