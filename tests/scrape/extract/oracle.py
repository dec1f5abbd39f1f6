"""The extractor beside a browser: what each finds in one document, and where they differ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chromium import Chromium
from mediascrape.scrape.extract import extract

COLLECT = (Path(__file__).parent / "oracle.js").read_text()
BASE = "https://example.org/dir/page.html"


@dataclass(frozen=True)
class Difference:
    """`missed`: (via, URL) that the browser has; `invented`: (via, URL) that stands nowhere in its document."""

    missed: frozenset[tuple[str, str]]
    invented: frozenset[tuple[str, str]]

    def __bool__(self) -> bool:
        return bool(self.missed or self.invented)

    def kinds(self) -> frozenset[tuple[str, str]]:
        """The difference without its URLs: what stays the same while a document is made smaller."""
        return frozenset(
            [("missed", via) for via, _ in self.missed] + [("invented", via) for via, _ in self.invented]
        )


def compare(browser: Chromium, body: bytes, base: str = BASE, content_type: str = "text/html") -> Difference:
    """Both read the same bytes with the same header; the browser shows them as a page."""
    browser.show(body, base, content_type)
    return _difference(browser.evaluate(f"{COLLECT}(document, true)"), body, base, content_type)


def compare_parsed(
    browser: Chromium, texts: list[str], base: str = BASE, *, strict: bool = True
) -> list[Difference]:
    """The same for many texts at once, parsed and not shown: fifty times faster, no encodings, no `currentSrc`.

    Not `strict`: what a style sheet's invalid rules name is no difference.
    """
    if browser.url != base:
        browser.show(b"", base)
    parsed = "new DOMParser().parseFromString(text, 'text/html')"
    seen = browser.evaluate(f"{json.dumps(texts)}.map((text) => {COLLECT}({parsed}, {str(strict).lower()}))")
    return [
        _difference(one, text.encode("utf-8", "replace"), base, "text/html; charset=utf-8")
        for one, text in zip(seen, texts, strict=True)
    ]


def _difference(seen: Any, body: bytes, base: str, content_type: str) -> Difference:
    strong = {plain(url): via for via, url in seen["strong"]}
    # Images of an https page are asked for by https.
    upgraded = {url for url, via in strong.items() if via == "img.currentSrc" and "http" + url[5:] in strong}
    allowed = {plain(url) for url in seen["allowed"]}
    items = extract(body, base_url=base, content_type=content_type).items
    ours = {plain(item.url): item.via for item in items if "derived" not in item.flags}
    return Difference(
        frozenset((via, url) for url, via in strong.items() if url not in ours and url not in upgraded),
        frozenset((via, url) for url, via in ours.items() if url not in strong and url not in allowed),
    )


def plain(url: str) -> str:
    """One spelling of what Chromium and the URL standard write differently."""
    return url.replace("|", "%7C").replace("^", "%5E")
