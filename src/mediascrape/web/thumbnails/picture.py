"""A picture of any host, made small: decoded within limits, scaled, written as WebP without metadata.

Pure and CPU-bound; `decoder.py` runs it in a process of its own.
"""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageOps

from mediascrape.errors import UnusablePictureError

#: What is decoded at all. SVG is not among them: it is a document, with scripts and links of its own.
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP")
#: A picture with more pixels is refused before any is decoded: at 4 bytes each these are 96 MB (and
#: a camera's picture of 6000 by 4000).
MOST_PIXELS: Final = 24_000_000
_QUALITY: Final = 78


def make_thumbnail(data: bytes, edge: int) -> bytes:
    """The picture (of an animation the first frame) as WebP, no side longer than `edge` pixels, never enlarged.

    Raises UnusablePictureError for what is no picture, is broken, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise UnusablePictureError(f"{width}×{height} pixels are more than {MOST_PIXELS:,}")
            return _scaled(image, edge)
    except UnusablePictureError:
        raise
    except Exception as error:
        raise UnusablePictureError(f"cannot be decoded: {type(error).__name__}") from error


def _scaled(image: Image.Image, edge: int) -> bytes:
    image.draft("RGB", (edge, edge))  # a JPEG is decoded at a fraction of its size where that is enough
    picture: Image.Image = image
    if picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture.thumbnail((edge, edge), Image.Resampling.BICUBIC, reducing_gap=2.0)
    picture = ImageOps.exif_transpose(picture)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY, method=4)
    return buffer.getvalue()
