"""What the extractor gives back: a document and its media items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["image", "video", "audio", "embed"]
KINDS: Final[tuple[Kind, ...]] = ("image", "video", "audio", "embed")

#: Flags that make an item decoration rather than content; the pipeline leaves these out by default.
DECORATION_FLAGS: Final = frozenset({"icon", "decoration", "placeholder", "pixel", "tracker"})


@dataclass(slots=True, init=False)
class MediaItem:
    """One media URL of a page, with all places it was seen at.

    url: absolute http(s) URL without fragment, unique in its document.
    via: the first place, as `element.attribute`; `places` are all of them, `via` first.
    width, height: CSS pixels as the page states them (of a srcset's candidate by its `w`); not measured.
    position: order of first appearance in the document, from 0.
    flags: of `icon` (a link icon), `decoration` (a style sheet's or a background), `placeholder`, `pixel`
        (1x1 or smaller), `tracker`, `in_noscript`, `in_template`, `best` (the largest candidate of its
        srcset), `derived` (unwrapped from an image proxy's URL), `weak` (found by pattern, not by markup).
        `icon`, `decoration`, `weak` and `in_...` are true of all its places: an image that is shown, too, has none.
    descriptor: the srcset candidate's descriptor (`2x`, `640w`).
    provider, provider_id, thumbnail: of an embed whose player is known.
    """

    url: str
    kind: Kind
    via: str
    places: tuple[str, ...]
    alt: str | None
    title: str | None
    width: int | None
    height: int | None
    mime_type: str | None
    position: int
    flags: tuple[str, ...]
    descriptor: str | None
    provider: str | None
    provider_id: str | None
    thumbnail: str | None

    # By hand, for what `dataclass` writes is not compiled, and this is made for each media URL of a page.
    def __init__(
        self,
        url: str,
        kind: Kind,
        via: str,
        *,
        position: int = 0,
        flags: tuple[str, ...] = (),
        mime_type: str | None = None,
    ) -> None:
        self.url = url
        self.kind = kind
        self.via = via
        self.places = (via,)
        self.alt = self.title = None
        self.width = self.height = None
        self.mime_type = mime_type
        self.position = position
        self.flags = flags
        self.descriptor = None
        self.provider = self.provider_id = self.thumbnail = None

    def to_record(self, page_url: str | None) -> dict[str, Any]:
        """The JSON Lines record: the nine contract fields first, then what else is known."""
        record: dict[str, Any] = {
            "url": self.url,
            "kind": self.kind,
            "via": self.via,
            "page_url": page_url,
            "alt": self.alt,
            "title": self.title,
            "width": self.width,
            "height": self.height,
            "mime_type": self.mime_type,
            "position": self.position,
            "places": list(self.places),
        }
        if self.flags:
            record["flags"] = list(self.flags)
        for name in ("descriptor", "provider", "provider_id", "thumbnail"):
            value = getattr(self, name)
            if value is not None:
                record[name] = value
        return record


@dataclass(slots=True)
class Document:
    """What a page says of itself, and its media items in order of appearance.

    base_url: what relative URLs were resolved against (`base[href]` applied).
    encoding: WHATWG name of the character encoding the document was read in.
    canonical_url, oembed: from `link` elements, resolved.
    data_uris: how many media were `data:` URIs, which are counted, not kept.
    feed: the document is an RSS or Atom feed, or a sitemap.
    """

    base_url: str
    title: str | None = None
    description: str | None = None
    lang: str | None = None
    encoding: str = "utf-8"
    canonical_url: str | None = None
    oembed: list[str] = field(default_factory=list)
    items: list[MediaItem] = field(default_factory=list)
    data_uris: int = 0
    feed: bool = False
