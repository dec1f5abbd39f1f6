"""The extractor: a pure function from a document's bytes to its media items."""

from __future__ import annotations

from dataclasses import dataclass

from mediascrape.errors import BodyTooLargeError
from mediascrape.scrape.extract.embeds import name_providers
from mediascrape.scrape.extract.encoding import read_bytes
from mediascrape.scrape.extract.feeds import base_of, entry_html, find_channel_images, is_feed, without_cdata
from mediascrape.scrape.extract.fillers import mark_fillers
from mediascrape.scrape.extract.filter import ItemFilter
from mediascrape.scrape.extract.items import Document, Kind, MediaItem
from mediascrape.scrape.extract.page import Page
from mediascrape.scrape.extract.proxies import unwrap_proxies
from mediascrape.scrape.extract.reader import ReadAgainError, read

__all__ = ["Document", "ExtractOptions", "ItemFilter", "Kind", "MediaItem", "extract"]


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """How a document is read.

    deep: look into the state that scripts carry, too. decoration: read style sheets and `style` attributes, a fifth
    of the work; not needed for a filter that leaves out what they name. max_body_bytes: longer documents are refused.
    """

    deep: bool = False
    decoration: bool = True
    max_body_bytes: int = 32 * 1024 * 1024


DEFAULTS = ExtractOptions()


def extract(
    body: bytes, *, base_url: str, content_type: str | None = None, options: ExtractOptions = DEFAULTS
) -> Document:
    """The media items of an HTML document or a feed.

    base_url: where the document came from (after redirects), absolute. content_type: the header's value.
    Raises BodyTooLargeError and DocumentTooComplexError; never anything else, whatever the bytes.
    """
    if len(body) > options.max_body_bytes:
        raise BodyTooLargeError(f"the document is longer than {options.max_body_bytes} bytes")
    data, encoding, codec = read_bytes(body, content_type)
    feed = is_feed(data)
    base = base_url
    if feed:
        data = without_cdata(data)
        base = base_of(data, base_url)
    while True:
        document = Document(base_url=base, encoding=encoding, feed=feed)
        page = Page(document, deep=options.deep, decoration=options.decoration)
        page.base_fixed = feed or base != base_url
        page.codec = None if codec == "utf-8" else codec
        try:
            read(page, data)
            break
        except ReadAgainError:
            base = page.document.base_url
    if feed:
        _read_feed(page, data)
    return _finished(page)


def _read_feed(page: Page, data: str) -> None:
    find_channel_images(page, data)
    for html in entry_html(data):
        read(page, html)


def _finished(page: Page) -> Document:
    document = page.document
    unwrap_proxies(page)
    document.items = list(page.items.values())
    mark_fillers(document.items)
    name_providers(document.items)
    return document
