"""RSS and Atom feeds and sitemaps: enclosures, Media RSS, images, and the media in the entries' HTML."""

from __future__ import annotations

import re
from typing import Final

from mediascrape.scrape.extract.items import Kind
from mediascrape.scrape.extract.kinds import kind_of_mime
from mediascrape.scrape.extract.page import Page, describe, pixels
from mediascrape.scrape.extract.text import decoded, plain, unescaped
from mediascrape.scrape.urls import join_url

_is_feed: Final = re.compile(
    r"\s*(?:<\?[^>]*>\s*|<!--(?:[^-]++|-(?!->))*+-->\s*|<!DOCTYPE[^>]*>\s*)*<(?:rss|feed|rdf:RDF|urlset|sitemapindex)[\s>]"
).match
#: Elements whose text is HTML, escaped once. One that is never closed runs to the end, or reading were quadratic.
_html: Final = re.compile(
    r"<(description|content:encoded|summary|content|media:description)(?:\s[^>]*)?>((?:[^<]++|<(?!/\1\s*>))*+)",
    re.IGNORECASE,
).finditer
_image_url: Final = re.compile(
    r"<image(?:\s[^>]*)?>(?:[^<]++|<(?!/?image|url))*+<url>\s*([^<]+?)\s*</url>", re.IGNORECASE
).finditer
_logo: Final = re.compile(r"<(logo|icon)(?:\s[^<>]*)?>\s*([^<>\s]+)\s*</\1\s*>").finditer
_tags: Final = re.compile(r"<(/?)([A-Za-z_][\w:.-]*+)([^<>]*+)>").finditer
_xml_base: Final = re.compile(r"\sxml:base\s*=\s*(?:\"([^\"]*)\"|'([^']*)')").search
_media_kinds: Final[dict[str, Kind]] = {"image": "image", "video": "video", "audio": "audio"}
#: Elements with a base of their own that are told apart, and how many of them within one another.
MAX_BASES: Final = 10_000
MAX_DEPTH: Final = 16
#: HTML of entries read, in characters: a feed repeats its entries' text, it does not grow without end.
MAX_ENTRY_HTML: Final = 8 * 1024 * 1024


def is_feed(data: str) -> bool:
    """Whether the document is a feed or a sitemap: its root element says so."""
    return data[:64].lstrip()[:1] == "<" and _is_feed(data, 0, 4096) is not None


def without_cdata(data: str) -> str:
    """The feed with its CDATA sections as what they hold: markup to be read like the rest."""
    return data.replace("<![CDATA[", " ").replace("]]>", " ") if "<![CDATA[" in data else data


def entry_html(data: str) -> list[str]:
    """The escaped HTML of the feed's entries, decoded once."""
    found, budget = [], MAX_ENTRY_HTML
    for match in _html(data):
        text = match[2]
        if "&lt;" in text and (budget := budget - len(text)) > 0:
            found.append(unescaped(decoded(text)).encode("utf-8", "replace").decode("latin-1"))
    return found


def parts_by_base(data: str, base_url: str) -> list[tuple[str, str]]:
    """The feed cut where the base of its relative URLs changes (XML Base): each part after its base, in order."""
    if "xml:base" not in data:
        return [(base_url, data)]
    parts: list[tuple[str, str]] = []
    #: (element, how many of this name are open, the base around it)
    scopes: list[tuple[str, int, str]] = []
    start, base = 0, base_url
    for match in _tags(data):
        slash, name, attributes = match.groups()
        named = _xml_base(attributes) if "xml:base" in attributes and not slash else None
        empty = attributes[-1:] == "/"
        if named is not None and len(scopes) < MAX_DEPTH:
            if len(parts) > MAX_BASES:
                break
            parts.append((base, data[start : match.start()]))
            start = match.start()
            scopes.append((name, 0 if empty else 1, base))
            base = join_url(base, plain(named[1] or named[2] or "")) or base
        elif scopes and name == scopes[-1][0] and not empty:
            _, depth, outer = scopes[-1]
            scopes[-1] = (name, depth - 1 if slash else depth + 1, outer)
        if scopes and scopes[-1][1] == 0:
            parts.append((base, data[start : match.end()]))
            start, base = match.end(), scopes.pop()[2]
    return [*parts, (base, data[start:])]


def root_base(parts: list[tuple[str, str]]) -> str:
    """The base that the feed's first element names, else where it came from."""
    return parts[1][0] if len(parts) > 1 and is_feed(parts[1][1]) else parts[0][0]


def find_channel_images(page: Page, data: str) -> None:
    """The images that channels name in elements: `<image><url>` of RSS, `<logo>` and `<icon>` of Atom."""
    for match in _image_url(data):
        page.add(plain(match[1]), "image", "image.url")
    for match in _logo(data):
        page.add(plain(match[2]), "image", match[1], "icon" if match[1] == "icon" else None)


def find_in_feed(page: Page, element: str, attrs: dict[str, str]) -> None:
    """`enclosure`, `media:content`, `media:thumbnail`, `media:player`, `itunes:image`, `podcast:*`."""
    if "srcset" in attrs:
        page.add_srcset(plain(attrs["srcset"]), "image", f"{element}.srcset")
    attribute = next((name for name in ("url", "href", "uri") if attrs.get(name)), "")
    raw = attrs.get(attribute)
    if not raw:
        return
    default: Kind | None = "image" if element.endswith(("thumbnail", "image")) else None
    kind = (
        default
        or kind_of_mime(plain(attrs.get("type", "")))
        or _media_kinds.get(attrs.get("medium", ""))
        or ("embed" if element.endswith("player") else None)
    )
    item = page.add_media(plain(raw), kind, f"{element}.{attribute}")
    if item is not None:
        describe(item, attrs)
        item.width = item.width or pixels(attrs.get("width", ""))


FEED_ELEMENTS: Final = (
    "enclosure",
    "media:content",
    "media:thumbnail",
    "media:player",
    "itunes:image",
    "googleplay:image",
    "podcast:image",
    "podcast:images",
    "podcast:source",
    "podcast:trailer",
)
