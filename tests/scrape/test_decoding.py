from __future__ import annotations

import contextlib
import functools
import gzip
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.errors import BodyTooLargeError, ContentDecodingError, DecompressionBombError
from mediascrape.scrape.decoding import DecodingLimits, decode, parse_encodings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = DecodingLimits(max_bytes=1_000_000, max_ratio=50, ratio_floor=100_000)


def bare_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(data) + encoder.flush()


def streamed_zstd(data: bytes) -> bytes:
    encoder = zstd.ZstdCompressor()  # without the content's size in the frame
    return encoder.compress(data) + encoder.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "bare deflate": bare_deflate,
    "br": functools.partial(brotli.compress, quality=5),
    "zstd": zstd.compress,
    "streamed zstd": streamed_zstd,
}


@given(st.binary(max_size=5000), st.sampled_from(sorted(ENCODERS)), st.integers(1, 200))
def test_decoding_undoes_encoding(data: bytes, encoding: str, times: int) -> None:
    data *= times
    if len(data) > LIMITS.max_bytes // 2:
        data = data[: LIMITS.max_bytes // 2]
    generous = DecodingLimits(max_bytes=LIMITS.max_bytes, max_ratio=10**9)
    assert decode(ENCODERS[encoding](data), [encoding.rsplit(maxsplit=1)[-1]], generous) == data


def test_no_encoding() -> None:
    assert decode(b"as it is", [], LIMITS) == b"as it is"
    with pytest.raises(BodyTooLargeError):
        decode(bytes(LIMITS.max_bytes + 1), [], LIMITS)


def test_two_encodings() -> None:
    body = gzip.compress(brotli.compress(b"page" * 100))
    assert decode(body, parse_encodings("br, gzip"), LIMITS) == b"page" * 100


def test_members_of_gzip_follow_each_other_and_padding_is_dropped() -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"two") + bytes(512)
    assert decode(body, ["gzip"], LIMITS) == b"one two"


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
def test_a_bomb_stops_at_the_limit(encoding: str) -> None:
    bomb = ENCODERS[encoding](bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(DecompressionBombError):
        decode(bomb, [encoding.rsplit(maxsplit=1)[-1]], LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_bomb_in_a_bomb() -> None:
    inner = gzip.compress(bytes(50_000_000))
    with pytest.raises(DecompressionBombError):
        decode(gzip.compress(inner), ["gzip", "gzip"], LIMITS)


def test_a_large_document_that_is_no_bomb_is_only_too_large() -> None:
    noise = random.Random(3).randbytes(400_000)
    for document in (noise * 3, b"".join(noise[i : i + 20] * 4 for i in range(0, 400_000, 20))):
        with pytest.raises(BodyTooLargeError):
            decode(gzip.compress(document), ["gzip"], LIMITS)


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
@given(data=st.data())
def test_damage_is_never_mistaken_for_a_document(encoding: str, data: st.DataObject) -> None:
    whole = ENCODERS[encoding](b"<p>a page and its words</p>" * 50)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(ContentDecodingError):
        decode(whole[:cut], [encoding.rsplit(maxsplit=1)[-1]], LIMITS)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@given(noise=st.binary(max_size=300))
def test_noise_gives_a_named_error_or_bytes(encoding: str, noise: bytes) -> None:
    with contextlib.suppress(ContentDecodingError, BodyTooLargeError, DecompressionBombError):
        decode(noise, [encoding], LIMITS)


@pytest.mark.parametrize(
    ("value", "encodings"),
    [
        (None, []),
        ("", []),
        ("identity", []),
        ("GZip", ["gzip"]),
        ("x-gzip", ["gzip"]),
        ("deflate, br", ["br", "deflate"]),
    ],
)
def test_encodings(value: str | None, encodings: list[str]) -> None:
    assert list(parse_encodings(value)) == encodings


@pytest.mark.parametrize("value", ["compress", "gzip, aes128gcm", "gzip,gzip,gzip"])
def test_encodings_refused(value: str) -> None:
    with pytest.raises(ContentDecodingError):
        parse_encodings(value)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_known_by_its_beginning(encoding: str) -> None:
    """Not by what the whole of it makes: a megabyte that unpacks to a gigabyte would pass as a long page."""
    bomb = ENCODERS[encoding](bytes(100_000_000))
    with pytest.raises(DecompressionBombError):
        decode(bomb + bytes(2_000_000), [encoding], DecodingLimits())


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_long_page_that_compresses_as_pages_do_is_merely_too_large(encoding: str) -> None:
    page = b"".join(b"<p>%d lorem %d</p>" % (number, number * 7919 % 1_000_003) for number in range(450_000))
    with pytest.raises(BodyTooLargeError):
        decode(ENCODERS[encoding](page), [encoding], DecodingLimits())
