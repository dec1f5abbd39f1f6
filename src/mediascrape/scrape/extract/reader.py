"""Reads a document once, start to end, and hands each tag that may matter to its finder.

Two kinds of tags may: those of the elements in `_HANDLERS` and the finders' tables, wherever they stand, and any tag
with a value that looks like media. `scanner` tells where there may be one. All others, nine in ten, are never cut
out of the document, only passed over; what makes that safe is `may_be_inside`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mediascrape.errors import DocumentTooComplexError
from mediascrape.scrape.extract.finders import ATTRIBUTES, ELEMENTS, KNOWN_ATTRIBUTES, Attributes, find
from mediascrape.scrape.extract.items import Document
from mediascrape.scrape.extract.jsonld import find_jsonld
from mediascrape.scrape.extract.kinds import KIND_BY_EXTENSION
from mediascrape.scrape.extract.metadata import find_link, find_meta
from mediascrape.scrape.extract.page import Page
from mediascrape.scrape.extract.scanner import HIDES, WINDOW, make_scanner
from mediascrape.scrape.extract.state import find_in_script
from mediascrape.scrape.extract.style_sheet import style_sheet_urls
from mediascrape.scrape.extract.text import decoded, label, plain, unescaped
from mediascrape.scrape.extract.tokens import (
    RAW_TEXT,
    any_of,
    exact_token,
    is_in_value,
    parsed,
    tag_at,
)
from mediascrape.scrape.giving_way import give_way
from mediascrape.scrape.urls import join_url

#: Characters searched for the quote that opened a value, which bounds the work for each hint in a text.
LONGEST_VALUE: Final = 2048
#: Characters from which on a document's reading gives way to other threads.
_LONG: Final = 256 * 1024
#: Characters of comments and scripts that may be searched through and turn out to be within a tag.
MAX_WASTE: Final = 32_000_000


class ReadAgainError(Exception):
    """The base URL, learned on the way, changes how the beginning reads."""


def read(page: Page, data: str) -> None:
    """Note everything in `data` (UTF-8 read as Latin-1) on the page.

    Raises ReadAgainError when a `base[href]` follows relative URLs.
    """
    _Reader(page, data).read()


class _Reader:
    """One document and what is known of it as a whole."""

    __slots__ = ("data", "page", "text_until", "wasted")

    def __init__(self, page: Page, data: str) -> None:
        self.page = page
        self.data = data
        self.wasted = 0
        #: Up to where there is no tag that a hint could lie in.
        self.text_until = 0

    def read(self) -> None:
        position = start = 0
        # What is short is read in the event loop, which must not wait for other threads meanwhile.
        is_long = len(self.data) > _LONG
        while start < len(self.data):
            if is_long:
                give_way()
            position, start = self._read_window(position, start)

    def _read_window(self, position: int, start: int) -> tuple[int, int]:
        """Read what begins within the window at `start`; the position reached, outside any tag, and the next window."""
        data = self.data
        names, places, next_start = _landmarks(data, start, start + WINDOW, self.page.decoration)
        for index, at in enumerate(places):
            if at < position:
                continue
            name = names[index]
            if name is None:
                position = self._read_hint(position, at)
                continue
            # An open `svg` has titles of its own: it must be known until the document's title is.
            if name in ("svg", "/svg") and self.page.document.title is not None:
                continue
            if _may_be_inside(data, position, at):
                position = self._exactly(position, at)
                if position > at:
                    continue
            elif self.page.scopes.open:
                self._pass_over(position, at)
            position = _end_of_hidden(data, at) if name == HIDES else self._read_tag(name, at + 1 + len(name))
        # A long script is not looked at further.
        return position, max(position, next_start)

    def _read_tag(self, name: str, name_end: int) -> int:
        """Read one tag; the position behind it and its text, if that is raw. One without an end is dropped."""
        data = self.data
        if name == "script" and not self.page.deep:
            end = _end_of_mere_script(data, name_end)
            if end >= 0:
                return end
        read = _attributes(data, name_end)
        if read is None:
            return len(data)
        attrs, end = read
        return self._start(name, attrs, end)

    def _note_waste(self, length: int) -> None:
        """Count characters searched for nothing; without a bound, a comment opened in each tag makes them quadratic."""
        self.wasted += length
        if self.wasted > MAX_WASTE:
            raise DocumentTooComplexError("the document opens too much within its tags")

    def _start(self, name: str, attrs: Attributes, end: int) -> int:
        page = self.page
        if name in RAW_TEXT:
            start, end = end, _end_of_raw(self.data, end, name)
            reader = _TEXTS.get(name)
            if reader is not None:
                reader(page, attrs, self.data, start, end)
            return end
        if "itemscope" in attrs or page.scopes.open:
            self._note_scope(name, attrs)
        handler = _HANDLERS.get(name)
        if handler is None:
            find(page, name, attrs)
        else:
            handler(page, name, attrs)
        return end

    def _note_scope(self, name: str, attrs: Attributes) -> None:
        scopes = self.page.scopes
        if name[0] == "/":
            scopes.end(name[1:])
            return
        scopes.start(name)
        if "itemscope" in attrs:
            scopes.enter(name, plain(attrs.get("itemtype", "")), attrs.get("itemprop", ""))

    def _read_hint(self, position: int, hint: int) -> int:
        """Read the tag in which a hint lies, if it does; the position reached."""
        data = self.data
        floor = max(position, self.text_until)
        if hint < floor or (_is_itemprop(data, hint) and not _is_link(data, floor, hint)):
            return position
        start = data.rfind("<", floor, hint)
        match = tag_at(data, start) if start >= 0 and data.find(">", start, hint) < 0 else None
        if match is None:
            # Text, or a value after one that holds markup: `<a title="a > b" href="c.png">`.
            if is_in_value(data, max(position, hint - LONGEST_VALUE), hint):
                position = self._exactly(position, hint)
            self.text_until = max(self.text_until, position, hint)
            return position
        if _may_be_inside(data, position, start):
            position = self._exactly(position, start)
        if position <= start:
            self._pass_over(position, start)
            position = self._read_tag(match[1].lower(), match.end(1))
        self.text_until = position
        return position

    def _exactly(self, position: int, end: int) -> int:
        """Read tag by tag up to `end`, or behind it if a tag reaches over it."""
        while position < end:
            if self.data.find("<", position, end) < 0:
                return end
            match = exact_token(self.data, position)
            if match is None or match.start() >= end:
                # It was searched for once: nothing before it needs that again.
                self.text_until = len(self.data) if match is None else match.start()
                self._note_waste(0 if match is None else match.end() - end)
                return end
            name, text = match.groups()
            position = match.end()
            if name is None:
                continue
            name = name.lower()
            if name in _TAGS or name in RAW_TEXT or (name[0] != "/" and _may_matter(text)):
                position = self._start(name, parsed(text), position)
            elif self.page.scopes.open:
                self._note_scope(name, {})
        return position

    def _pass_over(self, position: int, end: int) -> None:
        """Count the tags that bound an open microdata item."""
        scopes = self.page.scopes
        if scopes.open:
            for match in _any_tags(self.data, position, end):
                self._note_scope(match[1].lower(), {})
                if not scopes.open:
                    break


def _is_itemprop(data: str, hint: int) -> bool:
    return data[hint] in "iI" and data[hint + 4] in "pP"


def _is_link(data: str, start: int, position: int) -> bool:
    """Whether the tag around a position is an `a` or `area`; of a tag that began far before, this is not known."""
    bracket = data.rfind("<", max(start, position - 1024), position)
    return bracket < 0 or data[bracket + 1] in "aA"


def _may_matter(text: str) -> bool:
    return "(" in text or "item" in text or ("." in text and _names_media(text + ">") is not None)


def _script(page: Page, attrs: Attributes, data: str, start: int, end: int) -> None:
    if "ld+json" in attrs.get("type", "").lower():
        find_jsonld(page, decoded(data[start:end]))
    elif page.deep:
        find_in_script(page, decoded(data[start:end]))


def _style(page: Page, attrs: Attributes, data: str, start: int, end: int) -> None:
    if not page.decoration:
        return
    if data.find("(", start, end) >= 0 and attrs.get("type", "").strip().lower() in ("", "text/css"):
        for url in style_sheet_urls(decoded(data[start:end])):
            page.add(url, "image", "style.url", "decoration")


_blanks: Final = re.compile(r"[ \t\n\f\r]+").sub


def _title(page: Page, attrs: Attributes, data: str, start: int, end: int) -> None:
    if page.document.title is None and not page.svg:
        # Only ASCII's blanks are (HTML 3.1.4, document.title).
        text = unescaped(decoded(data[start:end]))
        if not text.isprintable() or "  " in text:
            text = _blanks(" ", text)
        page.document.title = text.strip(" ") or None


def _iframe(page: Page, attrs: Attributes, data: str, start: int, end: int) -> None:
    find(page, "iframe", attrs)
    if "srcdoc" in attrs and not page.framed:
        _read_srcdoc(page, plain(attrs["srcdoc"]))


def _read_srcdoc(page: Page, html: str) -> None:
    """Note the media of a frame's document in an attribute; frames within it are not entered, which bounds the work."""
    frame = Page(Document(base_url=page.document.base_url), deep=page.deep)
    frame.items, frame.resolved = page.items, page.resolved
    frame.within, frame.templates = page.within, page.templates
    frame.base_fixed = frame.framed = True
    read(frame, html.encode("utf-8", "replace").decode("latin-1"))
    page.document.data_uris += frame.document.data_uris


def _base(page: Page, name: str, attrs: Attributes) -> None:
    """The first `base[href]` counts, for the whole document."""
    href = attrs.get("href")
    if page.base_fixed or href is None or "in_template" in page.within:
        return
    page.base_fixed = True
    base = join_url(page.document.base_url, plain(href))
    # HTML 2.4.3; any other scheme counts, and then what is relative is nothing that could be fetched.
    if base is None or base.startswith(("data:", "javascript:")) or base == page.document.base_url:
        return
    page.document.base_url = base
    if page.resolved:
        raise ReadAgainError


def _html(page: Page, name: str, attrs: Attributes) -> None:
    if page.document.lang is None:
        page.document.lang = label(attrs.get("lang", ""))
    if attrs:
        find(page, name, attrs)


def _frameset(page: Page, name: str, attrs: Attributes) -> None:
    page.parent = name


def _frame(page: Page, name: str, attrs: Attributes) -> None:
    """Outside a `frameset` the parser drops it."""
    if page.parent == "frameset":
        find(page, name, attrs)


def _noscript(page: Page, name: str, attrs: Attributes) -> None:
    if attrs:
        find(page, name, attrs)
    if not page.templates:
        page.within = ("in_noscript",)


def _template(page: Page, name: str, attrs: Attributes) -> None:
    if attrs:
        find(page, name, attrs)
    page.templates += 1
    page.within = ("in_template",)


def _end_noscript(page: Page, name: str, attrs: Attributes) -> None:
    if not page.templates:
        page.within = ()


def _end_template(page: Page, name: str, attrs: Attributes) -> None:
    page.templates = max(0, page.templates - 1)
    if not page.templates:
        page.within = ()


def _svg(page: Page, name: str, attrs: Attributes) -> None:
    page.svg += 1
    if attrs:
        find(page, name, attrs)


def _end_svg(page: Page, name: str, attrs: Attributes) -> None:
    page.svg = max(0, page.svg - 1)


def _end_media(page: Page, name: str, attrs: Attributes) -> None:
    page.parent = ""


#: Elements whose text is raw and read.
_TEXTS: Final[dict[str, Callable[[Page, Attributes, str, int, int], None]]] = {
    "script": _script,
    "style": _style,
    "title": _title,
    "iframe": _iframe,
}
#: Tags that tell something else than media, or where these are.
_HANDLERS: Final[dict[str, Callable[[Page, str, Attributes], None]]] = {
    "base": _base,
    "html": _html,
    "frameset": _frameset,
    "frame": _frame,
    "noscript": _noscript,
    "template": _template,
    "/noscript": _end_noscript,
    "/template": _end_template,
    "/video": _end_media,
    "/audio": _end_media,
    "svg": _svg,
    "/svg": _end_svg,
    "meta": find_meta,
    "link": find_link,
}
#: Tags looked at whatever their attributes. A link or a table matters only if it names media.
_TAGS: Final = (ATTRIBUTES.keys() | ELEMENTS.keys() | _HANDLERS.keys()) - {"a", "area", "use", *RAW_TEXT}
#: A cell matters only if it names a background, which is a hint.
_CELLS: Final = {"table", "thead", "tbody", "tfoot", "tr", "td", "th"}
_scanner: Final = make_scanner(
    tags=_TAGS - _CELLS,
    stops=RAW_TEXT,
    extensions=KIND_BY_EXTENSION.keys(),
    attributes=KNOWN_ATTRIBUTES,
)
_landmarks: Final = _scanner.landmarks
_attributes: Final = _scanner.attributes
_end_of_mere_script: Final = _scanner.end_of_mere_script
_end_of_hidden: Final = _scanner.end_of_hidden
_end_of_raw: Final = _scanner.end_of_raw
_may_be_inside: Final = _scanner.may_be_inside
_any_tags: Final = re.compile(r"<(/?[a-zA-Z][^ \t\n\f\r/>]*+)").finditer
#: A media extension at the end of a path, whatever stands around it. The look ahead turns most others down.
_media_name: Final = re.compile(
    rf"\.(?=[a-zA-Z0-9]{{2,5}}+[\"'?#&;:!,)> \t\n\f\r]){any_of(KIND_BY_EXTENSION)}(?![a-zA-Z0-9])"
)
_names_media: Final = _media_name.search
