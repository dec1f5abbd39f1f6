"""Content-Encoding undone within limits: a body is never expanded further than allowed. Pure CPU.

Decoders are asked for bounded pieces and stopped at the first byte too many, so a bomb costs no more
memory than the limit.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import brotli

from mediascrape.errors import BodyTooLargeError, ContentDecodingError, DecompressionBombError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP: Final = 256 * 1024
#: Raw bytes given at once to the decoders that do not tell how many they took.
_FEED: Final = 16 * 1024

#: RFC 9659: a zstd window over 8 MiB must not be used for HTTP content.
_ZSTD_OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}

#: More layers than this are only ever sent to waste a reader's time.
_MAX_LAYERS: Final = 2


class DecodingLimits(NamedTuple):
    """max_bytes: decoded length. max_ratio: decoded over the raw bytes it took so far, judged only above
    `ratio_floor` decoded bytes; so a bomb is known by its beginning, however long its tail."""

    max_bytes: int = 10_000_000
    max_ratio: int = 100
    ratio_floor: int = 2_000_000


@lru_cache(maxsize=64)
def parse_encodings(value: str | None) -> Sequence[str]:
    """The codings of a Content-Encoding field, in the order to undo them.

    Raises ContentDecodingError for one we do not know or for too many.
    """
    names = [name.strip().lower() for name in (value or "").split(",")]
    names = [name.removeprefix("x-") for name in names if name not in ("", "identity")]
    for name in names:
        if name not in _DECODERS:
            raise ContentDecodingError(f"unknown content encoding {name[:40]!r}")
    if len(names) > _MAX_LAYERS:
        raise ContentDecodingError(f"{len(names)} content encodings on top of each other")
    return tuple(names[::-1])  # kept by the cache


def decode(raw: bytes, encodings: Sequence[str], limits: DecodingLimits) -> bytes:
    """The document itself.

    Raises ContentDecodingError, BodyTooLargeError or DecompressionBombError.
    """
    if len(raw) > limits.max_bytes:
        raise BodyTooLargeError(f"more than {limits.max_bytes:,} bytes")
    data = raw
    for encoding in encodings:
        data = _gather(_DECODERS[encoding](data), encoding, limits)
    return data


def _gather(pieces: Iterator[tuple[bytes, int]], encoding: str, limits: DecodingLimits) -> bytes:
    parts: list[bytes] = []
    length = 0
    try:
        for piece, consumed in pieces:
            length += len(piece)
            expanded = length > limits.max_ratio * consumed
            if expanded and length > limits.ratio_floor:
                raise DecompressionBombError(f"{consumed:,} bytes of {encoding} expand to over {length:,}")
            if length > limits.max_bytes:
                raise BodyTooLargeError(f"more than {limits.max_bytes:,} bytes once decoded")
            parts.append(piece)
    except (zlib.error, brotli.error, zstd.ZstdError) as error:
        raise ContentDecodingError(f"not valid {encoding}: {error}") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


# A decoder yields pieces, each with the raw bytes that it and those before it took at most.


def _inflate(data: bytes, window_bits: int, name: str) -> Iterator[tuple[bytes, int]]:
    total = len(data)
    while data:
        decoder = zlib.decompressobj(window_bits)
        piece = decoder.decompress(data, _STEP)
        while True:
            left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            yield piece, total - len(left)
            if decoder.eof or not left:
                break
            piece = decoder.decompress(left, _STEP)
        if not decoder.eof:
            yield decoder.flush(_STEP), total
        if not decoder.eof:
            raise ContentDecodingError(f"the {name} data ends early")
        # RFC 1952, 2.2: members may follow each other. Padding after the last is common, and dropped.
        data = decoder.unused_data if decoder.unused_data.startswith(b"\x1f\x8b") else b""


def _gzip(data: bytes) -> Iterator[tuple[bytes, int]]:
    return _inflate(data, 16 + zlib.MAX_WBITS, "gzip")


def _deflate(data: bytes) -> Iterator[tuple[bytes, int]]:
    """RFC 9110 means zlib (RFC 1950); many servers send bare deflate (RFC 1951)."""
    zlib_header = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return _inflate(data, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, "deflate")


def _brotli(data: bytes) -> Iterator[tuple[bytes, int]]:
    decoder = brotli.Decompressor()
    fed = 0
    while not decoder.is_finished():
        feed = data[fed : fed + _FEED] if decoder.can_accept_more_data() else b""
        fed += len(feed)
        piece = decoder.process(feed, output_buffer_limit=_STEP)
        # Having taken all its input, it may still hold output: only silence means that it wants more.
        if not piece and fed >= len(data) and not decoder.is_finished():
            raise ContentDecodingError("the br data ends early")
        yield piece, fed


def _zstd(data: bytes) -> Iterator[tuple[bytes, int]]:
    total = len(data)
    while data:  # RFC 8878, 3.1: frames may follow each other
        decoder = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
        fed = 0
        while not decoder.eof:
            feed = b""
            if decoder.needs_input:
                if fed >= len(data):
                    raise ContentDecodingError("the zstd data ends early")
                feed = data[fed : fed + _FEED]
                fed += len(feed)
            yield decoder.decompress(feed, _STEP), total - len(data) + fed
        data = decoder.unused_data + data[fed:]


_DECODERS: Final[dict[str, Callable[[bytes], Iterator[tuple[bytes, int]]]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
