"""Marks what fills a place and shows nothing: tracking pixels, and placeholders until a script has run."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mediascrape.scrape.extract.items import MediaItem

#: File names of placeholders: one of these words, alone or with a number, a size or a colour.
_is_placeholder = re.compile(
    r"/(?:[a-z0-9]+[-_.])?(?:blank|spacer|placeholder|transparent|pixel|loading|loader|lazy-?load|1x1|clear)"
    r"(?:[-_.]?[a-z0-9]{1,8})?\.(?:gif|png|svg|jpe?g|webp)$",
    re.IGNORECASE,
).search


def mark_fillers(items: Iterable[MediaItem]) -> None:
    """Flag images and embeds of at most one pixel as `pixel`, images named like a filler as `placeholder`."""
    for item in items:
        tiny = (item.width is not None and item.width <= 1) or (item.height is not None and item.height <= 1)
        if tiny and item.kind in ("image", "embed"):
            item.flags += ("pixel",)
        if item.kind == "image" and _is_placeholder(item.url.partition("?")[0]):
            item.flags += ("placeholder",)
