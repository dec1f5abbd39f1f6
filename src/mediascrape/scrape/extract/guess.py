"""The encoding of a document that declares none and is no UTF-8, from its language.

The HTML standard's table of fallbacks by language (13.2.3.2), the language being what the document says or what is
spoken under its top-level domain. Browsers look at the text, too: where a language has two encodings, so do we.
"""

from __future__ import annotations

import codecs
import re
from typing import Final
from urllib.parse import urlsplit

#: Language -> Python's codecs: the first that reads the document, else the last.
_CODECS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("be", "bg", "kk", "ky", "mk", "ru", "sr", "tg", "tt", "uk"), ("cp1251",)),
    **dict.fromkeys(("cs", "hr", "hu", "pl", "sk", "sl"), ("cp1250",)),
    **dict.fromkeys(("ar", "fa"), ("cp1256",)),
    **dict.fromkeys(("et", "lt", "lv"), ("cp1257",)),
    **dict.fromkeys(("az", "ku", "tr"), ("cp1254",)),
    "el": ("iso8859-7",),
    "he": ("cp1255",),
    "ja": ("euc_jp", "cp932"),
    "ko": ("cp949",),
    "th": ("cp874",),
    "zh": ("gbk",),
    "zh-hant": ("big5hkscs",),
}
#: Top-level domain -> language, where the two are not spelt alike.
_LANGUAGES: Final = {
    **dict.fromkeys(("ae", "dz", "eg", "iq", "jo", "kw", "lb", "ma", "om", "qa", "sa", "sy", "tn", "ye"), "ar"),
    **dict.fromkeys(("hk", "mo", "tw"), "zh-hant"),
    "by": "be", "cn": "zh", "cz": "cs", "ee": "et", "gr": "el", "il": "he", "ir": "fa", "jp": "ja", "kg": "ky",
    "kr": "ko", "kz": "kk", "rs": "sr", "si": "sl", "su": "ru", "tj": "tg", "ua": "uk",
}  # fmt: skip
#: Domains that are spelt like the language: most are not (`ar` is Argentina's, `be` Belgium's).
_LIKE_THE_DOMAIN: Final = frozenset({"az", "bg", "hr", "hu", "lt", "lv", "mk", "pl", "ru", "sk", "th", "tr"})
_html_lang: Final = re.compile(
    rb"<html\b[^>]{0,500}?\slang\s*=\s*[\"']?([a-zA-Z]{2}(?:-[a-zA-Z]+)?)", re.IGNORECASE
).search
_C1: Final = bytes(range(0x80, 0xA0))
#: Upper-case letters of windows-1251, lower-case ones of KOI8-R.
_CAPITALS: Final = bytes(range(0xC0, 0xE0))
_SMALL: Final = bytes(range(0xE0, 0x100))


def guess_codec(body: bytes, url: str) -> str | None:
    """Python's name of the encoding that a document of `url` most likely is in; None when nothing tells."""
    candidates = _CODECS.get(_language(body)) or _CODECS.get(_language_of_host(url))
    if candidates is None:
        return None
    codec = next((codec for codec in candidates[:-1] if _reads(body, codec)), candidates[-1])
    return _sibling(body, codec)


def _language(body: bytes) -> str:
    match = _html_lang(body, 0, 4096)
    code = "" if match is None else match[1].decode("ascii").lower()
    return "zh-hant" if code in ("zh-tw", "zh-hk", "zh-mo", "zh-hant") else code.partition("-")[0]


def _language_of_host(url: str) -> str:
    domain = (urlsplit(url).hostname or "").rpartition(".")[2]
    return domain if domain in _LIKE_THE_DOMAIN else _LANGUAGES.get(domain, "")


def _reads(body: bytes, codec: str) -> bool:
    """Whether all bytes mean something; the document may end within a character."""
    try:
        codecs.getincrementaldecoder(codec)().decode(body)
    except UnicodeDecodeError:
        return False
    return True


def _sibling(body: bytes, codec: str) -> str:
    """The encoding of the same languages that the text speaks for rather, if it does."""
    if codec == "cp1250" and not any(map(body.__contains__, _C1)):
        return "iso8859-2"
    if codec == "cp1251" and _count(body, _CAPITALS) > _count(body, _SMALL):
        return "koi8-r"
    return codec


def _count(body: bytes, chosen: bytes) -> int:
    return len(body) - len(body.translate(None, chosen))
