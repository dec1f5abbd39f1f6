"""What becomes of bytes that somebody calls a picture."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mediascrape.errors import UnusablePictureError
from mediascrape.web.thumbnails.picture import FORMATS, MOST_PIXELS, make_thumbnail


def picture(form: str, size: tuple[int, int] = (640, 320), mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 128 if mode in ("L", "1") else None).save(buffer, form, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["WEBP"])


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_becomes_a_small_webp(form: str) -> None:
    with opened(make_thumbnail(picture(form), 100)) as made:
        assert made.size == (100, 50)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_understood(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    with opened(make_thumbnail(picture(form, mode=mode), 64)) as made:
        assert made.size == (64, 32)


def test_a_small_picture_is_not_enlarged_and_transparency_stays() -> None:
    with opened(make_thumbnail(picture("PNG", (10, 5), "RGBA"), 100)) as made:
        assert (made.size, made.mode) == ((10, 5), "RGBA")


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    with opened(make_thumbnail(buffer.getvalue(), 40)) as made:
        red, _, blue = made.convert("RGB").getpixel((20, 20))  # type: ignore[misc]
        assert red > 200 > 100 > blue


def test_a_turned_photograph_is_turned_upright_and_says_nothing_of_its_camera() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    exif[0x010F] = "A camera"
    with opened(make_thumbnail(picture("JPEG", exif=exif), 100)) as made:
        assert made.size == (50, 100)
        assert not made.getexif()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that claims to be large."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"), [(MOST_PIXELS, 2), (8000, 4001), (30_000, 30_000), (2**31 - 1, 2**31 - 1)]
)
def test_too_many_pixels_are_refused_before_any_is_decoded(width: int, height: int) -> None:
    with pytest.raises(UnusablePictureError):
        make_thumbnail(bomb(width, height), 100)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<html>", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n", picture("PNG")[:60], picture("TIFF"), picture("ICO", (32, 32)),
    ],
    ids=["nothing", "html", "svg", "eps", "cut", "tiff", "ico"],
)  # fmt: skip
def test_what_is_not_on_the_list_is_no_picture(data: bytes) -> None:
    with pytest.raises(UnusablePictureError):
        make_thumbnail(data, 100)


@given(st.sampled_from(FORMATS), st.data())
def test_damaged_pictures_end_in_one_error_or_none(form: str, data: st.DataObject) -> None:
    whole = bytearray(picture(form, (24, 16)))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(UnusablePictureError):
        assert make_thumbnail(bytes(whole), 16)
