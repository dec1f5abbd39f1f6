"""Which character encoding a document is in, as browsers decide it (HTML 13.2.3.2, encoding sniffing).

Byte order mark, then the header, then the first `meta` that declares one. The standard looks for it in the first
1,024 bytes; browsers go on until the head ends, and so do we. Without a declaration a browser guesses; we take UTF-8 if
the document is valid UTF-8 (most such documents were served with a header that was lost), else what its language was
written in, else windows-1252.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final

from mediascrape.scrape.extract.guess import guess_codec
from mediascrape.scrape.extract.multibyte import multibyte_to_utf8
from mediascrape.scrape.extract.scanner import HIDES, make_scanner

#: Bytes searched for a declaration.
PRESCAN_BYTES: Final = 1024
HEAD_BYTES: Final = 32 * 1024

_charset: Final = re.compile(r"charset\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s\"';]+))", re.IGNORECASE).search
_usual: Final = re.compile(rb"<meta charset=[\"']?utf-8[\"'/> ]", re.IGNORECASE).search
#: Python's codec -> (the standard's name, the codec that decodes as the standard says).
_STANDARD: Final[dict[str, tuple[str, str]]] = {
    "utf-8": ("utf-8", "utf-8"),
    "ascii": ("windows-1252", "cp1252"),
    "iso8859-1": ("windows-1252", "cp1252"),
    "cp1252": ("windows-1252", "cp1252"),
    "iso8859-9": ("windows-1254", "cp1254"),
    "cp1254": ("windows-1254", "cp1254"),
    "iso8859-11": ("windows-874", "cp874"),
    "tis-620": ("windows-874", "cp874"),
    "gb2312": ("gbk", "gb18030"),
    "gbk": ("gbk", "gb18030"),
    "hz": ("gbk", "gb18030"),
    "gb18030": ("gb18030", "gb18030"),
    "big5": ("big5", "big5hkscs"),
    "big5hkscs": ("big5", "big5hkscs"),
    "shift_jis": ("shift_jis", "cp932"),
    "cp932": ("shift_jis", "cp932"),
    "euc_jp": ("euc-jp", "euc_jp"),
    "iso2022_jp": ("iso-2022-jp", "iso2022_jp"),
    "euc_kr": ("euc-kr", "cp949"),
    "cp949": ("euc-kr", "cp949"),
    "koi8-r": ("koi8-r", "koi8-r"),
    "koi8-u": ("koi8-u", "koi8-u"),
    "mac-roman": ("macintosh", "mac-roman"),
    "utf-16": ("utf-16le", "utf-16le"),
    "utf-16-le": ("utf-16le", "utf-16le"),
    "utf-16-be": ("utf-16be", "utf-16be"),
    **{f"cp{n}": (f"windows-{n}", f"cp{n}") for n in (874, 1250, 1251, 1253, 1255, 1256, 1257, 1258)},
    **{f"iso8859-{n}": (f"iso-8859-{n}", f"iso8859-{n}") for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    "cp866": ("ibm866", "cp866"),
}
_OF_MANY_BYTES: Final = frozenset(
    {"gb18030", "big5hkscs", "cp932", "euc_jp", "iso2022_jp", "cp949", "utf-16le", "utf-16be"}
)
#: Labels of the standard that Python does not know.
_LABELS: Final = {
    "x-sjis": "shift_jis", "windows-31j": "cp932", "x-euc-jp": "euc_jp",
    "x-gbk": "gbk", "gb_2312": "gbk", "x-x-big5": "big5", "cn-big5": "big5",
    "ks_c_5601-1987": "euc_kr", "ks_c_5601-1989": "euc_kr", "windows-949": "euc_kr",
    "koi": "koi8-r", "koi8": "koi8-r", "koi8_r": "koi8-r", "koi8-ru": "koi8-u", "dos-874": "cp874",
    "unicode-1-1-utf-8": "utf-8", "unicode11utf8": "utf-8", "unicode20utf8": "utf-8", "x-unicode20utf8": "utf-8",
    "x-mac-roman": "mac-roman", "unicode": "utf-16", "ucs-2": "utf-16", "iso-10646-ucs-2": "utf-16",
    **{f"x-cp{n}": f"cp{n}" for n in range(1250, 1259)},
    **dict.fromkeys(("iso-8859-8-i", "logical", "csiso88598i"), "iso8859-8"),
}  # fmt: skip


def read_bytes(body: bytes, content_type: str | None, url: str) -> tuple[str, str, str]:
    """The document as UTF-8 read as Latin-1, the standard's name of its encoding, and Python's codec for it.

    url: where it came from, looked at when nothing else tells its encoding. A NUL stands for U+FFFD wherever it can
    matter to a URL (HTML 13.2.5).
    """
    data, name, codec = _decoded(body, content_type, url)
    return data.replace("\0", "\xef\xbf\xbd") if "\0" in data else data, name, codec


def _decoded(body: bytes, content_type: str | None, url: str) -> tuple[str, str, str]:
    if body.startswith(b"\xef\xbb\xbf"):
        return body[3:].decode("latin-1"), "utf-8", "utf-8"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16le" if body[0] == 0xFF else "utf-16be"
        return _recoded(body[2:], codec), codec, "utf-8"
    name, codec = _declared_in_header(content_type) or _declared_in_document(body) or _guessed(body, url)
    data = body.decode("latin-1") if codec == "utf-8" else _recoded(body, codec)
    # Queries of a UTF-16 document are encoded as UTF-8 (Encoding Standard, "get an output encoding").
    return data, name, "utf-8" if name.startswith("utf-16") else codec


def _recoded(body: bytes, codec: str) -> str:
    if codec in _OF_MANY_BYTES:
        return multibyte_to_utf8(body, codec).decode("latin-1")
    text = codecs.charmap_decode(body, "strict", _characters(codec))[0]
    return text.encode("utf-8", "replace").decode("latin-1")


@lru_cache(maxsize=64)
def _characters(codec: str) -> str:
    """The characters of the 256 bytes; a control byte that Python leaves undefined is itself by the standard."""
    return "".join(
        chr(byte) if 0x80 <= byte < 0xA0 and char == "\ufffd" else char
        for byte, char in enumerate(bytes((byte,)).decode(codec, "replace") for byte in range(256))
    )


def _declared_in_header(content_type: str | None) -> tuple[str, str] | None:
    if not content_type:
        return None
    match = _charset(content_type)
    return None if match is None else _known(match[1] or match[2] or match[3])


def _declared_in_document(body: bytes) -> tuple[str, str] | None:
    if _usual(body, 0, PRESCAN_BYTES) and body.find(b"charset") > body.find(b"<meta charset") >= 0:
        return _STANDARD["utf-8"]
    return _declared_in_metas(body) or _declared_in_xml(body)


def _declared_in_xml(body: bytes) -> tuple[str, str] | None:
    match = _xml_encoding(body, 0, 200) if body.startswith(b"<?xml") else None
    return None if match is None else _known(match[1].decode("latin-1"))


def _declared_in_metas(body: bytes) -> tuple[str, str] | None:
    """The first that counts: anywhere in the first bytes, then in the rest of the head."""
    for size in (PRESCAN_BYTES, HEAD_BYTES):
        found = _declared_in_start(body[:size].decode("latin-1"), is_head=size > PRESCAN_BYTES)
        if found is not None or len(body) <= size:
            return found
    return None


def _declared_in_start(start: str, *, is_head: bool) -> tuple[str, str] | None:
    names, places, _ = _landmarks(start, 0, len(start), False)
    position = 0
    for index, at in enumerate(places):
        name = names[index]
        if name is None or at < position:
            continue
        if name == HIDES:
            position = _end_of_hidden(start, at)
        elif name == "meta":
            read = _attributes(start, at + len("<meta"))
            if read is None:
                break
            attrs, position = read
            if (found := _declared_in_meta(attrs)) is not None:
                return found
        elif is_head:
            break
    return None


_scanner: Final = make_scanner(
    tags=("meta", "/head", "body"),
    stops=(),
    extensions=(),
    attributes=("charset", "http-equiv", "content", "name"),
)
_landmarks: Final = _scanner.landmarks
_attributes: Final = _scanner.attributes
_end_of_hidden: Final = _scanner.end_of_hidden
_xml_encoding: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._:-]+)").match


def _declared_in_meta(attrs: dict[str, str]) -> tuple[str, str] | None:
    declared = attrs.get("charset")
    if not declared and attrs.get("http-equiv", "").strip().lower() == "content-type":
        match = _charset(attrs.get("content", ""))
        declared = None if match is None else match[1] or match[2] or match[3]
    found = _known(declared) if declared else None
    # A document that could be read up to its `meta` is not UTF-16.
    return _STANDARD["utf-8"] if found is not None and found[0].startswith("utf-16") else found


#: How markup begins in UTF-16 without a byte order mark.
_UTF_16: Final = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


def _guessed(body: bytes, url: str) -> tuple[str, str]:
    if body[:2] in _UTF_16:
        return _STANDARD[_UTF_16[body[:2]]]
    try:
        body.decode()
    except UnicodeDecodeError:
        return _STANDARD[guess_codec(body, url) or "cp1252"]
    return _STANDARD["utf-8"]


def _known(label: str) -> tuple[str, str] | None:
    label = label.strip().lower()
    try:
        return _STANDARD.get(codecs.lookup(_LABELS.get(label, label)).name)
    except (LookupError, ValueError):
        return None
