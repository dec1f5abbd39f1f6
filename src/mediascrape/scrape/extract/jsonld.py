"""JSON-LD: the media of schema.org nodes at any depth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from mediascrape.scrape.extract.items import Kind, MediaItem
from mediascrape.scrape.extract.kinds import kind_of_mime, kind_of_url
from mediascrape.scrape.extract.microdata import TYPES
from mediascrape.scrape.extract.page import Page, mime_type, pixels
from mediascrape.scrape.extract.text import dereferenced
from mediascrape.scrape.giving_way import STEPS, give_way

#: Properties whose value (a text, a node, or a list of these) is media.
PROPERTIES: Final[dict[str, Kind]] = {
    "image": "image",
    "logo": "image",
    "thumbnailUrl": "image",
    "thumbnail": "image",
    "primaryImageOfPage": "image",
    "photo": "image",
    "contentUrl": "embed",  # or what the node or the extension tells
    "embedUrl": "embed",
}
#: Properties whose value, when it is a text, is media if its extension says so.
_MAYBE: Final = frozenset(
    {"associatedMedia", "audio", "encoding", "images", "photos", "screenshot", "trailer", "video"}
)
_wrapping: Final = re.compile(
    r"/\*\s*<!\[CDATA\[\s*\*/|//\s*<!\[CDATA\[|<!\[CDATA\[|(?:/\*\s*|//\s*)?\]\]>(?:\s*\*/)?|<!--|-->"
)
_block_comment: Final = re.compile(r"(?<=[\s{}\[\],])/\*.*?\*/", re.DOTALL)
_trailing_comma: Final = re.compile(r",(?=\s*[}\]])")
_decoder: Final = json.JSONDecoder(strict=False)
_schema_org: Final = re.compile(r"schema:|https?://(?:www\.)?schema\.org/").match
#: Types (lower case) whose `contentUrl` is no image, video or audio.
_OTHER_CONTENT: Final = frozenset({"datadownload", "textobject", "legislationobject", "3dmodel"})
#: Properties that name the very thing their node describes.
_OWN_URLS: Final = frozenset({"url", "contentUrl", "embedUrl"})
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
            if not nodes & STEPS:
                give_way()
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


def _find_in_node(page: Page, node: dict[str, object]) -> None:
    types = _types(node)
    own = next((TYPES[name] for name in types if name in TYPES), None)
    for key, value in node.items():
        name = _term(key) if ":" in key else key
        kind = PROPERTIES.get(name)
        if kind is None:
            if name in _MAYBE:
                _find_files(page, name, value, node)
            continue
        if name == "contentUrl":
            if not _OTHER_CONTENT.isdisjoint(types):
                continue
            form = node.get("encodingFormat")
            kind = own or (kind_of_mime(form) if isinstance(form, str) else None) or kind
        for entry in _entries(value):
            if isinstance(entry, str):
                _add(page, entry, kind, name, node)
            elif isinstance(entry, dict) and kind == "image" and (url := _url_of(entry)) is not None:
                _add(page, url, "image", name, entry)
    if own == "image":
        for entry in _entries(node.get("url")):
            if isinstance(entry, str):
                _add(page, entry, "image", "url", node)


def _find_files(page: Page, name: str, value: object, node: dict[str, object]) -> None:
    """The texts of a property that have the extension of a media file."""
    for entry in _entries(value):
        if isinstance(entry, str) and kind_of_url(entry):
            _add(page, entry, None, name, node)


def _entries(value: object) -> list[object]:
    """The values of a property: one, a list of them, or a list as JSON-LD 1.1 writes it out (section 4.3)."""
    if isinstance(value, dict):
        value = value.get("@list") or value.get("@set") or value
    return value if isinstance(value, list) else [value]


def _term(key: str) -> str:
    """The property that a compact or full IRI of schema.org names; of other vocabularies nothing."""
    match = _schema_org(key)
    return "" if match is None else key[match.end() :]


def _types(node: dict[str, object]) -> list[str]:
    types = node.get("@type")
    if types is None:
        return []
    return [
        entry.rpartition("/")[2].rpartition(":")[2].lower()
        for entry in (types if isinstance(types, list) else [types])
        if isinstance(entry, str)
    ]


def _url_of(node: dict[str, object]) -> str | None:
    """The image that a node stands for: its `url`, `contentUrl` or value, or its IRI if that is all and a file's."""
    url = node.get("url") or node.get("contentUrl") or node.get("@value")
    if isinstance(url, str):
        return url
    iri = node.get("@id")
    if isinstance(iri, str) and url is None and kind_of_url(iri) == "image":
        return None if "#" in iri else iri
    return None


def _add(page: Page, ref: str, kind: Kind | None, name: str, node: dict[str, object]) -> None:
    if not ref or "{{" in ref or len(ref) > 8192:
        return
    if "&amp;" in ref:
        ref = dereferenced(ref)
    via = "jsonld." + name
    item = page.add(ref, "image", via) if kind == "image" else page.add_media(ref, kind, via)
    if item is not None and name in _OWN_URLS:
        _describe(page, item, node)


def _describe(page: Page, item: MediaItem, node: dict[str, object]) -> None:
    """What a media node says of itself. The first to say it counts."""
    item.title = item.title or _line(node.get("name"))
    item.alt = item.alt or _line(node.get("caption"))
    item.width = item.width or _size(node.get("width"))
    item.height = item.height or _size(node.get("height"))
    form = node.get("encodingFormat")
    if item.mime_type is None and isinstance(form, str):
        item.mime_type = mime_type(form)
    if item.kind != "image" and item.thumbnail is None:
        still = node.get("thumbnailUrl")
        still = still[0] if isinstance(still, list) and still else still
        item.thumbnail = page.resolve(still) if isinstance(still, str) and still else None


def _line(value: object) -> str | None:
    return " ".join(value.split()) or None if isinstance(value, str) else None


def _size(value: object) -> int | None:
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 10**9 else None
    return pixels(value) if isinstance(value, str) else None
