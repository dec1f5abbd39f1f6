"""Attributes that scripts turn into media later: lazy loading, galleries, high-resolution variants.

On the pages studied 109 names are in use, most of them on one site, so that names alone will not do. The rule: a
value that as a whole is a URL with a media extension counts on any element under any name; a name of the known
libraries counts without an extension, too, on elements that show media.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from mediascrape.scrape.extract.css import value_urls
from mediascrape.scrape.extract.items import Kind
from mediascrape.scrape.extract.kinds import EXTENSION_PATTERN, kind_of_url
from mediascrape.scrape.extract.page import Page, describe
from mediascrape.scrape.extract.text import plain

#: Names of the known libraries: their value is a URL, or a srcset, whatever it looks like.
_KNOWN: Final = re.compile(
    r"data-(?:[a-z0-9]+-){0,2}(?:src|lazy|original|image|img|thumb|thumbnail|poster|bg|background|hires|retina|"
    r"placeholder|swap|echo|lsrc|cfsrc)(?:-(?:url|src|image|retina|2x|large|medium|small|mobile|desktop|file))?"
    r"|data-(?:lazy-?src|original-src|src-[a-z0-9-]+|(?:orig|medium|large|full)-file|pin-media|"
    r"(?:asset|cover|delayed|full|large|media|photo|picture|video|zoom)-url|"
    r"pagespeed-[a-z-]*src|source-[a-z_]+|flickity-(?:bg-)?lazyload|td-src-property|original-[a-z]+|"
    r"actualsrc|aload|at2x|bg-?set|bgsrc|backgroundimage|breeze|ezsrc|high-?quality|high-?res|imgsrc|ks-lazyload|"
    r"interchange|large_image|lazyload|normal)"
    r"|[a-z]+-src|lazysrc|lsrc|original|datasrc|src-orig|oldsrc|real-?src|_src|file|zoomfile|rel:bf_image_src"
).fullmatch
#: Names that describe, link or script; a media URL in them is no media of this element.
_OTHER_USE: Final = re.compile(
    r"href|content|value|action|data|on[a-z]+|aria-.*|xmlns.*|codebase|longdesc|cite|srcdoc|usemap|itemid|itemtype|"
    r"id|class|style|alt|title|name|type|media|sizes|width|height|v-.*|:.*|@.*|"
    r"data-(?:.*-)?(?:page-?url|permalink|share-?url|href|link)"
).fullmatch
#: Elements that show media, and the kind a URL without extension has in their lazy attributes.
SHOWING: Final[dict[str, Kind]] = {
    "img": "image",
    "image": "image",
    "source": "image",
    "amp-img": "image",
    "iframe": "embed",
    "embed": "embed",
    "video": "video",
    "audio": "audio",
}
_STILL: Final = re.compile(r"poster|thumb|image|bg|background|placeholder").search
#: A URL as a whole: it begins with nothing that separates, has no colon but its port's before the first slash, and
#: none before a blank; no other URL follows it.
_whole_url: Final = re.compile(
    r"(?:[hH][tT][tT][pP][sS]?:)?(?:[^<>\"'{}|\\^`(),:;=\s?#/][^<>\"'{}|\\^`:?#\n/]*+)?+(?:(?::[0-9]+)?+"
    r"/(?:[^<>\"'{}|\\^`?#\s,;:]++|:(?!\s)|[^\S\n](?!https?:)|[,;](?!https?:))*+)?(?:[?#][^\s<>\"'{}]*+)?"
).fullmatch
_plain_url: Final = re.compile(r"\s*(?:https?:)?(?:\.{0,2}/)+[^\s<>\"'{}]+\s*", re.IGNORECASE).fullmatch
_first_candidate: Final = re.compile(r"(\S++)\s++[0-9.]++[wx]\s*+(?:,|\Z)").match
#: Foundation's Interchange: `[URL, where], [URL, where]`.
_interchange: Final = re.compile(r"\[\s*([^\s,\[\]]++)\s*,[^\[\]]*+\]").finditer
_json_string: Final = re.compile(
    r"[\"']((?:https?:)?(?:\\?/){1,2}[^\"'\s\\]*(?:\\/[^\"'\s\\]*)*\.(?:"
    + EXTENSION_PATTERN
    + r")(?:\?[^\"'\s\\]*)?)[\"']",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def _use(name: str) -> str:
    """What an attribute's name tells: `none`, `set`, `known` or `any`."""
    if name.endswith("srcset"):
        return "set"
    if _OTHER_USE(name):
        return "none"
    return "known" if _KNOWN(name) else "any"


#: How JSON in an attribute begins.
_OPENING: Final = ("{", "[", "&")


def find(page: Page, element: str, name: str, raw: str, attrs: Mapping[str, str]) -> None:
    """Note the media of an attribute that no finder knows."""
    use = _use(name)
    if use == "none" or (use == "any" and not page.deep and raw.lstrip()[:1] in _OPENING):
        return
    value = plain(raw).strip()
    via = f"{element}.{name}"
    if value[:1] in ("{", "["):
        _find_in_json(page, value, via)
    elif use == "set" or (" " in value and _is_srcset(value)):
        for candidate in page.add_srcset(value, "image", via):
            describe(candidate, attrs, size=False)
    elif kind_of_url(value) and _whole_url(value) and ("/" in value or use == "known"):
        item = page.add_media(value, None, via)
        if item is not None and item.kind == "image" and element in SHOWING:
            describe(item, attrs, size=False)
    elif "(" in value and ("url(" in value or "image-set(" in value):
        for url in value_urls(value):
            page.add(url, "image", via, "decoration")
    elif use == "known" and element in SHOWING and _plain_url(value):
        kind = "image" if _STILL(name) else SHOWING[element]
        describe(page.add_media(value, kind, via), attrs, size=False)


def _is_srcset(value: str) -> bool:
    """Whether a value begins with a URL and a srcset's descriptor."""
    match = _first_candidate(value)
    return match is not None and (_plain_url(match[1]) is not None or kind_of_url(match[1]) is not None)


def _find_in_json(page: Page, value: str, via: str) -> None:
    for match in _json_string.finditer(value):
        page.add_media(match[1].replace("\\/", "/"), None, via, "weak")
    if via[-12:] == "-interchange":
        for match in _interchange(value):
            page.add_media(match[1], None, via)


def is_media_url(raw: str) -> bool:
    """Whether a value is, as a whole, a URL with a media extension that does not depend on a bare name."""
    value = raw.strip()
    return "/" in value and kind_of_url(value) is not None and _whole_url(value) is not None
