"""What finders write to: one document being read."""

from __future__ import annotations

from mediascrape.scrape.extract.items import Document, Kind, MediaItem
from mediascrape.scrape.extract.srcset import best_candidate, parse_srcset
from mediascrape.scrape.urls import join_url

_C0_AND_SPACE = "".join(map(chr, range(0x21)))


class Page:
    """Collects the media items of one document, one item per URL.

    `add` and `add_srcset` resolve, deduplicate and note the places; all state that finders share (the base
    URL, whether `noscript` or `template` is open, the media element that a `source` belongs to) is here.
    """

    __slots__ = (
        "base_fixed", "document", "items", "last_meta", "media_parent", "noscript", "resolved", "template",
    )  # fmt: skip

    def __init__(self, document: Document) -> None:
        self.document = document
        self.items: dict[str, MediaItem] = {}
        self.resolved: dict[str, str | None] = {}
        self.base_fixed = False
        self.noscript = 0
        self.template = 0
        self.media_parent = ""
        self.last_meta: MediaItem | None = None

    def resolve(self, ref: str) -> str | None:
        """The absolute http(s) URL of a reference, without fragment; None for others. Counts `data:`."""
        try:
            return self.resolved[ref]
        except KeyError:
            pass
        text = ref.strip(_C0_AND_SPACE)
        url = None
        if text[:5].lower() == "data:":
            self.document.data_uris += 1
            return None
        if text and text[0] != "#":
            url = join_url(self.document.base_url, text)
            if url is not None:
                url = url.partition("#")[0] if url.startswith(("http://", "https://")) else None
        self.resolved[ref] = url
        return url

    def add(self, ref: str, kind: Kind, via: str) -> MediaItem | None:
        """Note a reference found at `via`; None when it is no http(s) URL."""
        url = self.resolve(ref)
        if url is None:
            return None
        item = self.items.get(url)
        if item is None:
            item = MediaItem(url, kind, via, (via,))
            item.position = len(self.items)
            if self.noscript or self.template:
                item.flags = ("in_template",) if self.template else ("in_noscript",)
            self.items[url] = item
        elif via not in item.places:
            item.places += (via,)
        return item

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
            if index == best and "best" not in item.flags:
                item.flags += ("best",)
            found.append(item)
        return found

    def flag(self, item: MediaItem | None, flag: str) -> None:
        """Mark an item; `item` may be None so that finders needn't ask."""
        if item is not None and flag not in item.flags:
            item.flags += (flag,)
