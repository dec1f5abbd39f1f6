"""`meta` and `link`: Open Graph, Twitter cards, icons, preloads, microdata and RDFa without an element of their own."""

from __future__ import annotations

from typing import Final

from mediascrape.scrape.extract import lazy
from mediascrape.scrape.extract.items import Kind, MediaItem
from mediascrape.scrape.extract.kinds import kind_of_mime, kind_of_url
from mediascrape.scrape.extract.microdata import PROPERTIES, kind_of_property
from mediascrape.scrape.extract.page import Page, mime_type, pixels
from mediascrape.scrape.extract.text import dereferenced, label, plain

#: meta property or name -> (via, kind; None: by extension, else embed).
META: Final[dict[str, tuple[str, Kind | None]]] = {
    **dict.fromkeys(("og:image", "og:image:url", "og:image:secure_url"), ("meta.og:image", "image")),
    **dict.fromkeys(("og:video", "og:video:url", "og:video:secure_url"), ("meta.og:video", None)),
    **dict.fromkeys(("og:audio", "og:audio:url", "og:audio:secure_url"), ("meta.og:audio", "audio")),
    **dict.fromkeys(("twitter:image", "twitter:image:src"), ("meta.twitter:image", "image")),
    **dict.fromkeys((f"twitter:image{n}" for n in range(4)), ("meta.twitter:image", "image")),
    "twitter:player": ("meta.twitter:player", "embed"),
    "twitter:player:stream": ("meta.twitter:player:stream", "video"),
    "thumbnail": ("meta.thumbnail", "image"),
}
_ICON_META: Final = frozenset({
    "msapplication-tileimage", "msapplication-square70x70logo", "msapplication-square150x150logo",
    "msapplication-wide310x150logo", "msapplication-square310x310logo",
})  # fmt: skip
_ICONS: Final = frozenset({"icon", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon", "fluid-icon",
                    "apple-touch-startup-image"})  # fmt: skip


def find_meta(page: Page, element: str, attrs: dict[str, str]) -> None:
    """One `meta` element."""
    content = attrs.get("content") or attrs.get("value")
    if not content:
        return
    if (
        _find_properties(page, attrs.get("property"), content, "property")
        or _find_properties(page, attrs.get("name"), content, "name")
        or _find_properties(page, attrs.get("itemprop"), content, "itemprop")
    ):
        return
    named = attrs.get("property") or attrs.get("name")
    if named and not named.lower().startswith("msapplication") and lazy.is_media_url(content):
        page.add_media(_reference(content), None, f"{element}.{plain(named).strip().lower()}", "weak")


def _find_properties(page: Page, names: str | None, content: str, key: str) -> bool:
    """Whether one of the names is known; what it names is noted."""
    if names:
        for name in names.split():
            if _find_property(page, name, content, key):
                return True
    return False


def _find_property(page: Page, name: str, content: str, key: str) -> bool:
    lower = name.lower()
    if lower in META:
        via, kind = META[lower]
        ref = _reference(content)
        item = page.add_media(ref, "embed", via) if kind is None else page.add(ref, kind, via)
        if item is not None:
            _note(page, via, item, is_same=lower.endswith(":secure_url"))
        return True
    if lower in _ICON_META:
        page.add(_reference(content), "image", f"meta.{lower}", "icon")
        return True
    if lower in ("description", "og:description"):
        page.document.description = page.document.description or label(content)
        return True
    if key == "itemprop":
        named = kind_of_property(name, page.scopes)
    else:
        # RDFa: a term of schema.org, by prefix or by the `vocab` that pages with bare terms have or forget.
        term = lower.removeprefix("schema:")
        is_term = term in PROPERTIES and (key == "property" or term != lower)
        named = (name, PROPERTIES[term]) if is_term else None
    if named is not None:
        page.add_media(_reference(content), named[1], "itemprop." + named[0])
        return True
    head, _, tail = lower.rpartition(":")
    return head in META and _describe(page, META[head][0], tail, content)


#: Stands for the second URL of a media named by `og:image` and `og:image:secure_url`.
_SECURE: Final = " secure"


def _note(page: Page, via: str, item: MediaItem, *, is_same: bool) -> None:
    """Remember the media that the structured properties after it describe.

    is_same: it is another URL of the media named before, and what was said of that holds for it, too.
    """
    named = page.metas.get(via) if is_same else None
    if named is None or named is item:
        page.metas[via] = item
        page.metas.pop(via + _SECURE, None)
        return
    page.metas[via + _SECURE] = item
    item.alt = item.alt or named.alt
    item.mime_type = item.mime_type or named.mime_type
    item.width, item.height = item.width or named.width, item.height or named.height
    if item.kind == "embed":
        item.kind = named.kind


def _describe(page: Page, via: str, tail: str, content: str) -> bool:
    """A structured property (`og:image:width`) of the media named before it."""
    for key in (via, via + _SECURE):
        item = page.metas.get(key)
        if item is None:
            continue
        if tail == "alt":
            item.alt = item.alt or label(content)
        elif tail in ("type", "content_type"):
            item.mime_type = item.mime_type or mime_type(content)
            if item.kind == "embed" and item.mime_type is not None:
                item.kind = kind_of_mime(item.mime_type) or "embed"
        elif tail == "width":
            item.width = item.width or pixels(content)
        elif tail == "height":
            item.height = item.height or pixels(content)
    return True


def _reference(content: str) -> str:
    """A URL in metadata; many systems escape it twice."""
    text = plain(content)
    return dereferenced(text) if "&amp;" in text else text


def find_link(page: Page, element: str, attrs: dict[str, str]) -> None:
    """One `link` element."""
    if "imagesrcset" in attrs:
        page.add_srcset(plain(attrs["imagesrcset"]), "image", "link.imagesrcset")
    rels = attrs.get("rel", "").lower().split()
    if "stylesheet" in rels:
        return
    href = plain(attrs.get("href", ""))
    if not href:
        return
    for rel in rels:
        if rel in _ICONS:
            item = page.add(href, "image", "link." + rel.removesuffix("-precomposed"), "icon")
            if item is not None:
                item.mime_type = item.mime_type or mime_type(attrs.get("type", ""))
            break
        _find_rel(page, rel, href, attrs)
    prop = attrs.get("itemprop") or attrs.get("property", "").removeprefix("schema:")
    if prop and (named := kind_of_property(prop, page.scopes)):
        page.add_media(href, named[1], "itemprop." + named[0])


def _find_rel(page: Page, rel: str, href: str, attrs: dict[str, str]) -> None:
    if rel in ("image_src", "thumbnail"):
        page.add(href, "image", "link.image_src")
    elif rel in ("video_src", "audio_src"):
        page.add_media(href, "embed" if rel == "video_src" else "audio", "link." + rel)
    elif rel in ("preload", "prefetch", "enclosure"):
        kind = _kind_of_preload(page, href, attrs)
        if kind is not None:
            page.add(href, kind, "link." + rel)
    elif rel == "canonical" and page.document.canonical_url is None:
        page.document.canonical_url = page.resolve(href)
    elif rel == "alternate" and "oembed" in attrs.get("type", ""):
        url = page.resolve(href)
        if url is not None and url not in page.document.oembed:
            page.document.oembed.append(url)
            if page.deep:
                # What describes a player is none yet: no browser asks for it.
                page.add(href, "embed", "link.oembed", "weak")


def _kind_of_preload(page: Page, href: str, attrs: dict[str, str]) -> Kind | None:
    purpose = attrs.get("as", "").lower()
    if purpose:
        return {"image": "image", "video": "video", "audio": "audio"}.get(purpose)  # type: ignore[return-value]
    if attrs.get("type"):
        return kind_of_mime(plain(attrs["type"]))
    return kind_of_url(page.resolve(href) or "")
