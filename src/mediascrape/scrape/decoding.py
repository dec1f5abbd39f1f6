"""Content-Encoding undone within limits: a body is never expanded further than allowed. Pure CPU.

Decoders are asked for bounded pieces and stopped at the first byte too many, so a bomb costs no more
memory than the limit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import brotli
import zstandard

from mediascrape.errors import BodyTooLargeError, ContentDecodingError, DecompressionBombError

_STEP: Final = 256 * 1024

#: RFC 9659: a zstd window over 8 MiB must not be used for HTTP content.
_ZSTD_WINDOW: Final = 8 * 1024 * 1024

#: More layers than this are only ever sent to waste a reader's time.
_MAX_LAYERS: Final = 2


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """max_bytes: decoded length. max_ratio: decoded over raw, judged only above `ratio_floor` bytes."""

    max_bytes: int = 10_000_000
    max_ratio: int = 100
    ratio_floor: int = 2_000_000


def parse_encodings(value: str | None) -> list[str]:
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
    return names[::-1]


def decode(raw: bytes, encodings: list[str], limits: DecodingLimits) -> bytes:
    """The document itself.

    Raises ContentDecodingError, BodyTooLargeError or DecompressionBombError.
    """
    if len(raw) > limits.max_bytes:
        raise BodyTooLargeError(f"more than {limits.max_bytes:,} bytes")
    data = raw
    for encoding in encodings:
        data = _gather(_DECODERS[encoding](data), len(raw), encoding, limits)
    return data


def _gather(pieces: Iterator[bytes], raw_length: int, encoding: str, limits: DecodingLimits) -> bytes:
    parts: list[bytes] = []
    length = 0
    try:
        for piece in pieces:
            length += len(piece)
            expanded = length > limits.max_ratio * raw_length
            if expanded and length > limits.ratio_floor:
                raise DecompressionBombError(f"{raw_length:,} bytes of {encoding} expand over {length:,}")
            if length > limits.max_bytes:
                raise BodyTooLargeError(f"more than {limits.max_bytes:,} bytes once decoded")
            parts.append(piece)
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise ContentDecodingError(f"not valid {encoding}: {error}") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflate(data: bytes, window_bits: int, name: str) -> Iterator[bytes]:
    while data:
        decoder = zlib.decompressobj(window_bits)
        yield decoder.decompress(data, _STEP)
        while decoder.unconsumed_tail and not decoder.eof:
            yield decoder.decompress(decoder.unconsumed_tail, _STEP)
        if not decoder.eof:
            yield decoder.flush(_STEP)
        if not decoder.eof:
            raise ContentDecodingError(f"the {name} data ends early")
        # RFC 1952, 2.2: members may follow each other. Padding after the last is common, and dropped.
        data = decoder.unused_data if decoder.unused_data.startswith(b"\x1f\x8b") else b""


def _gzip(data: bytes) -> Iterator[bytes]:
    return _inflate(data, 16 + zlib.MAX_WBITS, "gzip")


def _deflate(data: bytes) -> Iterator[bytes]:
    """RFC 9110 means zlib (RFC 1950); many servers send bare deflate (RFC 1951)."""
    zlib_header = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return _inflate(data, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, "deflate")


def _brotli(data: bytes) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    yield decoder.process(data, output_buffer_limit=_STEP)
    while not decoder.is_finished():
        piece = decoder.process(b"", output_buffer_limit=_STEP)
        if not piece and decoder.can_accept_more_data():
            raise ContentDecodingError("the br data ends early")
        yield piece


def _zstd(data: bytes) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    with decoder.stream_reader(data, read_across_frames=True) as reader:
        while piece := reader.read(_STEP):
            yield piece


_DECODERS: Final[dict[str, Callable[[bytes], Iterator[bytes]]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
