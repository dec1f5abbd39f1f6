"""The rules of a style sheet that name images, found by their braces (CSS Syntax 3, section 5).

Where braces are all structure, which most sheets are, they are found by `str.find`: 30 KB cost 30 microseconds. A
sheet in which a string or a bracket holds a brace is cut by `_next_stop`, which knows strings, brackets and escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mediascrape.scrape.extract.css import (
    BARE_URL,
    FUNCTIONS,
    STRING,
    declaration_urls,
    may_name_image,
    without_comments,
)
from mediascrape.scrape.giving_way import STEPS, give_way

#: At-rules that hold rules; all others are passed over with their block (fonts, pages, what is unknown).
_GROUPS: Final = frozenset(
    ["media", "supports", "layer", "container", "scope", "starting-style", "keyframes", "-webkit-keyframes"]
)
#: At-rules whose block or statement holds no rules.
_LEAVES: Final = frozenset(
    ["font-face", "import", "charset", "namespace", "page", "viewport", "-ms-viewport", "-o-viewport", "property",
     "counter-style", "-ms-keyframes", "-moz-keyframes", "-o-keyframes"]
)  # fmt: skip
_name: Final = re.compile(r"[a-zA-Z-]*").match
_at_name: Final = re.compile(r"\s*@([a-zA-Z-]+)").match
_escaped_structure: Final = re.compile(r"\\[{}\"']").search
_invalid_selector: Final = re.compile(
    r"^\s*$|[;$%!@?{}/]|::?-(?:moz|ms|o|khtml)-|(?<!:):-webkit-(?!any|autofill|drag|full)|[,>+~]\s*$"
    r"|[,>+~]\s*[,>+~]|(?:^|[.#\s,>+~])[0-9]"
).search
_COMPOUND: Final = r"(?:[.#]?[a-zA-Z_-][\w-]*+|\*)(?:[.#][a-zA-Z_-][\w-]*+|::?(?!-)[a-zA-Z-]++)*+"
#: What `_invalid_selector` has no part of, at a fraction of its cost.
_is_ordinary_selector: Final = re.compile(
    rf"\s*+{_COMPOUND}(?:(?:\s*+[,>+~]\s*+|\s++){_COMPOUND})*+\s*+"
).fullmatch
#: Escaped or in brackets: it says nothing of the rest.
_in_brackets: Final = re.compile(r"\\(?:[0-9a-fA-F]{1,6}\s?|.)|\[[^\]]*\]|\([^()]*\)").sub
_is_keyframe: Final = re.compile(
    r"\s*(?:from|to|[0-9.]+%)(?:\s*,\s*(?:from|to|[0-9.]+%))*\s*", re.IGNORECASE
).fullmatch
#: Keyframes of other engines: no browser keeps what is in them.
_foreign_keyframes: Final = re.compile(
    r"@-(?:moz|o|ms)-keyframes[^{}]*+\{(?:[^{}]*+\{[^{}]*+\})*+[^{}]*+\}", re.IGNORECASE
).sub

_PLAIN: Final = r"[^{}\[\]()\"'\\]++"
#: Text that opens and closes nothing, or closes what it opens: within a block, and up to the next block or `;`.
_inside_block: Final = re.compile(
    rf"(?:[^{{}}\[\]()\"'\\uU]++|{BARE_URL}|[uU]|{STRING}|\\.|\({_PLAIN}\)"
    rf"|\{{(?:{_PLAIN}|{STRING}|\({_PLAIN}\))*+\}})++",
    re.DOTALL,
).match
_outside_blocks: Final = re.compile(
    rf"(?:[^{{}}\[\]()\"'\\;]++|{STRING}|\\.|\({_PLAIN}\))++", re.DOTALL
).match

_CLOSER: Final = {"{": "}", "[": "]", "(": ")"}


def style_sheet_urls(css: str) -> list[str]:
    """The image URLs of a style sheet, in order, unescaped, repeats included."""
    if not may_name_image(css) or _is_cdata(css):
        return []
    css = without_comments(css)
    if "<" in css and "<!--" in css:
        css = css.replace("<!--", " ").replace("-->", " ")
    found: list[str] = []
    rules = _regular_rules(css) if _is_regular(css) else _rules(css)
    for number, (head, block) in enumerate(rules):
        if not number & STEPS:
            give_way()
        if _is_ordinary_selector(head) or _is_valid(head):
            found += declaration_urls(block)
    return found


def _is_valid(head: str) -> bool:
    """Whether a rule's head is a selector, or a keyframe's place, that browsers take."""
    plain = _in_brackets("x", head) if any(map(head.__contains__, "[(\\")) else head
    return not _invalid_selector(plain) or ("%" in plain and _is_keyframe(plain) is not None)


def _is_cdata(css: str) -> bool:
    """Whether the sheet is an XML section from end to end: to CSS a bracket, with nothing that it would be part of."""
    return (
        css[:100].lstrip().startswith("<![CDATA[")
        and css[-100:].rstrip().endswith("]]>")
        and css.count("[") == css.count("]")
    )


#: All bytes that `_is_regular` needs not see.
_WITHOUT_STRUCTURE: Final = bytes(set(range(256)) - set(b"{}[]()\"'@\\\nU"))
_without_strings: Final = re.compile(rb"\"[^\"{}\n]*+\"|'[^'{}\n]*+'").sub


def _is_regular(css: str) -> bool:
    """Whether every brace is structure and every at-rule one that `_regular_rules` knows.

    The sheet is reduced to its brackets and quotes first, in one pass.
    """
    structure = css.encode("utf-8", "replace").translate(None, _WITHOUT_STRUCTURE)
    if b'"' in structure or b"'" in structure:
        structure = _without_strings(b"", structure)
        if b'"' in structure or b"'" in structure:
            return False
    if any(
        structure.count(opening) != structure.count(closing) for opening, closing in (b"{}", b"[]", b"()")
    ):
        return False
    if not -1 < structure.find(b"{") < structure.find(b"}") or structure.rfind(b"{") > structure.rfind(b"}"):
        return False
    if ("<" in css and "<![" in css) or (b"\\" in structure and _escaped_structure(css)):
        return False
    # `U(` is what the reduction leaves of `URL(`.
    if b"U(" in structure or "image-set(" in css:
        return False
    return b"@" not in structure or all(map(_is_known, css.split("@")[1:]))


def _is_known(at_rule: str) -> bool:
    name = _name(at_rule)[0].lower()  # type: ignore[index]
    return not name or name in _GROUPS or name in _LEAVES


def _regular_rules(css: str) -> Iterator[tuple[str, str]]:
    """Selector and declarations of each rule with a `url(`; the sheet ends with a `}`."""
    if "-keyframes" in css:
        css = _foreign_keyframes("", css)
    position = floor = 0
    while (url := css.find("url(", position)) >= 0:
        opening = css.rfind("{", floor, url)
        if opening < 0 or css.rfind("}", opening, url) >= 0:
            position = url + 4
            continue
        end = css.find("}", url)
        nested = css.find("{", url, end)
        if nested >= 0:
            # A rule within the rule: the declarations before it end at the last semicolon.
            end = css.rfind(";", url, nested)
            end = nested if end < 0 else end
        start = max(css.rfind("}", floor, opening), css.rfind("{", floor, opening), floor - 1) + 1
        head = css[start:opening]
        if ";" in head and head.lstrip()[:1] == "@":
            head = head[head.rfind(";") + 1 :]
        yield head, css[opening + 1 : end]
        position = floor = end + 1


#: Rules within rules; what is deeper is read as declarations, of which it has none.
MAX_NESTING: Final = 8


def _rules(css: str, level: int = 0) -> Iterator[tuple[str, str]]:
    """The same, of a sheet that may hide braces. An unpaired `}` makes the next rule invalid."""
    position = depth = 0
    broken = False
    last = max(map(css.rfind, FUNCTIONS))
    while position <= last:
        start = position
        position, stop = _next_stop(css, start, "{};")
        if stop == "}":
            broken = not depth
            depth = max(0, depth - 1)
        elif stop == "{":
            head = css[start : position - 1]
            at_rule = _at_name(head)
            if at_rule is not None and at_rule[1].lower() in _GROUPS:
                depth += 1
                continue
            start = position
            position = _next_stop(css, start, "}")[0]
            if at_rule is None and not broken:
                yield from _with_nested(head, css[start : position - 1], level)
            broken = False


def _with_nested(head: str, block: str, level: int) -> Iterator[tuple[str, str]]:
    """A rule, and after it the rules nested in it (CSS Nesting)."""
    brace = _next_stop(block, 0, "{")[0] if "{" in block else len(block) + 1
    if brace > len(block) or level == MAX_NESTING:
        yield head, block
        return
    cut = block.rfind(";", 0, brace) + 1
    yield head, block[:cut]
    yield from _rules(block[cut:], level + 1)


def _next_stop(css: str, position: int, stops: str) -> tuple[int, str]:
    """The position after the next of `stops` that no bracket hides; the end of the text if there is none."""
    closers: list[str] = []
    if "{" not in stops or _at_name(css, position) is None:
        stops = stops.replace(";", "")
    skip, end = _outside_blocks if "{" in stops else _inside_block, len(css)
    while position < end:
        match = (_inside_block if closers else skip)(css, position)
        if match is not None:
            position = match.end()
            continue
        char = css[position]
        position += 1
        if closers:
            if char == closers[-1]:
                closers.pop()
            elif char in _CLOSER:
                closers.append(_CLOSER[char])
        elif char in stops:
            return position, char
        elif char in _CLOSER:
            if char == "[":
                position = _closing_bracket(css, position)
            else:
                closers.append(_CLOSER[char])
    return end + 1, ""


def _closing_bracket(css: str, position: int) -> int:
    """Past the `]` that closes a bracket opened before `position`; the end of the text if none does."""
    depth = 1
    while depth:
        end = css.find("]", position)
        if end < 0:
            return len(css)
        depth += css.count("[", position, end) - 1
        position = end + 1
    return position
