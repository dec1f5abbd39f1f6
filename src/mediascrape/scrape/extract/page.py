"""What finders write to: one document being read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from mediascrape.errors import DocumentTooComplexError
from mediascrape.scrape.extract.items import Document, Kind, MediaItem
from mediascrape.scrape.extract.kinds import kind_of_url
from mediascrape.scrape.extract.microdata import Scopes
from mediascrape.scrape.extract.srcset import best_candidate, parse_srcset
from mediascrape.scrape.extract.text import label, plain
from mediascrape.scrape.urls import is_normal, join_url

#: Media of one document, and places of one item: the largest real page studied names 572 media.
MAX_ITEMS: Final = 20_000
MAX_PLACES: Final = 32

_C0_AND_SPACE: Final = "".join(map(chr, range(0x21)))
_number: Final = re.compile(r"\s*([0-9]{1,9})(?!\s*%)").match


class Page:
    """Collects the media items of one document, one item per URL.

    `add` and `add_srcset` resolve, deduplicate and note the places; all state that finders share (the base URL,
    whether `noscript` or `template` is open, the media element that a `source` belongs to) is here.
    """

    __slots__ = (
        "base_fixed", "codec", "decoration", "deep", "document", "framed", "items", "metas", "parent", "resolved",
        "scopes", "svg", "templates", "within",
    )  # fmt: skip

    def __init__(self, document: Document, *, deep: bool = False, decoration: bool = True) -> None:
        self.document = document
        self.decoration = decoration
        self.deep = deep
        self.items: dict[str, MediaItem] = {}
        self.resolved: dict[str, str | None] = {}
        self.base_fixed = False
        #: How non-ASCII characters in a query are encoded, when not as UTF-8.
        self.codec: str | None = None
        #: Flags of what is open: `in_noscript` or `in_template`.
        self.within: tuple[str, ...] = ()
        #: `template` elements open, one within the other.
        self.templates = 0
        #: What is read is the `srcdoc` of a frame.
        self.framed = False
        self.parent = ""
        self.svg = 0
        self.metas: dict[str, MediaItem] = {}
        self.scopes = Scopes()

    def resolve(self, ref: str) -> str | None:
        """The absolute http(s) URL of a reference, without fragment; None for others. Counts `data:`."""
        if ref in self.resolved:
            return self.resolved[ref]
        if is_normal(ref):
            self.resolved[ref] = ref
            return ref
        return self._resolve_unusual(ref)

    def _resolve_unusual(self, ref: str) -> str | None:
        text = ref.strip(_C0_AND_SPACE)
        url = None
        if text and text[0] != "#":
            if text[:5].lower() == "data:":
                self.document.data_uris += 1
                return None
            if self.codec is not None and "?" in text and not text.isascii():
                text = _encode_query(text, self.codec)
            url = join_url(self.document.base_url, text)
            if url is not None:
                url = url.partition("#")[0] if url.startswith(("http://", "https://")) else None
        self.resolved[ref] = url
        return url

    def add(self, ref: str, kind: Kind, via: str, mark: str | None = None) -> MediaItem | None:
        """Note a reference found at `via`; None when it is no http(s) URL.

        mark: `icon`, `decoration` or `weak`, a flag that the item has for as long as it is seen at such places only.
        """
        url = self.resolved.get(ref) or self.resolve(ref)
        if url is None:
            return None
        item = self.items.get(url)
        if item is not None:
            return self._add_place(item, via, mark)
        position = len(self.items)
        if position >= MAX_ITEMS:
            raise DocumentTooComplexError(f"the document names more than {MAX_ITEMS} media")
        flags = self.within if mark is None else (*self.within, mark)
        item = self.items[url] = MediaItem(url, kind, via, position=position, flags=flags)
        return item

    def _add_place(self, item: MediaItem, via: str, mark: str | None) -> MediaItem:
        if via not in item.places and len(item.places) < MAX_PLACES:
            item.places += (via,)
        if item.flags:
            if not self.within:
                # Seen outside, too: what stood within `noscript` was a copy.
                item.flags = tuple(flag for flag in item.flags if flag not in _WITHIN)
            if mark is None:
                item.flags = tuple(flag for flag in item.flags if flag not in _MARKS)
            elif mark != "weak":
                item.flags = tuple(mark if flag == "weak" else flag for flag in item.flags)
        return item

    def add_media(
        self, ref: str, default: Kind | None, via: str, mark: str | None = None
    ) -> MediaItem | None:
        """Like `add`, the kind being what the URL's extension tells, else `default` (None: not media)."""
        url = self.resolve(ref)
        if url is None:
            return None
        kind = kind_of_url(url) or default
        return None if kind is None else self.add(ref, kind, via, mark)

    def add_srcset(self, text: str, kind: Kind, via: str) -> list[MediaItem]:
        """Note all candidates of a srcset; the largest is flagged `best`."""
        candidates = parse_srcset(text)
        best = best_candidate(candidates)
        found = []
        for index, (ref, descriptor) in enumerate(candidates):
            item = self.add(ref, kind, via)
            if item is None:
                continue
            if item.descriptor is None:
                item.descriptor = descriptor
                if descriptor is not None and descriptor[-1] == "w" and item.width is None:
                    item.width = pixels(descriptor[:-1])
            if index == best:
                flag(item, "best")
            found.append(item)
        return found


_WITHIN: Final = frozenset({"in_noscript", "in_template"})
_MARKS: Final = frozenset({"icon", "decoration", "weak"})


def flag(item: MediaItem | None, name: str) -> None:
    """Mark an item; it may be None so that finders needn't ask."""
    if item is not None and name not in item.flags:
        item.flags += (name,)


def describe(item: MediaItem | None, attrs: Mapping[str, str], *, size: bool = True) -> None:
    """What an element says of its media: alternative text, title, size, type. The first to say it counts."""
    if item is None:
        return
    if item.alt is None and "alt" in attrs:
        item.alt = label(attrs["alt"])
    if item.title is None and "title" in attrs:
        item.title = label(attrs["title"])
    if size:
        if item.width is None and "width" in attrs:
            item.width = pixels(attrs["width"])
        if item.height is None and "height" in attrs:
            item.height = pixels(attrs["height"])
    if item.mime_type is None and "type" in attrs:
        item.mime_type = mime_type(attrs["type"])


def pixels(text: str) -> int | None:
    """A dimension attribute in CSS pixels; percentages tell nothing."""
    if text.isdecimal() and text.isascii() and len(text) < 10:
        return int(text)
    match = _number(text)
    return None if match is None else int(match[1])


def mime_type(text: str) -> str | None:
    """The essence of a MIME type (`video/mp4` of `video/mp4; codecs=...`), or None if it is none."""
    essence = plain(text).partition(";")[0].strip().lower()
    return essence if "/" in essence and len(essence) < 80 and " " not in essence else None


def _encode_query(text: str, codec: str) -> str:
    """The URL standard's query state in a document that is not UTF-8."""
    before, _, query = text.partition("?")
    query, hash_, fragment = query.partition("#")
    encoded = query.encode(codec, "xmlcharrefreplace")
    return f"{before}?{quote(encoded, safe=_QUERY_SAFE)}{hash_}{fragment}"


_QUERY_SAFE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\"#<>'&;") + "&;%"
