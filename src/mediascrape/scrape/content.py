"""What kind of document an answer is: by its declared type, or by its first bytes. Pure."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, Literal

MediaKind = Literal["image", "video", "audio"]

_PAGE_TYPES: Final = frozenset(
    {
        "text/html",
        "application/xhtml+xml",
        "application/xml",
        "text/xml",
        "application/rss+xml",
        "application/atom+xml",
        "application/rdf+xml",
    }
)

#: Media that hides under `application/`: streaming manifests and Ogg.
_MEDIA_TYPES: Final[dict[str, MediaKind]] = {
    "application/dash+xml": "video",
    "application/mp4": "video",
    "application/ogg": "video",
    "application/vnd.apple.mpegurl": "video",
    "application/x-mpegurl": "video",
}

_MEDIA_TOP_LEVEL: Final[dict[str, MediaKind]] = {"image": "image", "video": "video", "audio": "audio"}

#: Types that say nothing (MIME Sniffing standard, 7, and what servers send for unknown suffixes).
_UNKNOWN_TYPES: Final = frozenset(
    {"*/*", "application/octet-stream", "application/unknown", "binary/octet-stream", "unknown/unknown"}
)

#: Bytes looked at: the MIME Sniffing standard's resource header.
SNIFF_BYTES: Final = 1445


class Declared(Enum):
    """What the Content-Type makes of an answer, when it is not a media kind."""

    PAGE = "page"
    UNKNOWN = "unknown"
    OTHER = "other"


def classify(essence: str | None) -> MediaKind | Declared:
    """The declared type's meaning for a scrape."""
    if essence is None or essence in _UNKNOWN_TYPES:
        return Declared.UNKNOWN
    if essence in _PAGE_TYPES:
        return Declared.PAGE
    kind = _MEDIA_TYPES.get(essence) or _MEDIA_TOP_LEVEL.get(essence.partition("/")[0])
    return kind or Declared.OTHER


_MAGIC: Final[tuple[tuple[int, bytes, str, MediaKind | None], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png", "image"),
    (0, b"\xff\xd8\xff", "image/jpeg", "image"),
    (0, b"GIF87a", "image/gif", "image"),
    (0, b"GIF89a", "image/gif", "image"),
    (0, b"BM", "image/bmp", "image"),
    (0, b"II*\x00", "image/tiff", "image"),
    (0, b"MM\x00*", "image/tiff", "image"),
    (0, b"\x00\x00\x01\x00", "image/x-icon", "image"),
    (8, b"WEBP", "image/webp", "image"),
    (8, b"WAVE", "audio/wave", "audio"),
    (8, b"AVI ", "video/x-msvideo", "video"),
    (4, b"ftypavif", "image/avif", "image"),
    (4, b"ftypheic", "image/heic", "image"),
    (4, b"ftypM4A", "audio/mp4", "audio"),
    (4, b"ftyp", "video/mp4", "video"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm", "video"),
    (0, b"FLV\x01", "video/x-flv", "video"),
    (0, b"ID3", "audio/mpeg", "audio"),
    (0, b"fLaC", "audio/flac", "audio"),
    (0, b"OggS", "application/ogg", "video"),
    (0, b"#EXTM3U", "application/vnd.apple.mpegurl", "video"),
    (0, b"%PDF-", "application/pdf", None),
    (0, b"PK\x03\x04", "application/zip", None),
    (0, b"\x1f\x8b\x08", "application/gzip", None),
    (0, b"Rar!\x1a\x07", "application/vnd.rar", None),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", None),
    (0, b"\x7fELF", "application/x-executable", None),
    (0, b"wOFF", "font/woff", None),
    (0, b"wOF2", "font/woff2", None),
)

_is_saved_with_media: Final = re.compile(
    rb"(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?content-type:\s*multipart/related", re.IGNORECASE
).match
_RIFF_TYPES: Final = frozenset({"image/webp", "audio/wave", "video/x-msvideo"})

#: "Binary data bytes" of the MIME Sniffing standard, 3.
_BINARY_BYTES: Final = bytes([*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])


def sniff(head: bytes) -> tuple[str, MediaKind | None] | None:
    """(MIME type, media kind or None) of a document that is known not to be text, else None.

    head: the first SNIFF_BYTES decoded bytes.
    """
    found = None if looks_like_markup(head) else _by_magic(head)
    if found is None and is_binary(head):
        return "application/octet-stream", None
    return found


def _by_magic(head: bytes) -> tuple[str, MediaKind | None] | None:
    for offset, magic, mime_type, kind in _MAGIC:
        if head.startswith(magic, offset):
            if mime_type in _RIFF_TYPES and not head.startswith(b"RIFF"):
                continue
            if magic == b"BM" and not is_binary(head):
                continue  # a text may begin with these letters
            return mime_type, kind
    # A page saved with its media in one file (RFC 2557): its markup is encoded, and would be read wrongly.
    return ("multipart/related", None) if _is_saved_with_media(head) else None


def is_binary(head: bytes) -> bool:
    """Whether no text in any web encoding begins like this.

    UTF-16 is full of zero bytes, but only on one side of its byte pairs.
    """
    if head.startswith((b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"<\0", b"\0<")):
        return False
    head = head[:SNIFF_BYTES]
    rest = head.translate(None, _BINARY_BYTES)
    binary = len(head) - len(rest)
    if binary * 20 <= len(head):
        return False
    even, odd = head[::2], head[1::2]
    zeros = (even.count(0) * 10 > len(even) * 3, odd.count(0) * 10 > len(odd) * 3)
    if zeros[0] != zeros[1]:
        text_side = odd if zeros[0] else even
        return len(text_side.translate(None, _BINARY_BYTES)) * 20 < len(text_side) * 19
    return True


#: Byte order marks, the zero halves of UTF-16, and what HTML calls whitespace.
_BLANKS_AND_MARKS: Final = b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n\x0c"


def looks_like_markup(head: bytes) -> bool:
    """Whether an untyped document is markup: a tag, declaration or comment near its start."""
    text = head.lstrip(_BLANKS_AND_MARKS)
    return text.startswith(b"<")
