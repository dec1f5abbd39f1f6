"""Reads a document once, start to end, and hands each start tag to its finder."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from mediascrape.scrape.extract.finders import ATTRIBUTES, ELEMENTS, find
from mediascrape.scrape.extract.jsonld import find_jsonld
from mediascrape.scrape.extract.page import Page, flag
from mediascrape.scrape.extract.state import find_in_script
from mediascrape.scrape.extract.style_sheet import style_sheet_urls
from mediascrape.scrape.extract.text import decoded, label, plain, unescaped
from mediascrape.scrape.extract.tokens import (
    RAW_TEXT,
    attributes,
    exact_tokens,
    fast_tokens,
    fast_tokens_and_ends,
    head_and_text,
    is_whole,
    tag_name,
)
from mediascrape.scrape.urls import join_url


class ReadAgainError(Exception):
    """What was learned on the way changes how the beginning reads: the base URL, or that tags are not whole."""


def read(page: Page, data: str, *, exact: bool) -> None:
    """Note everything in `data` (UTF-8 read as Latin-1) on the page.

    Raises ReadAgainError when a `base[href]` follows relative URLs, or, unless `exact`, when a tag holds a `>`.
    """
    if exact:
        _read_with_scopes(page, exact_tokens(data), exact=True)
    elif "itemscope" in data:
        _read_with_scopes(page, fast_tokens_and_ends(data), exact=False)
    else:
        _read_tokens(page, fast_tokens(data))


def _read_tokens(page: Page, tokens: list[str]) -> None:
    for token in tokens:
        if token[:3] in _KEYS:
            if "'" in token or token[-2:] != '">' or token[-3] in _BEFORE_VALUE:
                _check(token)
            name = token[: token.find(" ", 0, 12)]
            handler = _HANDLERS.get(name)
            if handler is None:
                name = tag_name(token)[0].lower()  # type: ignore[index]
                handler = _HANDLERS.get(name, _element)
            handler(page, name, token)
        elif len(token) > 12:
            if "'" in token or token[-2] != '"' or token[-3] in _BEFORE_VALUE:
                _check(token)
            if ("." in token and _names_media(token)) or "url(" in token:
                name = tag_name(token)[0].lower()  # type: ignore[index]
                find(page, name, attributes(token))


def _read_with_scopes(page: Page, tokens: list[str], *, exact: bool) -> None:
    """Like `_read_tokens`, knowing which microdata items are open; a tag with `itemprop` is always looked at."""
    scopes = page.scopes
    for token in tokens:
        if scopes:
            name = tag_name(token)[0].lower() if token else ""  # type: ignore[index]
            if token[:1] == "/":
                scopes.end(name[1:])
            else:
                scopes.start(name)
        if token[:3] in _KEYS:
            if not exact:
                _check(token)
            name = tag_name(token)[0].lower()  # type: ignore[index]
            if "itemscope" in token and name not in RAW_TEXT:
                _enter(page, name, token)
            _HANDLERS.get(name, _element)(page, name, token)
        elif len(token) > 12:
            if not exact and ("'" in token or token[-2] != '"' or token[-3] in _BEFORE_VALUE):
                _check(token)
            if "itemscope" in token:
                _enter(page, tag_name(token)[0].lower(), token)  # type: ignore[index]
            if ("." in token and _names_media(token)) or "url(" in token or "itemprop" in token:
                name = tag_name(token)[0].lower()  # type: ignore[index]
                find(page, name, attributes(token))


def _enter(page: Page, name: str, token: str) -> None:
    attrs = attributes(token)
    if "itemscope" in attrs:
        page.scopes.enter(name, plain(attrs.get("itemtype", "")), attrs.get("itemprop", ""))


#: A quote after one of these may open a value; after anything else it closes one.
_BEFORE_VALUE = "= \t\n\f\r"


def _check(token: str) -> None:
    """A tag cut at its first `>` is whole if all quotes are closed there."""
    if token[-1] != ">":
        token = token[: token.find(">") + 1]
    if ("'" in token or token.count('"') & 1) and not is_whole(token):
        raise ReadAgainError


def _element(page: Page, name: str, token: str) -> None:
    find(page, name, attributes(token))


def _meta(page: Page, name: str, token: str) -> None:
    if any(map(token.__contains__, _META_WORDS)) or _names_media(token):
        find(page, name, attributes(token))


def _link(page: Page, name: str, token: str) -> None:
    if '"stylesheet"' not in token:
        find(page, name, attributes(token))


def _script(page: Page, name: str, token: str) -> None:
    if page.deep or "json" in token[:400]:
        head, text = head_and_text(token)
        if "ld+json" in attributes(head).get("type", "").lower():
            find_jsonld(page, decoded(text))
        elif page.deep:
            find_in_script(page, decoded(text))


def _style(page: Page, name: str, token: str) -> None:
    if "(" not in token:
        return
    head, text = head_and_text(token)
    kind = attributes(head).get("type", "").strip().lower()
    if kind in ("", "text/css"):
        for url in style_sheet_urls(decoded(text)):
            flag(page.add(url, "image", "style.url"), "decoration")


def _title(page: Page, name: str, token: str) -> None:
    if page.document.title is None and not page.svg:
        text = unescaped(decoded(head_and_text(token)[1]))
        page.document.title = " ".join(text.split()) or None


def _iframe(page: Page, name: str, token: str) -> None:
    find(page, name, attributes(head_and_text(token)[0]))


def _base(page: Page, name: str, token: str) -> None:
    """The first `base[href]` counts, for the whole document."""
    href = attributes(token).get("href")
    if page.base_fixed or href is None or "in_template" in page.within:
        return
    page.base_fixed = True
    base = join_url(page.document.base_url, plain(href).strip())
    if base is None or not base.startswith(("http://", "https://")) or base == page.document.base_url:
        return
    page.document.base_url = base
    if page.resolved:
        raise ReadAgainError


def _html(page: Page, name: str, token: str) -> None:
    if page.document.lang is None:
        page.document.lang = label(attributes(token).get("lang", ""))


def _skip(page: Page, name: str, token: str) -> None:
    """Text of a control, or a fallback no browser shows."""


def _noscript(page: Page, name: str, token: str) -> None:
    page.within = ("in_noscript",)


def _template(page: Page, name: str, token: str) -> None:
    page.within = ("in_template",)


def _outside(page: Page, name: str, token: str) -> None:
    page.within = ()


def _svg(page: Page, name: str, token: str) -> None:
    page.svg += 1


def _end_svg(page: Page, name: str, token: str) -> None:
    page.svg = max(0, page.svg - 1)


def _end_media(page: Page, name: str, token: str) -> None:
    page.parent = ""


_HANDLERS: dict[str, Callable[[Page, str, str], None]] = {
    "meta": _meta,
    "script": _script,
    "style": _style,
    "title": _title,
    "iframe": _iframe,
    "base": _base,
    "html": _html,
    "noscript": _noscript,
    "template": _template,
    "/noscript": _outside,
    "/template": _outside,
    "svg": _svg,
    "/svg": _end_svg,
    "/picture": _end_media,
    "/video": _end_media,
    "/audio": _end_media,
    "img": _element,
    "source": _element,
    "input": _element,
    "link": _link,
    **dict.fromkeys(("textarea", "xmp", "noembed", "noframes"), _skip),
}
#: Elements looked at whatever their attributes; all others only if these may name media.
_FOUND = frozenset(ATTRIBUTES.keys() | ELEMENTS.keys()) - {
    "a", "area", "body", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "use",
}  # fmt: skip


def _spellings(prefix: str) -> list[str]:
    return ["".join(letters) for letters in itertools.product(*({char, char.upper()} for char in prefix))]


#: The first three characters of the tokens that have a handler, in any case.
_KEYS = frozenset(key for name in _HANDLERS.keys() | _FOUND for key in _spellings(name[:3]))
#: A dot and what may be a media extension at the end of a path: neither a host nor a page.
_names_media = re.compile(
    r"\.(?![hH][tT][mM]|[pP][hH][pP]|[aA][sS][pP])[a-zA-Z0-9]{2,5}[\"'?#&;:!,)> \t\n\f\r]"
).search
#: Words, one of which is in every `meta` that may matter.
_META_WORDS = (
    "image",
    "video",
    "audio",
    "player",
    "thumb",
    "logo",
    "escription",
    "photo",
    "rl",
    "msappl",
    "mage",
)
