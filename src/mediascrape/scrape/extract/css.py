"""Image references in CSS as a browser's object model keeps them (CSS Syntax 3).

Not every `url()` in a style sheet is an image that a browser knows: rules with an invalid selector are dropped
whole, unknown properties and values singly, and of two declarations of one property only the last counts.
A tokenizer library in Python (tinycss2) reads under 1 MB/s and pages carry 30 KB of CSS on average, so
the structure is read by regular expressions: rules without `url(` are passed over in bulk (`_skip_plain`), the
others are cut at their braces and read declaration by declaration. Linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRING = r"\"(?:[^\"\\\n]++|\\.)*+\"?|'(?:[^'\\\n]++|\\.)*+'?"
#: A URL without quotes is one token: `;`, `{` and `(` in it mean nothing.
_BARE_URL = r"[uU][rR][lL]\([ \t\n\f\r]*+(?![\"'])(?:[^)\\]++|\\.)*+\)?"

_comments = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
#: Rules that can't name an image: no URL, no string, no bracket that might hide a brace.
_skip_plain = re.compile(
    r"(?:[^{}\[\]()\"'\\;@<]*+\{[^{}\"'\\(\[]*+(?:(?<![lLtT])\([^{}\"'\\()\[]*+\)[^{}\"'\\(\[]*+)*+\})*+"
).match
#: A selector or an at-rule's head up to its `{`, and a block's rest up to its `}`, where nothing is nested oddly.
_plain_head = re.compile(
    r"[^{}\[\]()\"'\\;]*+(?:(?:\[[^\[\](){}\"'\\;]*+(?:\"[^\"\\\n]*+\"|'[^'\\\n]*+')?+[^\[\](){}\"'\\;]*+\]"
    r"|\([^(){}\[\]\"'\\;]*+\))[^{}\[\]()\"'\\;]*+)*+\{"
).match
_plain_block = re.compile(
    r"[^{}\[\]()\"'\\]*+(?:(?:\((?:[^(){}\[\]\"'\\]++|\"[^\"\\\n]*+\"|'[^'\\\n]*+')*+\)"
    r"|\"[^\"\\\n]*+\"|'[^'\\\n]*+')[^{}\[\]()\"'\\]*+)*+\}"
).match
_structure = re.compile(rf"{_BARE_URL}|{_STRING}|\\.|[{{}}\[\]();]", re.DOTALL).finditer
_declaration = re.compile(
    rf"[ \t\n\f\r;]*+(--[^:;{{}}()\s]*+|-?[a-zA-Z][a-zA-Z-]*+)?((?:[^;\"'(\\uU]++|{_BARE_URL}|{_STRING}|\\."
    rf"|\((?:[^()\"'\\]++|{_STRING}|\\.|\((?:[^()\"'\\]++|{_STRING}|\\.|\([^()]*+\))*+\))*+\)|[uU(])*+)(?:;|\Z)",
    re.DOTALL,
).finditer
_reference = re.compile(
    r"(?:url|src)\(\s*+(?:\"((?:[^\"\\\n]++|\\.)*+)\"|'((?:[^'\\\n]++|\\.)*+)'|((?:[^\s\"'()\\]++|\\.)*+))\s*+\)"
    r"|image-set\(",
    re.IGNORECASE | re.DOTALL,
).finditer
_set_string = re.compile(
    rf"([a-z-]+)?\((?:[^()\"']++|{_STRING})*+\)|\"((?:[^\"\\\n]++|\\.)*+)\"|'((?:[^'\\\n]++|\\.)*+)'|\)",
    re.DOTALL,
)
_escape = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})[ \t\n\f\r]?|(\r\n|[\n\f\r])|(.))", re.DOTALL)
_at_name = re.compile(r"\s*@([a-zA-Z-]+)").match

#: At-rules that hold rules; all others are passed over with their block (fonts, pages, what is unknown).
_GROUPS = frozenset(
    ["media", "supports", "layer", "container", "scope", "starting-style", "keyframes", "-webkit-keyframes"]
)
#: property -> the slot it fills: a later declaration of the same slot replaces an earlier one.
_SLOTS = {
    "background": "background", "background-image": "background",
    "list-style": "list-style", "list-style-image": "list-style",
    "border-image": "border-image", "border-image-source": "border-image", "-webkit-border-image": "border-image",
    "mask": "mask", "mask-image": "mask", "-webkit-mask": "mask", "-webkit-mask-image": "mask",
    "-webkit-mask-box-image": "mask-box", "-webkit-mask-box-image-source": "mask-box",
    "cursor": "cursor", "content": "content", "shape-outside": "shape-outside",
}  # fmt: skip
#: Values that no current browser takes: IE hacks, prefixes of other engines.
_invalid_value = re.compile(
    r"\\[0-9]\s*$|!\s*ie|progid:|expression\(|-(?:moz|o|ms|khtml)-[a-z-]+\(", re.IGNORECASE
).search
_invalid_selector = re.compile(r"[;$%!@?{}]|::?-(?:moz|ms|o|khtml)-|^\s*[,>+~]{2}").search
_in_brackets = re.compile(r"\[[^\]]*\]").sub
_important = re.compile(r"!\s*important\s*$", re.IGNORECASE).search

_CLOSER = {"{": "}", "[": "]", "(": ")"}


def style_sheet_urls(css: str) -> list[str]:
    """The image URLs of a style sheet, in order, unescaped, repeats included."""
    if not _may_name_image(css):
        return []
    found: list[str] = []
    css = _comments.sub(" ", css)
    position, depth, length = 0, 0, len(css)
    broken = False
    while position < length:
        if not broken:
            position = _skip_plain(css, position).end()  # type: ignore[union-attr]
        start = position
        head = _plain_head(css, start)
        position, stop = _next_stop(css, start) if head is None else (head.end(), "{")
        prelude = css[start : position - 1]
        if stop == "}":
            broken = not depth
            depth = max(0, depth - 1)
        elif stop == "{":
            at_rule = _at_name(prelude)
            if at_rule is not None and at_rule[1].lower() in _GROUPS:
                depth += 1
                continue
            start = position
            block = _plain_block(css, start)
            position = _next_stop(css, start, "}")[0] if block is None else block.end()
            if at_rule is None and not broken and not _invalid_selector(_in_brackets("", prelude)):
                found += declaration_urls(css[start : position - 1])
            broken = False
    return found


def declaration_urls(css: str) -> list[str]:
    """The image URLs of a declaration list: a rule's block or a `style` attribute."""
    if not _may_name_image(css):
        return []
    if "/*" in css:
        css = _comments.sub(" ", css)
    nested: list[str] = []
    if "{" in css:
        css, nested = _without_nested_rules(css)
    values: dict[str, str] = {}
    for name, value in _declarations(css):
        slot = _SLOTS.get(name) or (name if name.startswith("--") else None)
        if slot is None or _invalid_value(value):
            continue
        if slot in values and _important(values[slot]) and not _important(value):
            continue
        values.pop(slot, None)
        values[slot] = value
    return [url for value in values.values() for url in value_urls(value)] + nested


def value_urls(value: str) -> list[str]:
    """The URLs in one value: `url()`, `src()`, and the strings of `image-set()`."""
    found = []
    for match in _reference(value):
        if match.lastindex is None:
            found += _image_set(value, match.end()) if match[0][-1] == "(" else []
            continue
        url = match[1] or match[2] or match[3]
        if url and url[0] != "#":
            found.append(_unescape(url))
    return found


def _may_name_image(css: str) -> bool:
    return "url(" in css or "image-set(" in css or "URL(" in css or "src(" in css


def _next_stop(css: str, position: int, stops: str = "{};") -> tuple[int, str]:
    """The position after the next of `stops` that no bracket hides; the end of the text if there is none."""
    closers: list[str] = []
    at_rule = _at_name(css, position) is not None
    for match in _structure(css, position):
        piece = match[0]
        if len(piece) > 1:
            continue
        if closers:
            if piece == closers[-1]:
                closers.pop()
            elif piece in _CLOSER:
                closers.append(_CLOSER[piece])
        elif piece in stops and (at_rule or piece in "{}"):
            return match.end(), piece
        elif piece in _CLOSER:
            closers.append(_CLOSER[piece])
    return len(css) + 1, ""


def _declarations(css: str) -> Iterator[tuple[str, str]]:
    for match in _declaration(css):
        name, rest = match.groups()
        rest = rest.lstrip()
        if name and rest[:1] == ":":
            yield (name if name.startswith("--") else name.lower()), rest[1:]


def _without_nested_rules(css: str) -> tuple[str, list[str]]:
    """The declarations of a block, and the URLs of the rules nested in it (CSS Nesting), one level at a time."""
    own: list[str] = []
    nested: list[str] = []
    position = 0
    while position < len(css):
        brace, stop = _next_stop(css, position, "{")
        if not stop:
            own.append(css[position:])
            break
        head = css[position : brace - 1]
        cut = head.rfind(";") + 1
        own.append(head[:cut])
        position, _ = _next_stop(css, brace, "}")
        body = css[brace : position - 1]
        if "{" not in body:
            nested += declaration_urls(body)
    return " ".join(own), nested


def _image_set(value: str, position: int) -> list[str]:
    """Bare strings of an `image-set(`; its `url()`s are found like any other."""
    found = []
    for match in _set_string.finditer(value, position):
        if match[0] == ")":
            break
        if match[2] or match[3]:
            found.append(_unescape(match[2] or match[3]))
    return found


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
