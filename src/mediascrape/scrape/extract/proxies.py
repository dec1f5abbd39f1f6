"""Image proxies: the original that a resized image's URL carries within it."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from mediascrape.scrape.extract.items import MediaItem
from mediascrape.scrape.extract.page import Page, flag

#: Path of a proxy -> the query parameter that holds the original.
_PROXIES: Final = {
    "/_next/image": "url",
    "/_vercel/image": "url",
    "/_ipx/": "url",
    "/.netlify/images": "url",
    "/_image": "href",
}


def unwrap_proxies(page: Page) -> None:
    """Add the originals of Next.js, Vercel, Netlify and Astro image proxies, flagged `derived`."""
    for item in [item for item in page.items.values() if item.kind == "image" and "?" in item.url]:
        original = original_of(item.url)
        if original is not None:
            _derive(page, item, original)


def original_of(url: str) -> str | None:
    """The reference in a proxy's URL, or None."""
    if "/_" not in url and "/.netlify" not in url:
        return None
    parts = urlsplit(url)
    for path, parameter in _PROXIES.items():
        if parts.path.rstrip("/").endswith(path.rstrip("/")):
            values = parse_qs(parts.query).get(parameter)
            return values[0] if values else None
    return None


def _derive(page: Page, item: MediaItem, original: str) -> None:
    known = len(page.items)
    found = page.add(original, "image", item.via)
    if found is not None and len(page.items) > known:
        flag(found, "derived")
        found.alt, found.title = item.alt, item.title
