"""JSON-LD: the media of schema.org nodes at any depth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from mediascrape.scrape.extract.items import Kind
from mediascrape.scrape.extract.microdata import TYPES
from mediascrape.scrape.extract.page import Page, pixels
from mediascrape.scrape.extract.text import dereferenced

#: Properties whose value (a text, a node, or a list of these) is media.
PROPERTIES: Final[dict[str, Kind]] = {
    "image": "image",
    "logo": "image",
    "thumbnailUrl": "image",
    "thumbnail": "image",
    "primaryImageOfPage": "image",
    "photo": "image",
    "contentUrl": "image",
    "embedUrl": "embed",
}
_wrapping: Final = re.compile(
    r"/\*\s*<!\[CDATA\[\s*\*/|//\s*<!\[CDATA\[|<!\[CDATA\[|(?:/\*\s*|//\s*)?\]\]>(?:\s*\*/)?|<!--|-->"
)
_block_comment: Final = re.compile(r"(?<=[\s{}\[\],])/\*.*?\*/", re.DOTALL)
_trailing_comma: Final = re.compile(r",(?=\s*[}\]])")
_decoder: Final = json.JSONDecoder(strict=False)
#: Nodes looked at in one block: a hostile one is cut off there.
MAX_NODES: Final = 50_000


def find_jsonld(page: Page, text: str) -> None:
    """Note the media of one `application/ld+json` block; a broken one is mended where that is safe."""
    nodes = 0
    for root in _values(text):
        stack: list[Any] = [root]
        while stack and nodes < MAX_NODES:
            node = stack.pop()
            nodes += 1
            if isinstance(node, dict):
                _find_in_node(page, node)
                stack.extend(value for value in reversed(node.values()) if isinstance(value, dict | list))
            elif isinstance(node, list):
                stack.extend(value for value in reversed(node) if isinstance(value, dict | list))


def _values(text: str) -> list[Any]:
    """The JSON values of a block: one, or, after mending, as many as follow one another."""
    try:
        return [orjson.loads(_unwrapped(text))]
    except orjson.JSONDecodeError:
        pass
    try:
        return [_decoder.decode(text)]
    except (ValueError, RecursionError):
        return list(_mended(text))


def _unwrapped(text: str) -> str:
    """The text without one CDATA section around it, the most usual wrapping."""
    text = text.strip()
    return text[9:-3] if text.startswith("<![CDATA[") and text.endswith("]]>") else text


def _mended(text: str) -> Iterator[Any]:
    """Wrapping in CDATA or comments and trailing commas are dropped; what follows the first error is lost."""
    text = _wrapping.sub("", text)
    # Only up to the last end, or each comment without one would be searched to the end of the text.
    last = text.rfind("*/") + 2
    text = _trailing_comma.sub("", _block_comment.sub("", text[:last]) + text[last:])
    position = 0
    while True:
        while position < len(text) and text[position] in " \t\r\n;,\ufeff":
            position += 1
        try:
            value, position = _decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value


def _find_in_node(page: Page, node: dict[str, Any]) -> None:
    own = _kind_of_node(node)
    for name, value in node.items():
        kind = PROPERTIES.get(name)
        if kind is None:
            continue
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, str):
                _add(page, entry, (own or kind) if name == "contentUrl" else kind, name, node)
            elif isinstance(entry, dict) and kind == "image" and isinstance(entry.get("url"), str):
                _add(page, entry["url"], "image", name, entry)
    if own == "image":
        url = node.get("url")
        for entry in url if isinstance(url, list) else [url]:
            if isinstance(entry, str):
                _add(page, entry, "image", "url", node)


def _kind_of_node(node: dict[str, Any]) -> Kind | None:
    types = node.get("@type")
    for entry in types if isinstance(types, list) else [types]:
        if isinstance(entry, str):
            kind = TYPES.get(entry.rpartition("/")[2].lower())
            if kind is not None:
                return kind
    return None


def _add(page: Page, ref: str, kind: Kind, name: str, node: dict[str, Any]) -> None:
    if not ref or "{{" in ref or len(ref) > 8192:
        return
    if "&amp;" in ref:
        ref = dereferenced(ref)
    via = "jsonld." + name
    item = page.add_media(ref, kind, via) if kind != "image" else page.add(ref, kind, via)
    if item is not None and kind == "image" and name in ("url", "contentUrl"):
        item.width = item.width or _size(node.get("width"))
        item.height = item.height or _size(node.get("height"))


def _size(value: object) -> int | None:
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**9 else None
    return pixels(value) if isinstance(value, str) else None
