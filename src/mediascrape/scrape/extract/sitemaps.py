"""Sitemaps with Google's extensions for images and videos: the media of each page of a site."""

from __future__ import annotations

import re
from typing import Final

from mediascrape.scrape.extract.items import Kind
from mediascrape.scrape.extract.page import Page
from mediascrape.scrape.extract.text import label, plain

#: One medium's description. One that is never closed runs to the end, or reading were quadratic.
_descriptions: Final = re.compile(
    r"<(image:image|video:video)(?:\s[^<>]*)?>((?:[^<]++|<(?!/\1\s*>))*+)"
).finditer
_fields: Final = re.compile(r"<((?:image|video):[a-z_]+)(?:\s[^<>]*)?>([^<]*+)</").findall
#: Element -> kind of what it names, when its extension does not tell.
_KINDS: Final[dict[str, Kind]] = {
    "image:loc": "image",
    "video:thumbnail_loc": "image",
    "video:content_loc": "video",
    "video:player_loc": "embed",
}


def find_in_sitemap(page: Page, data: str) -> None:
    """`image:loc`, `video:thumbnail_loc`, `video:content_loc` and `video:player_loc`, with title and caption."""
    if "<image:" not in data and "<video:" not in data:
        return
    for description in _descriptions(data):
        fields = _fields(description[2])
        said = dict(reversed(fields))
        title = label(said.get("image:title") or said.get("video:title") or "")
        still = page.resolve(plain(said.get("video:thumbnail_loc", "").strip()))
        for name, text in fields:
            kind = _KINDS.get(name)
            if kind is None:
                continue
            item = (page.add if kind == "image" else page.add_media)(plain(text.strip()), kind, name)
            if item is not None:
                item.title = item.title or title
                item.alt = item.alt or label(said.get("image:caption", ""))
                if kind != "image":
                    item.thumbnail = item.thumbnail or still
