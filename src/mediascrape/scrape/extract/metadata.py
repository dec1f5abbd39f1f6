"""`meta` and `link`: Open Graph, Twitter cards, icons, preloads, microdata in the head."""

from __future__ import annotations

import re

from mediascrape.scrape.extract.entities import unescape_attribute as decode
from mediascrape.scrape.extract.items import Kind
from mediascrape.scrape.extract.kinds import kind_of_mime, kind_of_url
from mediascrape.scrape.extract.page import Page

#: meta property or name -> (via, kind or None: by extension, else embed).
META: dict[str, tuple[str, Kind | None]] = {
    **dict.fromkeys(("og:image", "og:image:url", "og:image:secure_url"), ("meta.og:image", "image")),
    **dict.fromkeys(("og:video", "og:video:url", "og:video:secure_url"), ("meta.og:video", None)),
    **dict.fromkeys(("og:audio", "og:audio:url", "og:audio:secure_url"), ("meta.og:audio", "audio")),
    **dict.fromkeys(
        ("twitter:image", "twitter:image:src", "twitter:image0"), ("meta.twitter:image", "image")
    ),
    **{f"twitter:image{n}": ("meta.twitter:image", "image") for n in range(4)},
    "twitter:player": ("meta.twitter:player", "embed"),
    "twitter:player:stream": ("meta.twitter:player:stream", "video"),
    "msapplication-tileimage": ("meta.msapplication-TileImage", "image"),
    "thumbnail": ("meta.thumbnail", "image"),
}
_STRUCTURED = {"width", "height", "type", "alt"}
ITEMPROP_KINDS: dict[str, Kind] = {
    "image": "image",
    "thumbnailUrl": "image",
    "thumbnail": "image",
    "logo": "image",
    "primaryImageOfPage": "image",
    "photo": "image",
    "contentUrl": "image",
    "embedUrl": "embed",
}
_media_url = re.compile(r"\s*\S+\s*").fullmatch


def find_meta(page: Page, _element: str, attrs: dict[str, str]) -> None:
    """One `meta` element."""
    content = attrs.get("content") or attrs.get("value")
    if not content:
        return
    for key in ("property", "name", "itemprop"):
        name = attrs.get(key)
        if not name:
            continue
        lower = name.strip().lower()
        if lower in META:
            via, kind = META[lower]
            ref = decode(content)
            page.last_meta = page.add(ref, kind or kind_of_url(ref) or "embed", via)
            if lower.startswith("msapplication"):
                page.flag(page.last_meta, "icon")
            return
        if key == "itemprop":
            if name in ITEMPROP_KINDS:
                ref = decode(content)
                page.add(ref, kind_of_url(ref) or ITEMPROP_KINDS[name], "itemprop." + name)
            return
        head, _, tail = lower.rpartition(":")
        if tail in _STRUCTURED and head in META:
            _structured(page, tail, content)
            return


def _structured(page: Page, tail: str, content: str) -> None:
    item = page.last_meta
    if item is None:
        return
    if tail == "alt":
        item.alt = item.alt or decode(content).strip()
    elif tail == "type":
        item.mime_type = item.mime_type or content
    elif content.strip().isdecimal() and len(content) < 10:
        if tail == "width":
            item.width = item.width or int(content)
        else:
            item.height = item.height or int(content)


_ICONS = {
    "icon",
    "apple-touch-icon",
    "apple-touch-icon-precomposed",
    "mask-icon",
    "fluid-icon",
    "apple-touch-startup-image",
}


def find_link(page: Page, attrs: dict[str, str]) -> None:
    """One `link` element."""
    href = decode(attrs.get("href", "")).strip()
    rels = attrs.get("rel", "").lower().split()
    if "imagesrcset" in attrs:
        page.add_srcset(decode(attrs["imagesrcset"]), "image", "link.imagesrcset")
    if not href:
        return
    for rel in rels:
        if rel in _ICONS:
            _icon(page, rel, href, attrs)
            return
        _related(page, rel, href, attrs)
    prop = attrs.get("itemprop")
    if prop in ITEMPROP_KINDS:
        page.add(href, kind_of_url(href) or ITEMPROP_KINDS[prop], "itemprop." + prop)


def _icon(page: Page, rel: str, href: str, attrs: dict[str, str]) -> None:
    item = page.add(href, "image", "link." + rel.removesuffix("-precomposed"))
    page.flag(item, "icon")
    if item is not None and attrs.get("type"):
        item.mime_type = attrs["type"]


def _related(page: Page, rel: str, href: str, attrs: dict[str, str]) -> None:
    if rel in ("image_src", "thumbnail"):
        page.add(href, "image", "link.image_src")
    elif rel in ("video_src", "audio_src"):
        page.add(href, kind_of_url(href) or ("embed" if rel == "video_src" else "audio"), "link." + rel)
    elif rel in ("preload", "prefetch", "enclosure"):
        _preload(page, rel, href, attrs)
    elif rel == "canonical" and page.document.canonical_url is None:
        page.document.canonical_url = page.resolve(href)
    elif rel == "alternate" and "oembed" in attrs.get("type", ""):
        url = page.resolve(href)
        if url is not None and url not in page.document.oembed:
            page.document.oembed.append(url)


def _preload(page: Page, rel: str, href: str, attrs: dict[str, str]) -> None:
    as_ = attrs.get("as", "").lower()
    kind: Kind | None = as_ if as_ in ("image", "video", "audio") else None  # type: ignore[assignment]
    if kind is None and not as_:
        kind = kind_of_mime(attrs.get("type", "")) if attrs.get("type") else kind_of_url(href)
    if kind is not None and kind != "embed":
        page.add(href, kind, "link." + rel)
