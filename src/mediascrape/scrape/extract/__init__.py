"""The extractor: a pure function from a document's bytes to its media items."""

from __future__ import annotations

from dataclasses import dataclass

from mediascrape.errors import BodyTooLargeError
from mediascrape.scrape.extract.embeds import name_providers
from mediascrape.scrape.extract.encoding import read_bytes
from mediascrape.scrape.extract.feeds import (
    entry_html,
    find_channel_images,
    is_feed,
    parts_by_base,
    root_base,
    without_cdata,
)
from mediascrape.scrape.extract.fillers import mark_fillers
from mediascrape.scrape.extract.filter import ItemFilter
from mediascrape.scrape.extract.items import Document, Kind, MediaItem
from mediascrape.scrape.extract.page import Page
from mediascrape.scrape.extract.proxies import unwrap_proxies
from mediascrape.scrape.extract.reader import ReadAgainError, read
from mediascrape.scrape.extract.sitemaps import find_in_sitemap

__all__ = ["Document", "ExtractOptions", "ItemFilter", "Kind", "MediaItem", "extract"]


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """How a document is read.

    deep: look into the state that scripts carry, too. decoration: read style sheets and `style` attributes, a third
    of the work; not needed for a filter that leaves out what they name. max_body_bytes: longer documents are refused.
    """

    deep: bool = False
    decoration: bool = True
    max_body_bytes: int = 32 * 1024 * 1024


DEFAULTS = ExtractOptions()


def extract(
    body: bytes, *, base_url: str, content_type: str | None = None, options: ExtractOptions = DEFAULTS
) -> Document:
    """The media items of an HTML document, a feed or a sitemap.

    base_url: where the document came from (after redirects), absolute. content_type: the header's value.
    Raises BodyTooLargeError and DocumentTooComplexError; never anything else, whatever the bytes.
    """
    if len(body) > options.max_body_bytes:
        raise BodyTooLargeError(f"the document is longer than {options.max_body_bytes} bytes")
    data, encoding, codec = read_bytes(body, content_type, base_url)
    if is_feed(data):
        return _finished(_read_feed(without_cdata(data), base_url, encoding, codec, options))
    base = base_url
    while True:
        page = _page(Document(base_url=base, encoding=encoding), options, codec)
        page.base_fixed = base != base_url
        try:
            read(page, data)
            return _finished(page)
        except ReadAgainError:
            base = page.document.base_url


def _page(document: Document, options: ExtractOptions, codec: str) -> Page:
    page = Page(document, deep=options.deep, decoration=options.decoration)
    page.codec = None if codec == "utf-8" else codec
    return page


def _read_feed(data: str, base_url: str, encoding: str, codec: str, options: ExtractOptions) -> Page:
    parts = parts_by_base(data, base_url)
    base = root_base(parts)
    page = _page(Document(base_url=base, encoding=encoding, feed=True), options, codec)
    page.base_fixed = True
    for part_base, part in parts:
        page.document.base_url, page.resolved = part_base, {}
        read(page, part)
        find_channel_images(page, part)
        find_in_sitemap(page, part)
        for html in entry_html(part):
            read(page, html)
    page.document.base_url = base
    return page


def _finished(page: Page) -> Document:
    document = page.document
    unwrap_proxies(page)
    document.items = list(page.items.values())
    mark_fillers(document.items)
    name_providers(document.items)
    return document
