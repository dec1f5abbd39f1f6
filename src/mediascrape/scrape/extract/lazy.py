"""Attributes that scripts turn into media later: lazy loading, galleries, high-resolution variants.

On the pages studied 109 names are in use, most of them on one site, so that names alone will not do. The rule:
a value that as a whole is a URL with a media extension counts on any element under any name; a name of the
known libraries counts without an extension on elements that show media.
"""

from __future__ import annotations

import re

from mediascrape.scrape.extract.css import value_urls
from mediascrape.scrape.extract.entities import unescape_attribute
from mediascrape.scrape.extract.items import Kind, MediaItem
from mediascrape.scrape.extract.kinds import EXTENSION_PATTERN, kind_of_url
from mediascrape.scrape.extract.page import Page

decode = unescape_attribute

#: Names of the known libraries whose value is a URL whatever it looks like.
_NAMES = re.compile(
    r"data-(?:[a-z]+-){0,2}(?:src|lazy|original|image|img|thumb|thumbnail|poster|url-image|bg|background|"
    r"background-image|hires|retina|placeholder)(?:-(?:retina|2x|large|medium|small|mobile|desktop))?"
    r"|data-(?:lazy-?src|original-src|cfsrc|lsrc|echo|src-[a-z0-9-]+|(?:orig|medium|large)-file|full-url|"
    r"img-url|image-url|image-src|bg-src|item-thumb|pin-media|delayed-url|pagespeed-[a-z-]*src|hi-res-src|"
    r"high-res-src|low-res-src|source-[a-z_]+|asset-url|full-src|flickity-lazyload|nivo-src|swap)"
    r"|(?:lazy-?src|lsrc|original|datasrc|src-orig|oldsrc|real-?src|_src|file|zoomfile|rel:bf_image_src)"
).fullmatch
#: Elements that show media, and the kind a lazy URL of theirs has.
_SHOWING: dict[str, Kind] = {
    "img": "image",
    "source": "image",
    "iframe": "embed",
    "video": "video",
    "audio": "audio",
    "amp-img": "image",
    "embed": "embed",
    "image": "image",
}
_is_media_url = re.compile(
    r"\s*(?:(?:https?:)?//|[/.\w%])[^\s<>\"'{}|\\^`]*\.(?:"
    + EXTENSION_PATTERN
    + r")(?:[?#][^\s<>\"'{}]*)?\s*",
    re.IGNORECASE,
).fullmatch
_looks_like_url = re.compile(r"\s*(?:(?:https?:)?//|\.{0,2}/)?[^\s<>\"'{}\[\]()]+\s*").fullmatch
_IMAGE_NAME = re.compile(r"poster|thumb|preview-image|bg|background|placeholder")
_SKIPPED = re.compile(
    r"href|content|value|action|data|on[a-z]+|aria-.*|xmlns.*|codebase|longdesc|cite|srcdoc|usemap|.*(?:pageurl|permalink|share-?url)"
)


def find(page: Page, element: str, name: str, value: str, attrs: dict[str, str]) -> None:
    """Note the media of an attribute that no finder knows."""
    if "/" not in value and "." not in value:
        return
    if name.endswith("srcset"):
        page.add_srcset(decode(value), "image", f"{element}.{name}")
        return
    if _SKIPPED.fullmatch(name):
        return
    value = decode(value)
    if _is_media_url(value):
        kind = kind_of_url(value.strip())
        if kind is not None:
            _describe(page.add(value, kind, f"{element}.{name}"), element, attrs)
        return
    if "url(" in value:
        for url in value_urls(value):
            page.flag(page.add(url, "image", f"{element}.{name}"), "decoration")
        return
    default = _SHOWING.get(element)
    if default is not None and _NAMES(name) and ("/" in value) and _looks_like_url(value):
        kind = kind_of_url(value) or ("image" if _IMAGE_NAME.search(name) else default)
        page.add(value, kind, f"{element}.{name}")
    elif default is not None and _NAMES(name) and "," in value and " " in value:
        page.add_srcset(value, "image", f"{element}.{name}")


def _describe(item: MediaItem | None, element: str, attrs: dict[str, str]) -> None:
    if item is not None and element == "img" and item.alt is None and attrs.get("alt"):
        item.alt = decode(attrs["alt"]).strip()
