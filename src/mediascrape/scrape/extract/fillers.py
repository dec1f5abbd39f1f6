"""Marks what fills a place and shows nothing: tracking pixels, and placeholders until a script has run."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mediascrape.scrape.extract.items import MediaItem

_WORDS = ("blank", "spacer", "placeholder", "transparent", "pixel", "load", "1x1", "clear", "dummy", "empty")
#: File names of placeholders: one of these words, alone or with a number, a size or a colour.
_is_placeholder = re.compile(
    r"(?:[a-z0-9]+[-_.])?(?:blank|spacer|placeholder|transparent|pixel|loading|loader|lazy-?load|1x1|clear|dummy|empty)"
    r"(?:[-_.]?[a-z0-9]{1,8})?\.(?:gif|png|svg|jpe?g|webp)"
).fullmatch


def mark_fillers(items: Iterable[MediaItem]) -> None:
    """Flag images and embeds of at most one pixel as `pixel`, images named like a filler as `placeholder`."""
    for item in items:
        width, height = item.width, item.height
        tiny = (width is not None and width <= 1) or (height is not None and height <= 1)
        if tiny and item.kind in ("image", "embed"):
            item.flags += ("pixel",)
        if item.kind == "image":
            name = item.url[
                item.url.rfind("/", 0, (item.url.find("?") + 1 or len(item.url) + 1) - 1) + 1 :
            ].lower()
            if any(map(name.__contains__, _WORDS)) and _is_placeholder(name.partition("?")[0]):
                item.flags += ("placeholder",)
