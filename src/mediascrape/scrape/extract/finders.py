"""The table of finders: which element holds media where.

A newcomer adds an element's attribute to `ATTRIBUTES` (one line) and a fixture to the tests. What needs more than
a row is a small function in `ELEMENTS`. Attributes that no row names go through `lazy.find`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from mediascrape.scrape.extract import lazy
from mediascrape.scrape.extract.css import declaration_urls
from mediascrape.scrape.extract.embeds import PLAYER_ELEMENTS, find_player
from mediascrape.scrape.extract.feeds import FEED_ELEMENTS, find_in_feed
from mediascrape.scrape.extract.items import Kind
from mediascrape.scrape.extract.kinds import kind_of_mime
from mediascrape.scrape.extract.microdata import kind_of_property
from mediascrape.scrape.extract.page import Page, describe, mime_type
from mediascrape.scrape.extract.text import label, plain
from mediascrape.scrape.extract.tokens import any_of

Attributes = dict[str, str]
Finder = Callable[[Page, str, Attributes], None]

#: element -> attribute -> kind of what it names. `*set` attributes are read as a srcset.
ATTRIBUTES: Final[dict[str, dict[str, Kind]]] = {
    "img": {"src": "image", "srcset": "image", "lowsrc": "image", "dynsrc": "video"},
    "image": {"href": "image", "xlink:href": "image", "src": "image"},
    "feimage": {"href": "image", "xlink:href": "image"},
    "use": {"href": "image", "xlink:href": "image"},
    "amp-img": {"src": "image", "srcset": "image"},
    "amp-anim": {"src": "image", "srcset": "image"},
    "amp-video": {"src": "video", "poster": "image"},
    "amp-audio": {"src": "audio", "artwork": "image"},
    "amp-iframe": {"src": "embed", "poster": "image"},
    "video": {"src": "video", "poster": "image"},
    "audio": {"src": "audio"},
    "bgsound": {"src": "audio"},
    "iframe": {"src": "embed"},
    "frame": {"src": "embed"},
    "embed": {"src": "embed"},
    **{name: {"background": "image"} for name in ("body", "table", "thead", "tbody", "tfoot", "tr", "td", "th")},
}  # fmt: skip

#: Elements whose `alt`, `title` and size are those of their media.
_DESCRIBED: Final = frozenset(
    {"img", "image", "amp-img", "amp-anim", "video", "audio", "iframe", "embed", "amp-video"}
)
#: Attributes that never hold a URL of media; knowing them here spares a call.
_DESCRIBING: Final = (
    "alt", "title", "width", "height", "class", "id", "style", "sizes", "loading", "type", "media", "itemprop",
    "decoding", "name", "href", "target", "onclick", "role", "border", "align", "data-id", "itemscope",
    "itemtype", "frameborder", "allowfullscreen", "scrolling", "value", "content", "placeholder",
)  # fmt: skip
#: What the scanner need not spell out anew for each tag.
KNOWN_ATTRIBUTES: Final = frozenset(_DESCRIBING).union(
    (
        "property", "charset", "http-equiv", "srcdoc", "hreflang", "async", "defer", "data-src", "data-srcset", "rel",
        "as", "crossorigin", "lang", "dir", "language", "viewbox", "fill", "xmlns", "xmlns:xlink", "xml:lang", "size",
        "aria-hidden", "aria-label", "tabindex", "autocomplete", "maxlength", "onload", "marginwidth", "marginheight",
        "allowtransparency", "data-original",
    ),
    *ATTRIBUTES.values(),
)  # fmt: skip
#: element -> attribute -> kind; an empty kind: nothing to find.
_PLAN: Final[dict[str, dict[str, Kind | Literal[""]]]] = {
    element: {**dict.fromkeys(_DESCRIBING, ""), **row} for element, row in ATTRIBUTES.items()
}
_NO_ROW: Final[dict[str, Kind | Literal[""]]] = dict.fromkeys(_DESCRIBING, "")


def _player(page: Page, element: str, attrs: Attributes) -> None:
    if page.deep:
        find_player(page, element, attrs)
    find_by_table(page, element, attrs)


def find(page: Page, element: str, attrs: Attributes) -> None:
    """Everything a start tag tells."""
    special = ELEMENTS.get(element)
    if special is not None:
        special(page, element, attrs)
    else:
        find_by_table(page, element, attrs)
    style = attrs.get("style") if page.decoration else None
    if style and "(" in style:
        for url in declaration_urls(plain(style)):
            page.add(url, "image", "style.url", "decoration")


def find_by_table(page: Page, element: str, attrs: Attributes) -> None:
    """The element's row in ATTRIBUTES; all other attributes by the rules for lazy loading."""
    row = _PLAN.get(element, _NO_ROW)
    for name, raw in attrs.items():
        kind = row.get(name)
        if kind is None:
            if "/" in raw or "." in raw:
                lazy.find(page, element, name, raw, attrs)
        elif kind and raw:
            _add(page, element, name, raw, kind, attrs)


def _add(page: Page, element: str, name: str, raw: str, kind: Kind, attrs: Attributes) -> None:
    via = f"{element}.{name}"
    if name[-3:] == "set":
        for candidate in page.add_srcset(plain(raw), kind, via):
            describe(candidate, attrs, size=False)
        return
    item = page.add(plain(raw), kind, via, "decoration" if name == "background" else None)
    if item is None:
        return
    if element in _DESCRIBED:
        describe(item, attrs, size=name == "src")
    if "itemprop" in attrs and (named := kind_of_property(attrs["itemprop"], page.scopes)):
        page.add(plain(raw), kind, "itemprop." + named[0])


def _media(page: Page, element: str, attrs: Attributes) -> None:
    page.parent = element
    find_by_table(page, element, attrs)


def _source(page: Page, element: str, attrs: Attributes) -> None:
    kind: Kind = {"audio": "audio", "video": "video"}.get(page.parent.removeprefix("amp-"), "image")  # type: ignore[assignment]
    mime = mime_type(attrs.get("type", ""))
    for name, raw in attrs.items():
        if name == "srcset":
            for item in page.add_srcset(plain(raw), "image", "source.srcset"):
                item.mime_type = item.mime_type or mime
        elif name == "src" and raw:
            found = page.add_media(plain(raw), (mime and kind_of_mime(mime)) or kind, "source.src")
            if found is not None:
                found.mime_type = found.mime_type or mime
        elif name not in _NO_ROW and raw:
            lazy.find(page, element, name, raw, attrs)


def _object(page: Page, element: str, attrs: Attributes) -> None:
    attribute = "data" if element == "object" else "src"
    raw = attrs.pop(attribute, None)
    if raw:
        kind = kind_of_mime(plain(attrs.get("type", ""))) or "embed"
        describe(page.add_media(plain(raw), kind, f"{element}.{attribute}"), attrs)
    find_by_table(page, element, attrs)


def _param(page: Page, element: str, attrs: Attributes) -> None:
    if attrs.get("name", "").lower() in ("movie", "src", "filename", "url") and attrs.get("value"):
        page.add_media(plain(attrs["value"]), "embed", f"{element}.value")


def _input(page: Page, element: str, attrs: Attributes) -> None:
    if plain(attrs.get("type", "")).lower() == "image" and attrs.get("src"):
        describe(page.add(plain(attrs["src"]), "image", f"{element}.src"), attrs)


_FILES: Final = (
    "file", "image", "datei", "bild", "fichier", "archivo", "plik", "media", "special", "ficheiro", "immagine",
    "bestand", "fil",
)  # fmt: skip
_file_page: Final = re.compile(f"[/=?]{any_of(_FILES)}:").search


def _link_to(page: Page, element: str, attrs: Attributes) -> None:
    """A link to a media file; a wiki's description page of a file ends like the file and is none."""
    ref = plain(attrs.get("href", ""))
    if ref and "." in ref and not (":" in ref and _file_page(ref)):
        item = page.add_media(ref, None, f"{element}.href")
        if item is not None and item.title is None and "title" in attrs:
            item.title = label(attrs["title"])
    if ref and "itemprop" in attrs and (named := kind_of_property(attrs["itemprop"], page.scopes)):
        page.add(ref, named[1], "itemprop." + named[0])
    find_by_table(page, element, attrs)


ELEMENTS: Final[dict[str, Finder]] = {
    "a": _link_to,
    "area": _link_to,
    "video": _media,
    "audio": _media,
    "amp-video": _media,
    "amp-audio": _media,
    "source": _source,
    "object": _object,
    "embed": _object,
    "param": _param,
    "input": _input,
    "blockquote": _player,
    **dict.fromkeys(PLAYER_ELEMENTS, _player),
    **dict.fromkeys(FEED_ELEMENTS, find_in_feed),
}
