"""Which character encoding a document is in, as browsers decide it (encoding sniffing, HTML 13.2.3.2)."""

from __future__ import annotations

import codecs
import re

_META = re.compile(rb"<meta[^>]+?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([^\s\"';]+)", re.IGNORECASE)
_ALIASES = {
    "iso-8859-1": "windows-1252", "latin1": "windows-1252", "ascii": "windows-1252", "us-ascii": "windows-1252",
    "gb2312": "gbk", "utf8": "utf-8", "unicode": "utf-8", "utf-16": "utf-8", "utf-16le": "utf-8",
    "iso-8859-9": "windows-1254", "ks_c_5601-1987": "euc-kr", "x-sjis": "shift_jis",
}  # fmt: skip
PRESCAN_BYTES = 1024


def utf8(body: bytes, content_type: str | None) -> tuple[bytes, str]:
    """The document as UTF-8 bytes, and the name of the encoding it was in."""
    if body.startswith(b"\xef\xbb\xbf"):
        return body[3:], "utf-8"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        name = "utf-16le" if body[0] == 0xFF else "utf-16be"
        return body[2:].decode(name, "replace").encode(), name
    name = _declared(body, content_type)
    if name == "utf-8":
        return body, name
    return body.decode(name, "replace").encode("utf-8", "replace"), name


def _declared(body: bytes, content_type: str | None) -> str:
    if content_type:
        match = _HEADER.search(content_type)
        if match is not None and (name := _known(match[1])):
            return name
    meta = _META.search(body, 0, 4096)
    if meta is not None and (name := _known(meta[1].decode("latin-1"))):
        return name
    try:
        body.decode()
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def _known(label: str) -> str | None:
    label = label.lower()
    label = _ALIASES.get(label, label)
    try:
        codecs.lookup(label)
    except LookupError:
        return None
    return label
