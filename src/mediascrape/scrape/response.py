"""What a fetch hands over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from mediascrape.errors import EmptyBodyError, UnsupportedContentError
from mediascrape.scrape.budget import BodyAccount
from mediascrape.scrape.content import SNIFF_BYTES, MediaKind, sniff
from mediascrape.scrape.decoding import DecodingLimits, decode, parse_encodings
from mediascrape.scrape.headers import Headers, parse_content_type


class Validators(NamedTuple):
    """What the store remembers of an earlier answer, to ask only for a newer one (RFC 9110, 13)."""

    etag: str | None = None
    last_modified: str | None = None

    def request_headers(self) -> list[str]:
        """Header lines; empty when nothing is known."""
        lines = [f"If-None-Match: {self.etag}"] if self.etag else []
        if self.last_modified:
            lines.append(f"If-Modified-Since: {self.last_modified}")
        # Both come from a scraped host: a line break in one would be a header of its choosing.
        return [line for line in lines if line.isprintable()]


@dataclass(frozen=True, slots=True)
class Redirect:
    """One hop: where it stood, its status, and where it led."""

    url: str
    status: int
    target: str


class Timings(NamedTuple):
    """Seconds. connect: of the last hop, 0 on a reused connection; first_byte and total: of the last
    request and of the whole fetch, waiting for the budget included."""

    connect: float
    first_byte: float
    total: float


@dataclass(slots=True)
class Response:
    """An answer whose body, if it has one, has fully arrived, still encoded.

    media_kind: the URL is itself such a file; there is no body then. After the context of the fetch has
    ended, the body is gone.
    """

    requested_url: str
    url: str
    status: int
    headers: Headers
    redirects: list[Redirect]
    media_kind: MediaKind | None
    not_modified: bool
    remote_address: str
    timings: Timings
    _pieces: list[bytes] = field(repr=False)
    _limits: DecodingLimits = field(repr=False)
    _account: BodyAccount = field(repr=False)

    @property
    def content_type(self) -> str | None:
        """The declared MIME type in lower case, without parameters."""
        return parse_content_type(self.headers.first("content-type"))[0]

    @property
    def charset(self) -> str | None:
        """The charset parameter of Content-Type, as given; the document may know better."""
        return parse_content_type(self.headers.first("content-type"))[1]

    @property
    def validators(self) -> Validators:
        """For the next fetch of this URL."""
        return Validators(self.headers.first("etag"), self.headers.first("last-modified"))

    @property
    def raw_length(self) -> int:
        """Bytes of body received, as encoded by the host."""
        return sum(map(len, self._pieces))

    def content(self, max_bytes: int | None = None) -> bytes:
        """The decoded body whatever it is, empty if there is none; decodes at each call, as `body` does.

        Raises ContentDecodingError, BodyTooLargeError (also above `max_bytes`), DecompressionBombError.
        """
        limits = self._limits
        if max_bytes is not None:
            limits = limits._replace(max_bytes=min(max_bytes, limits.max_bytes))
        return decode(
            b"".join(self._pieces), parse_encodings(self.headers.joined("content-encoding")), limits
        )

    def body(self, max_bytes: int | None = None) -> bytes:
        """The decoded document. Decodes at each call and keeps nothing: call once, drop it soon.

        max_bytes: less than the limit that holds anyway.
        CPU only (about 1 ms for 200 KB of gzip), so it may run in a thread.
        Raises ContentDecodingError, BodyTooLargeError, DecompressionBombError, EmptyBodyError, and
        UnsupportedContentError for a document that is not text whatever its header says.
        """
        document = self.content(max_bytes)
        if not document:
            raise EmptyBodyError("nothing is left once decoded")
        found = sniff(document[:SNIFF_BYTES])
        if found is not None:
            raise UnsupportedContentError(f"declared {self.content_type}, looks like {found[0]}")
        return document

    def release(self) -> None:
        """Gives the body's bytes back to the budget; the end of the fetch's context does it."""
        self._pieces.clear()  # in place: the exchange shares the list
        self._account.close()
