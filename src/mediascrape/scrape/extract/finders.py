"""The table of finders: which element holds media where.

A newcomer adds an element's attribute to `ATTRIBUTES` (one line) and a fixture to the tests. What needs
more than a row is a small function in `ELEMENTS`. Attributes that no row names go through `lazy.find`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mediascrape.scrape.extract import lazy
from mediascrape.scrape.extract.css import declaration_urls
from mediascrape.scrape.extract.items import Kind, MediaItem
from mediascrape.scrape.extract.kinds import kind_of_mime, kind_of_url
from mediascrape.scrape.extract.metadata import ITEMPROP_KINDS, find_meta
from mediascrape.scrape.extract.page import Page

Attributes = dict[str, str]
Finder = Callable[[Page, str, Attributes], None]

#: element -> attribute -> kind of what it names. `*set` attributes are read as a srcset.
ATTRIBUTES: dict[str, dict[str, Kind]] = {
    "img": {"src": "image", "srcset": "image", "lowsrc": "image", "dynsrc": "video"},
    "image": {"href": "image", "xlink:href": "image", "src": "image"},
    "feimage": {"href": "image", "xlink:href": "image"},
    "use": {"href": "image", "xlink:href": "image"},
    "amp-img": {"src": "image", "srcset": "image"},
    "amp-anim": {"src": "image", "srcset": "image"},
    "amp-video": {"src": "video", "poster": "image"},
    "amp-audio": {"src": "audio", "artwork": "image"},
    "amp-iframe": {"src": "embed", "poster": "image"},
    "amp-story": {"poster-portrait-src": "image", "publisher-logo-src": "image", "poster-square-src": "image"},
    "video": {"src": "video", "poster": "image"},
    "audio": {"src": "audio"},
    "bgsound": {"src": "audio"},
    "iframe": {"src": "embed"},
    "frame": {"src": "embed"},
    "embed": {"src": "embed"},
    "body": {"background": "image"},
    "table": {"background": "image"},
    "thead": {"background": "image"},
    "tbody": {"background": "image"},
    "tfoot": {"background": "image"},
    "tr": {"background": "image"},
    "td": {"background": "image"},
    "th": {"background": "image"},
}  # fmt: skip

#: Attributes that never hold media of their own.
_DESCRIBING = frozenset(
    [
        "alt",
        "title",
        "width",
        "height",
        "class",
        "id",
        "style",
        "sizes",
        "loading",
        "type",
        "media",
        "itemprop",
        "crossorigin",
        "decoding",
        "name",
    ]
)
_number = re.compile(r"\s*([0-9]{1,9})").match


def find(page: Page, element: str, attrs: Attributes) -> None:
    """Everything a start tag tells."""
    special = ELEMENTS.get(element)
    if special is not None:
        special(page, element, attrs)
    else:
        by_table(page, element, attrs)
    style = attrs.get("style")
    if style is not None and "(" in style:
        for url in declaration_urls(lazy.decode(style)):
            page.flag(page.add(url, "image", "style.url"), "decoration")


def by_table(page: Page, element: str, attrs: Attributes) -> None:
    """The element's row in ATTRIBUTES; all other attributes by the rules for lazy loading."""
    row = ATTRIBUTES.get(element, _NO_ROW)
    for name, value in attrs.items():
        if name in row:
            kind = row[name]
            value = lazy.decode(value)
            if name.endswith("set"):
                for item in page.add_srcset(value, kind, f"{element}.{name}"):
                    describe(item, attrs, size=False)
                continue
            added = page.add(value, kind, f"{element}.{name}")
            if kind != "image" or element in _IMAGES:
                describe(added, attrs)
            if name == "background":
                page.flag(added, "decoration")
        elif name not in _DESCRIBING and value:
            lazy.find(page, element, name, value, attrs)


_NO_ROW: dict[str, Kind] = {}
_IMAGES = frozenset({"img", "amp-img", "amp-anim", "image"})


def describe(item: MediaItem | None, attrs: Attributes, *, size: bool = True) -> None:
    """What the element says of its media: alternative text, title, size, type."""
    if item is None:
        return
    if item.alt is None and attrs.get("alt"):
        item.alt = lazy.decode(attrs["alt"]).strip()
    if item.title is None and attrs.get("title"):
        item.title = lazy.decode(attrs["title"]).strip()
    if size:
        if item.width is None and "width" in attrs:
            item.width = pixels(attrs["width"])
        if item.height is None and "height" in attrs:
            item.height = pixels(attrs["height"])
    if item.mime_type is None and attrs.get("type"):
        item.mime_type = attrs["type"]


def pixels(text: str) -> int | None:
    """A dimension attribute in CSS pixels; percentages tell nothing."""
    match = _number(text)
    return None if match is None or text[match.end() : match.end() + 1] == "%" else int(match[1])


def _media(page: Page, element: str, attrs: Attributes) -> None:
    page.media_parent = element
    by_table(page, element, attrs)


def _source(page: Page, element: str, attrs: Attributes) -> None:
    parent = page.media_parent or "picture"
    kind: Kind = "image" if parent == "picture" else "audio" if parent == "audio" else "video"
    mime = attrs.get("type", "")
    for name, value in attrs.items():
        if name == "srcset":
            for item in page.add_srcset(lazy.decode(value), "image", "source.srcset"):
                item.mime_type = item.mime_type or mime or None
        elif name == "src":
            ref = lazy.decode(value)
            item_ = page.add(ref, kind_of_mime(mime) or kind_of_url(ref) or kind, "source.src")
            if item_ is not None:
                item_.mime_type = item_.mime_type or mime or None
        elif name not in _DESCRIBING and value:
            lazy.find(page, element, name, value, attrs)


def _object(page: Page, element: str, attrs: Attributes) -> None:
    for name in ("data", "src"):
        value = attrs.pop(name, None)
        if value:
            ref = lazy.decode(value)
            kind = kind_of_mime(attrs.get("type", "")) or kind_of_url(ref) or "embed"
            describe(page.add(ref, kind, f"{element}.{name}"), attrs)
    by_table(page, element, attrs)


def _param(page: Page, _element: str, attrs: Attributes) -> None:
    if attrs.get("name", "").lower() in _PARAMS and attrs.get("value"):
        ref = lazy.decode(attrs["value"])
        page.add(ref, kind_of_url(ref) or "embed", "param.value")


_PARAMS = frozenset({"movie", "src", "filename", "url"})


def _input(page: Page, _element: str, attrs: Attributes) -> None:
    if attrs.get("type", "").strip().lower() == "image" and "src" in attrs:
        describe(page.add(lazy.decode(attrs["src"]), "image", "input.src"), attrs)


def _link_to(page: Page, element: str, attrs: Attributes) -> None:
    href = attrs.pop("href", None)
    if href:
        ref = lazy.decode(href)
        kind = kind_of_url(page.resolve(ref) or "") if "." in ref else None
        if kind is not None and not is_file_page(ref):
            item = page.add(ref, kind, f"{element}.href")
            if item is not None and item.title is None and attrs.get("title"):
                item.title = lazy.decode(attrs["title"]).strip()
        elif attrs.get("itemprop") in ITEMPROP_KINDS:
            page.add(ref, ITEMPROP_KINDS[attrs["itemprop"]], "itemprop." + attrs["itemprop"])
    by_table(page, element, attrs)


_file_page = re.compile(
    r"[/=?](?:File|Image|Datei|Bild|Fichier|Archivo|Plik|Media|Special|Ficheiro|Immagine|Bestand):",
    re.IGNORECASE,
).search


def is_file_page(ref: str) -> bool:
    """A wiki's description page of a file: it ends like the file and is a document."""
    return ":" in ref and _file_page(ref) is not None


ELEMENTS: dict[str, Finder] = {
    "a": _link_to,
    "area": _link_to,
    "video": _media,
    "audio": _media,
    "amp-video": _media,
    "amp-audio": _media,
    "picture": _media,
    "source": _source,
    "object": _object,
    "embed": _object,
    "param": _param,
    "input": _input,
    "meta": find_meta,
}
