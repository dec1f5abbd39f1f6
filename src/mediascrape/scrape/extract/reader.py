"""Reads a document once, start to end, and hands each start tag to its finder."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from mediascrape.scrape.extract.css import style_sheet_urls
from mediascrape.scrape.extract.entities import unescape_attribute
from mediascrape.scrape.extract.finders import find
from mediascrape.scrape.extract.jsonld import find_jsonld
from mediascrape.scrape.extract.metadata import find_link
from mediascrape.scrape.extract.page import Page
from mediascrape.scrape.extract.tokens import RAW_TEXT, attributes, comment_end, next_token, raw_text_end
from mediascrape.scrape.urls import join_url

_MEDIA_META = re.compile(
    rb"image|video|audio|player|thumb|logo|contentUrl|embedUrl|url|description", re.IGNORECASE
)


class BaseChangedError(Exception):
    """A `base[href]` came after relative URLs had been resolved: read again with it."""


def read(page: Page, data: bytes) -> None:
    """Note everything in `data` (UTF-8) on the page."""
    position = 0
    while (match := next_token(data, position)) is not None:
        position = match.end()
        name, raw, closed, ended, comment = match.groups()
        if name is not None:
            if not closed:
                return
            name = name.lower()
            if name in RAW_TEXT:
                end = raw_text_end(name, data, position)
                _raw_text(page, name, raw, data, position, end)
                position = end
            elif name in _OWN_READERS:
                _OWN_READERS[name](page, raw)
            else:
                find(page, name.decode("utf-8", "replace"), attributes(raw))
        elif ended is not None:
            _end(page, ended.lower())
        elif comment is not None:
            position = comment_end(data, position)


def _noscript(page: Page, _raw: bytes) -> None:
    page.noscript += 1


def _template(page: Page, _raw: bytes) -> None:
    page.template += 1


def _html(page: Page, raw: bytes) -> None:
    lang = attributes(raw).get("lang")
    if lang and page.document.lang is None:
        page.document.lang = lang


def _link(page: Page, raw: bytes) -> None:
    find_link(page, attributes(raw))


def _end(page: Page, name: bytes) -> None:
    if name == b"noscript":
        page.noscript = max(0, page.noscript - 1)
    elif name == b"template":
        page.template = max(0, page.template - 1)
    else:
        page.media_parent = ""


def _meta(page: Page, raw: bytes) -> None:
    if not _MEDIA_META.search(raw):
        return
    attrs = attributes(raw)
    find(page, "meta", attrs)
    document = page.document
    if document.description is None and (attrs.get("name") or attrs.get("property", "")).lower() in (
        "description",
        "og:description",
    ):
        document.description = unescape_attribute(attrs.get("content", "")).strip() or None


def _base(page: Page, raw: bytes) -> None:
    if page.base_fixed or page.template:
        return
    href = attributes(raw).get("href")
    if href is None:
        return
    page.base_fixed = True
    base = join_url(page.document.base_url, unescape_attribute(href).strip())
    if base is None or not base.startswith(("http://", "https://")) or base == page.document.base_url:
        return
    page.document.base_url = base
    if page.resolved:
        raise BaseChangedError


def _raw_text(page: Page, name: bytes, raw: bytes, data: bytes, start: int, end: int) -> None:
    if name == b"script":
        if b"ld+json" in raw:
            find_jsonld(page, data[start:end].decode("utf-8", "replace"))
    elif name == b"style":
        if data.find(b"(", start, end) >= 0:
            for url in style_sheet_urls(data[start:end].decode("utf-8", "replace")):
                page.flag(page.add(url, "image", "style.url"), "decoration")
    elif name == b"title":
        if page.document.title is None:
            text = html.unescape(data[start:end].decode("utf-8", "replace"))
            page.document.title = " ".join(text.split()) or None
    elif name == b"iframe":
        find(page, "iframe", attributes(raw))


#: Elements that are more than the media they name.
_OWN_READERS: dict[bytes, Callable[[Page, bytes], None]] = {
    b"noscript": _noscript,
    b"template": _template,
    b"meta": _meta,
    b"link": _link,
    b"base": _base,
    b"html": _html,
}
