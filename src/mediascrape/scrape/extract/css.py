"""Image references in CSS as a browser's object model keeps them (CSS Syntax 3).

Not every `url()` in a style sheet is an image that a browser knows: rules with an invalid selector are dropped
whole, unknown properties and values singly, and of two declarations of one property only the last counts.
A tokenizer library in Python (tinycss2) reads under 1 MB/s and pages carry 30 KB of CSS on average, so declarations
are read by regular expressions here, and rules are found by their braces in `style_sheet`. Linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_WS: Final = r"[ \t\n\f\r]"
STRING: Final = r"\"(?:[^\"\\\n]++|\\.)*+\"?|'(?:[^'\\\n]++|\\.)*+'?"
#: A URL without quotes is one token: `;`, `{` and `(` in it mean nothing.
BARE_URL: Final = r"[uU][rR][lL]\([ \t\n\f\r]*+(?![\"'])(?:[^)\\]++|\\.)*+\)?"

#: Takes any text: a part that it could not would be tried again from each of its characters.
_declaration: Final = re.compile(
    rf"[ \t\n\f\r;]*+(--[^:;{{}}()\s]*+|-?[a-zA-Z][a-zA-Z-]*+)?((?:[^;\"'(\\uU]++|{BARE_URL}|{STRING}|\\.?"
    rf"|\((?:[^()\"'\\]++|{STRING}|\\.|\((?:[^()\"'\\]++|{STRING}|\\.|\([^()]*+\))*+\))*+\)|[uU(])*+)(?:;|\Z)",
    re.DOTALL,
).finditer
#: What is open at the end of the text is closed there, as in `style="background:url(a.png"`. A bad URL, with a quote
#: or a blank within, ends at its `)`: what looks like another in it is none.
_reference: Final = re.compile(
    rf"[uU][rR][lL]\({_WS}*+(?:\"((?:[^\"\\\n]++|\\.)*+)(?:\"|\Z)|'((?:[^'\\\n]++|\\.)*+)(?:'|\Z)"
    rf"|((?:[^ \t\n\f\r\"'()\\]++|\\(?:[0-9A-Fa-f]{{1,6}}{_WS}?|.))*+)){_WS}*+(?:\)|\Z)"
    rf"|image-set\(|{BARE_URL}",
    re.DOTALL,
).finditer
_set_string: Final = re.compile(
    rf"([a-z-]+)?\((?:[^()\"']++|{STRING})*+\)|\"((?:[^\"\\\n]++|\\.)*+)\"|'((?:[^'\\\n]++|\\.)*+)'|\)",
    re.DOTALL,
)
_escape: Final = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})[ \t\n\f\r]?|(\r\n|[\n\f\r])|(.))", re.DOTALL)

#: property -> the slot it fills: a later declaration of the same slot replaces an earlier one.
_SLOTS: Final = {
    "background": "background", "background-image": "background",
    "list-style": "list-style", "list-style-image": "list-style",
    "border-image": "border-image", "border-image-source": "border-image", "-webkit-border-image": "border-image",
    "mask": "mask", "mask-image": "mask", "-webkit-mask": "mask", "-webkit-mask-image": "mask",
    "-webkit-mask-box-image": "mask-box", "-webkit-mask-box-image-source": "mask-box",
    "cursor": "cursor", "content": "content", "shape-outside": "shape-outside",
}  # fmt: skip
#: Values that no current browser takes: IE hacks, prefixes of other engines, a semicolon forgotten.
_invalid_value: Final = re.compile(
    r"\\[0-9]\s*$|!\s*ie|[:{}]|expression\(|-(?:moz|o|ms|khtml)-[a-z-]+\(", re.IGNORECASE
).search
#: How a cursor's value ends: images need a keyword after them.
_ends_in_keyword: Final = re.compile(r",\s*[a-zA-Z-]+\s*(?:!\s*important\s*)?$", re.IGNORECASE).search
_without_urls: Final = re.compile(rf"{BARE_URL}|{STRING}", re.DOTALL).sub
_important: Final = re.compile(r"!\s*important\s*$", re.IGNORECASE).search


def declaration_urls(css: str) -> list[str]:
    """The image URLs of a declaration list: a rule's block or a `style` attribute."""
    if not may_name_image(css):
        return []
    if (urls := _ordinary_urls(css)) is not None:
        return urls
    css = without_comments(css)
    values: dict[str, str] = {}
    for name, value in _plain_declarations(css) if _is_plain(css) else _declarations(css):
        slot = _SLOTS.get(name) or (name if name[:2] == "--" else None)
        if slot is None or not value.strip():
            continue
        if name[:2] != "--" and (name == "cursor" or _may_be_invalid(value)) and _is_invalid(name, value):
            continue
        if slot in values:
            if "!" in values[slot] and _important(values[slot]) and not _important(value):
                continue
            del values[slot]
        values[slot] = value
    if not values:
        return []
    return [url for value in values.values() if "(" in value for url in value_urls(value)]


_BLANKS: Final = " \t\n\f\r"
_ordinary_url: Final = re.compile(rf"url\([{_BLANKS}]*+([\"']?+)([^\s\"'()\\]++)\1[{_BLANKS}]*+\)").match
#: Slot -> a search for a declaration that fills it.
_fills: Final = {
    slot: re.compile(
        rf"(?:{'|'.join(name for name in _SLOTS if _SLOTS[name] == slot)})\s*:", re.IGNORECASE
    ).search
    for slot in _SLOTS.values()
}


def _ordinary_urls(css: str) -> list[str] | None:
    """The same of a list with one function, a `url(`, that nothing replaces or makes invalid: most are such.

    None if it is not certain that the list is.
    """
    start = css.find("url(")
    match = _ordinary_url(css, start) if start >= 0 else None
    if match is None or css.count("(") > 1 or "\\" in css or "!" in css or "/*" in css or not css.isascii():
        return None
    if ('"' in css or "'" in css) and css.count('"') + css.count("'") != 2 * len(match[1]):
        return None
    name, colon, before = css[css.rfind(";", 0, start) + 1 : start].partition(":")
    slot = _SLOTS.get(name.strip(_BLANKS).lower())
    after, _, others = css[match.end() :].partition(";")
    if (
        slot in (None, "cursor")
        or not colon
        or ":" in before
        or ":" in after
        or (slot in others and _fills[slot](others))
    ):
        return None
    return [] if match[2][0] == "#" else [match[2]]


def _is_plain(css: str) -> bool:
    """Whether every semicolon ends a declaration: none is in a string, an escape or parentheses."""
    if "'" in css or '"' in css or "\\" in css:
        return False
    return all(part.count("(") == part.count(")") for part in css.split(";"))


def _plain_declarations(css: str) -> Iterator[tuple[str, str]]:
    for declaration in css.split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            name = name.strip()
            yield (name if name[:2] == "--" else name.lower()), value


def _may_be_invalid(value: str) -> bool:
    return "\\" in value or "!" in value or ":" in value or "-" in value or "expression" in value


def _is_invalid(name: str, value: str) -> bool:
    if name == "cursor" and "(" in value and not _ends_in_keyword(value):
        return True
    return _invalid_value(_without_urls("url", value)) is not None


def value_urls(value: str) -> list[str]:
    """The URLs in one value: `url()`, and the strings of `image-set()`."""
    found: list[str] = []
    read_until = 0
    for match in _reference(value):
        url = match[1] or match[2] or match[3]
        if url:
            if url[0] != "#":
                found.append(_unescape(url))
        elif match[0] == "image-set(" and match.start() >= read_until:
            read_until = _read_image_set(value, match.end(), found)
    return found


def without_comments(css: str) -> str:
    """The text with each comment as a blank."""
    if "/*" not in css:
        return css
    first, *others = css.split("/*")
    # A part without `*/` lies within a comment that holds `/*`, or in one that is never closed.
    kept = [first]
    for part in others:
        _, end, after = part.partition("*/")
        if end:
            kept.append(after)
    return " ".join(kept)


FUNCTIONS: Final = ("url(", "image-set(", "URL(")


def may_name_image(css: str) -> bool:
    """Whether any function that names an image is in the text."""
    return "(" in css and any(function in css for function in FUNCTIONS)


def _declarations(css: str) -> Iterator[tuple[str, str]]:
    for match in _declaration(css):
        name, rest = match.groups()
        rest = rest.lstrip()
        if name and rest[:1] == ":":
            yield (name if name.startswith("--") else name.lower()), rest[1:]


def _read_image_set(value: str, position: int, found: list[str]) -> int:
    """Add the bare strings of an `image-set(` (its `url()`s are found like any other); the position of its end."""
    for match in _set_string.finditer(value, position):
        if match[0] == ")":
            return match.end()
        if match[2] or match[3]:
            found.append(_unescape(match[2] or match[3]))
    return len(value)


def _unescape(text: str) -> str:
    return _escape.sub(_escaped, text) if "\\" in text else text


def _escaped(match: re.Match[str]) -> str:
    """CSS Syntax 3, section 4.3.7."""
    code, newline, char = match.groups()
    if newline is not None:
        return ""
    if code is None:
        return str(char)
    point = int(code, 16)
    return "\ufffd" if point == 0 or 0xD800 <= point <= 0xDFFF or point > 0x10FFFF else chr(point)
