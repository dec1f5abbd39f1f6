"""What the simulated origin answers: complete HTTP responses, built before the first request."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Final

from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.pages import generate_pages

_PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(4096)
_BOMB_MEGABYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, ready for the socket. `head_length` is where the body begins."""

    status: int
    wire: bytes
    head_length: int

    @property
    def head(self) -> bytes:
        return self.wire[: self.head_length]


@dataclass(frozen=True, slots=True)
class PageAnswers:
    """The forms in which one document can be answered; `compressed` is None without --gzip."""

    etag: bytes
    plain: Answer
    compressed: Answer | None
    not_modified: Answer


def build(status: int, body: bytes = b"", *, content_type: str = "text/html", **headers: str) -> Answer:
    """A response. Keyword `retry_after="1"` becomes the header `retry-after: 1`."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if status != HTTPStatus.NOT_MODIFIED and "content_length" not in headers:
        lines.append(f"content-length: {len(body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return Answer(status, head + body, len(head))


def fault_of(number: int, options: OriginOptions) -> str | None:
    """The fault of page `number` under the mix, the same for every request: decided by a hash, not a draw."""
    place = zlib.crc32(f"{options.seed}/{number}".encode()) / 2**32
    for kind, share in options.faults.items():
        if place < share:
            return kind
        place -= share
    return None


def bomb(megabytes: int) -> bytes:
    """A gzip stream of `megabytes` of zeros, about a thousandth of that long.

    One deflated and fully flushed megabyte, repeated: a full flush ends on a byte boundary and
    forgets what came before. The check sum at the end is wrong; nobody should get that far.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + block * megabytes + deflate.flush(zlib.Z_FINISH) + bytes(8)


def load_documents(options: OriginOptions) -> list[bytes]:
    """Those of the directory, or generated ones. Raises ValueError when there are none."""
    if options.directory is None:
        pages = generate_pages(options.pages, seed=options.seed, mean_size=options.mean_size)
        return [page.html for page in pages]
    files = sorted(path for pattern in ("*.html", "*.html.gz") for path in options.directory.glob(pattern))
    if not files:
        raise ValueError(f"no *.html or *.html.gz in {options.directory}")
    return [_read(path) for path in files]


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


class Answers:
    """All responses of one origin."""

    def __init__(self, options: OriginOptions) -> None:
        self.pages = [self._page(options, n, body) for n, body in enumerate(load_documents(options))]
        self.robots = build(200, options.robots.encode(), content_type="text/plain")
        self.not_allowed = build(405, connection="close")
        wait = str(options.retry_after)
        self.faults: dict[str, Answer] = {
            "404": build(404, b"<title>Not Found</title>"),
            "500": build(500, b"<title>Internal Server Error</title>"),
            "503": build(503, b"<title>Service Unavailable</title>", retry_after=wait),
            "429": build(429, b"<title>Too Many Requests</title>", retry_after=wait),
            "empty": build(200),
            "binary": build(200, _PNG),
        }

    @cached_property
    def bomb(self) -> Answer:
        return build(200, bomb(_BOMB_MEGABYTES), content_encoding="gzip")

    @staticmethod
    def _page(options: OriginOptions, number: int, body: bytes) -> PageAnswers:
        etag = f'"{options.seed}-{number}"'
        compressed = None
        if options.gzip:
            packed = gzip.compress(body, 6, mtime=0)
            compressed = build(200, packed, etag=etag, content_encoding="gzip", vary="accept-encoding")
        return PageAnswers(etag.encode(), build(200, body, etag=etag), compressed, build(304, etag=etag))

    def page(self, number: int, request_head: bytes) -> Answer:
        """Document `number` as this request (its head in lower case) wants it."""
        page = self.pages[number % len(self.pages)]
        if b"\r\nif-none-match:" in request_head and page.etag in request_head:
            return page.not_modified
        if page.compressed and b"gzip" in request_head:
            return page.compressed
        return page.plain
