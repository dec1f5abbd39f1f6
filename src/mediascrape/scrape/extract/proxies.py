"""Image proxies: the original that a resized image's URL carries within it."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from mediascrape.scrape.extract.items import MediaItem
from mediascrape.scrape.extract.page import Page, flag
from mediascrape.scrape.urls import join_url

#: Path of a proxy -> the query parameter that holds the original.
_PROXIES: Final = {
    "/_next/image": "url",
    "/_vercel/image": "url",
    "/_ipx/": "url",
    "/.netlify/images": "url",
    "/_image": "href",
}
#: Host of a proxy (or a suffix of it) -> the same.
_PROXY_HOSTS: Final = {
    "images.weserv.nl": "url",
    "wsrv.nl": "url",
    "i.embed.ly": "url",
    "duckduckgo.com": "u",
    "googleusercontent.com": "url",
    "fbcdn.net": "url",
}
#: A path with another URL in it: Cloudflare, Cloudinary's fetch, Nuxt's IPX, Substack, imgproxy's plain form.
_url_in_path: Final = re.compile(r"/(https?(?::|%3A)(?:/|%2F){1,2}[^?]+)", re.IGNORECASE).search
#: The same of the same site: `/cdn-cgi/image/width=80/photo.jpg`.
_path_in_path: Final = re.compile(r"/cdn-cgi/image/[^/]+(/.+)").search
#: imgproxy says the format wanted after the plain URL.
_format: Final = re.compile(r"@[a-z0-9]{1,5}$").sub
#: imgproxy: the URL in base64, whose first four letters are those of `http`; slashes cut it in pieces.
_base64_in_path: Final = re.compile(r"/(aHR0[A-Za-z0-9_/-]+)(?:\.[a-z0-9]+)?$").search
_amp_in_path: Final = re.compile(r"/(?:i|ii/[^/]+)/(s/)?(.+)").match
_photon_host: Final = re.compile(r"i[0-3]\.wp\.com").fullmatch


def unwrap_proxies(page: Page) -> None:
    """Add the originals of image proxies, flagged `derived`.

    Always of Next.js, Vercel, Netlify and Astro, whose proxy is part of the site. What other proxies' URLs carry may
    be private or gone and is what the page chose not to show: only `--deep` adds it.
    """
    deep = page.deep
    for item in [item for item in page.items.values() if item.kind == "image" and (deep or "?" in item.url)]:
        original = original_of(item.url)
        if original is None and deep:
            original = original_elsewhere(item.url)
        if original is not None:
            _derive(page, item, original)


def original_of(url: str) -> str | None:
    """The reference in the URL of a site's own proxy, or None."""
    if "/_" not in url and "/.netlify" not in url:
        return None
    parts = urlsplit(url)
    for path, parameter in _PROXIES.items():
        if parts.path.rstrip("/").endswith(path.rstrip("/")):
            values = parse_qs(parts.query).get(parameter)
            return values[0] if values else None
    return None


def original_elsewhere(url: str) -> str | None:
    """The reference in the URL of any other known proxy: Photon, Cloudflare, Cloudinary, imgproxy, weserv, AMP."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _photon_host(host):
        scheme = "https" if "ssl=1" in parts.query.split("&") else "http"
        return f"{scheme}:/{parts.path}"
    if host.endswith(".cdn.ampproject.org") and (amp := _amp_in_path(parts.path)) is not None:
        return f"{'https' if amp[1] else 'http'}://{amp[2]}"
    parameter = next((name for suffix, name in _PROXY_HOSTS.items() if host.endswith(suffix)), None)
    if parameter is not None:
        values = parse_qs(parts.query).get(parameter)
        return _with_scheme(values[0]) if values else None
    if host.endswith("archive.org"):
        return None
    return _in_path(parts.path)


def _in_path(path: str) -> str | None:
    if (match := _url_in_path(path)) is not None:
        # As a segment it is escaped as a whole.
        original = unquote(match[1]) if "%" in match[1][:8] else match[1]
        return _format("", original) if path[: match.start()].endswith("/plain") else original
    if (match := _path_in_path(path)) is not None:
        return match[1]
    if (match := _base64_in_path(path)) is not None:
        text = match[1].replace("/", "")
        try:
            return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:
            return None
    return None


def _with_scheme(text: str) -> str:
    return text if text.startswith(("http:", "https:", "/")) else "https://" + text


def _derive(page: Page, item: MediaItem, original: str) -> None:
    known = len(page.items)
    # Relative to the proxy, whatever the page's base is.
    url = join_url(item.url, original)
    found = None if url is None else page.add(url, "image", item.via)
    if found is not None and len(page.items) > known:
        flag(found, "derived")
        found.alt, found.title = item.alt, item.title
