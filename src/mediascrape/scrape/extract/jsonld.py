"""JSON-LD: the media of schema.org nodes at any depth."""

from __future__ import annotations

import json
import re
from typing import Any

from mediascrape.scrape.extract.items import Kind
from mediascrape.scrape.extract.kinds import kind_of_url
from mediascrape.scrape.extract.page import Page

#: Properties whose value (text, node, or list of these) is media.
PROPERTIES: dict[str, Kind] = {
    "image": "image",
    "logo": "image",
    "thumbnailUrl": "image",
    "thumbnail": "image",
    "primaryImageOfPage": "image",
    "photo": "image",
    "contentUrl": "image",
    "embedUrl": "embed",
}
_KIND_OF_TYPE: dict[str, Kind] = {"ImageObject": "image", "VideoObject": "video", "AudioObject": "audio"}
_comments = re.compile(
    r"^\s*(?://<!\[CDATA\[|/\*.*?\*/|<!--|<!\[CDATA\[)|(?://)?\]\]>\s*$|-->\s*$", re.DOTALL
)
_trailing_comma = re.compile(r",(\s*[}\]])")


def find_jsonld(page: Page, text: str) -> None:
    """Note the media of one `application/ld+json` block; a broken one is mended where that is safe."""
    data = _load(text)
    if data is not None:
        _walk(page, data)


def _load(text: str) -> Any:
    decoder = json.JSONDecoder(strict=False)
    for candidate in (text, None):
        if candidate is None:
            candidate = _trailing_comma.sub(r"\1", _comments.sub("", text)).strip().rstrip(";")
        try:
            return decoder.decode(candidate)
        except (ValueError, RecursionError):
            continue
    return None


def _walk(page: Page, root: Any) -> None:
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(reversed(node))
        elif isinstance(node, dict):
            _node(page, node)
            stack.extend(value for value in reversed(node.values()) if isinstance(value, dict | list))


def _node(page: Page, node: dict[str, Any]) -> None:
    types = node.get("@type")
    types = types if isinstance(types, list) else [types]
    own = next((_KIND_OF_TYPE[t] for t in types if isinstance(t, str) and t in _KIND_OF_TYPE), None)
    for name, kind in PROPERTIES.items():
        value = node.get(name)
        if value is not None:
            for entry in value if isinstance(value, list) else [value]:
                _entry(page, name, entry, kind if name != "contentUrl" else own or kind)
    url = node.get("url")
    if own == "image" and isinstance(url, str):
        _add(page, url, "image", "url")


_NESTING = frozenset({"image", "logo", "thumbnail", "photo", "primaryImageOfPage"})


def _entry(page: Page, name: str, entry: Any, kind: Kind) -> None:
    """One value of a property: a URL, or a node whose `url` it is."""
    if isinstance(entry, str):
        _add(page, entry, (kind_of_url(entry) or kind) if name == "contentUrl" else kind, name)
    elif isinstance(entry, dict) and name in _NESTING and isinstance(entry.get("url"), str):
        _add(page, entry["url"], "image", name)


def _add(page: Page, ref: str, kind: Kind, name: str) -> None:
    page.add(ref, kind, "jsonld." + name)
