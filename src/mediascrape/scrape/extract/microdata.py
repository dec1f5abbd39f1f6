"""Microdata: which `itemprop` names media, and of what kind.

Needed only for `itemprop="url"`, whose meaning is its item's: the image itself within an ImageObject. All other
properties say by their name what they are.
"""

from __future__ import annotations

from typing import Final

from mediascrape.scrape.extract.items import Kind

#: Property (lower case) -> kind of what it names.
PROPERTIES: Final[dict[str, Kind]] = {
    "image": "image",
    "images": "image",
    "photo": "image",
    "logo": "image",
    "thumbnail": "image",
    "thumbnailurl": "image",
    "primaryimageofpage": "image",
    "contenturl": "embed",  # or what its item or the extension tells
    "embedurl": "embed",
}
#: schema.org type -> kind of its `url` or `contentUrl`.
TYPES: Final[dict[str, Kind]] = {
    "imageobject": "image",
    "barcode": "image",
    "imageobjectsnapshot": "image",
    "videoobject": "video",
    "videoobjectsnapshot": "video",
    "musicvideoobject": "video",
    "audioobject": "audio",
    "audiobook": "audio",
}
#: Items within items that are followed; deeper ones are not, which bounds the work.
MAX_DEPTH: Final = 32


#: Elements without an end tag.
_VOID: Final = frozenset(
    {"meta", "link", "img", "br", "hr", "input", "source", "embed", "area", "track", "wbr", "col", "base"}
)


class Scopes:
    """The media items of microdata open at the current place, by counting the end tags of their elements."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        #: (element, how many of this element are open, kind); the outermost is media, those within may be anything.
        self.open: list[tuple[str, list[int], Kind | None]] = []

    def enter(self, element: str, itemtype: str, itemprop: str) -> None:
        """A start tag with `itemscope`."""
        kind = TYPES.get(itemtype.rstrip("/").rpartition("/")[2].lower())
        if kind is None and not itemtype:
            kind = PROPERTIES.get(itemprop.lower())
        if (kind is not None or self.open) and element not in _VOID and len(self.open) < MAX_DEPTH:
            self.open.append((element, [1], kind))

    def start(self, element: str) -> None:
        """Any start tag while an item is open."""
        if self.open and self.open[-1][0] == element:
            self.open[-1][1][0] += 1

    def end(self, element: str) -> None:
        """Any end tag: closes the innermost items of that element."""
        for index in range(len(self.open) - 1, -1, -1):
            name, depth, _ = self.open[index]
            if name == element:
                depth[0] -= 1
                if not depth[0]:
                    del self.open[index:]
                return

    def kind(self) -> Kind | None:
        """The kind of media that the innermost item is."""
        return self.open[-1][2] if self.open else None


def kind_of_property(itemprop: str, scopes: Scopes) -> tuple[str, Kind] | None:
    """The media property among the names of an `itemprop`, and its kind; None if there is none."""
    for name in itemprop.split():
        lower = name.lower()
        kind = PROPERTIES.get(lower)
        if kind is not None:
            return name, (scopes.kind() or kind) if lower == "contenturl" else kind
        if lower == "url" and scopes.kind() == "image":
            return name, "image"
    return None
