"""Tags, attributes and raw text by the HTML standard's rules, by regular expression.

A browser's preload scanner does the same: media need tags and attributes, not a tree. The document is read as
Latin-1 text (one character a byte, whatever the bytes), because the standard library searches texts of one-byte
characters fastest and all of HTML's syntax is ASCII; `text.plain` turns a value into what it says.

A tag is first taken to end at its first `>`, which is right unless a quoted value holds one: `attributes` tells when
it does. `exact_token` follows the standard's tokenizer (HTML 13.2.5) attribute by attribute and costs far more.

Every repeat is possessive and every unclosed construct runs to the end of the document, as the standard says:
both are linear in the document whatever it holds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Final

_WS: Final = r"[ \t\n\f\r]"
_NAME_END: Final = r"(?=[ \t\n\f\r/>])"

#: What follows a tag's name, quotes closed, up to its `>`.
_ATTRIBUTES: Final = (
    r"(?:[ \t\n\f\r/]++|[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    rf"(?:{_WS}*+={_WS}*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"'])[^ \t\n\f\r>]*+)|(?!{_WS}*+=)))*+"
)
#: Comments, declarations, processing instructions, end tags without a name: nothing in them is markup.
_HIDDEN: Final = r"!(?:--(?:-?>|(?s:.*?)(?:--!?>|\Z))|[^>]*+)|\?[^>]*+|/[^a-zA-Z>][^>]*+"

Tree = dict[str, "Tree"]


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of the (lower case) words in any case.

    First letters are alternatives of their own in both cases, which the engine tells apart without a call;
    `re.IGNORECASE` would slow the whole expression down.
    """
    tree: Tree = {}
    for word in words:
        node = tree
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    firsts = [*sorted(tree), *sorted(char.upper() for char in tree if char.isalpha())]
    return "(?:" + "|".join(re.escape(first) + _branches(tree[first.lower()]) for first in firsts) + ")"


def _branches(node: Tree) -> str:
    found = [
        _either_case(char) + _branches(node[char]) if char else "" for char in sorted(node, reverse=True)
    ]
    return found[0] if len(found) == 1 else "(?:" + "|".join(found) + ")" if found else ""


def _either_case(char: str) -> str:
    return f"[{char}{char.upper()}]" if char.isalpha() else re.escape(char)


_AFTER_NAME: Final = frozenset(" \t\n\f\r/>")
_SCRIPT: Final = any_of(["script"]) + _NAME_END

#: A start tag at its `<`, up to the end of its name, the group.
tag_at: Final = re.compile(r"<([a-zA-Z][^ \t\n\f\r/>]*+)").match
#: The next tag (`/name` for an end tag) with its quotes closed. No group: what hides markup, or a tag without end.
exact_token: Final = re.compile(
    rf"<(?:(/?[a-zA-Z][^ \t\n\f\r/>]*+)({_ATTRIBUTES})>|{_HIDDEN}|/?[a-zA-Z](?s:.)*+)"
).search
#: From the end of a tag's name to its `>`, quotes closed.
exact_attributes: Final = re.compile(rf"({_ATTRIBUTES})>").match

_escaped_script_events: Final = re.compile(rf"-->|</?{_SCRIPT}").finditer


#: Elements whose content is text (scripting is off, so `noscript` is not among them).
RAW_TEXT: Final = frozenset(("script", "style", "title", "textarea", "iframe", "xmp", "noembed", "noframes"))


def end_of_raw(data: str, position: int, name: str) -> int:
    """Where the text of an element of RAW_TEXT that begins at a position ends: at its end tag, or with the document.

    Within `<!--` in a script a `<script` hides the next `</script`.
    """
    escapes = name == "script"
    while True:
        position = _end_of_text(data, position, name, escapes=escapes)
        if position == len(data) or data[position + 1] == "/":
            return position
        hidden, opening, position = False, position, len(data)
        for event in _escaped_script_events(data, opening + 2):
            if event[0] == "-->":
                position = event.end()
                break
            if event[0][1] == "/" and not hidden:
                return event.start()
            hidden = event[0][1] != "/"
        if position == len(data):
            return position


def _end_of_text(data: str, position: int, name: str, *, escapes: bool) -> int:
    """Where the next end tag of a name begins, or the document ends; or, with `escapes`, an earlier `<!--`.

    From one `<` to the next, which takes far less than a search for the tag, for there are few in scripts and styles.
    """
    length = len(name)
    while True:
        position = data.find("<", position)
        after = position + 2 + length
        if position < 0 or after >= len(data):
            return len(data)
        char = data[position + 1]
        if char == "/":
            if data[position + 2 : after].lower() == name and data[after] in _AFTER_NAME:
                return position
        elif escapes and char == "!" and data[position + 2 : position + 4] == "--":
            return position
        position += 1


def end_of_hidden(data: str, start: int) -> int:
    """The end of the comment, declaration or other thing without markup that begins at a position."""
    if not data.startswith("!--", start + 1):
        end = data.find(">", start)
        return len(data) if end < 0 else end
    if data.startswith((">", "->"), start + 4):
        return data.find(">", start) + 1
    dashes = data.find("--", start + 4)
    while dashes >= 0:
        if data.startswith((">", "!>"), dashes + 2):
            return data.find(">", dashes) + 1
        dashes = data.find("--", dashes + 1)
    return len(data)


def may_be_inside(data: str, position: int, start: int) -> bool:
    """Whether the `<` at `start` may belong to a tag that begins between `position`, which lies outside, and it.

    If it does, that tag has no `>` yet; or the last quote of its kind is one that opened a value; or one that closed
    a value, all `>` being before it. True costs an exact reading of the part, so it need not be certain; False is.
    """
    bracket = data.rfind("<", position, start)
    if bracket < 0:
        return False
    closing = data.rfind(">", position, start)
    if closing < bracket or is_in_value(data, position, start):
        return True
    for quote in ('"', "'"):
        last = data.rfind(quote, closing, start)
        if last >= 0 and _opens_value(data, position, data.rfind(quote, position, last)):
            return True
    return False


def is_in_value(data: str, position: int, place: int) -> bool:
    """Whether the last quote of a kind between two places is one that opened a value: the later may be within it."""
    return _opens_value(data, position, data.rfind('"', position, place)) or _opens_value(
        data, position, data.rfind("'", position, place)
    )


def _opens_value(data: str, position: int, quote: int) -> bool:
    if quote <= position:
        return False
    before = data[quote - 1]
    return before == "=" or (before in " \t\n\f\r" and data[position:quote].rstrip(" \t\n\f\r")[-1:] == "=")


_find_attributes: Final = re.compile(
    r"([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"
    rf"(?:{_WS}*+={_WS}*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\f\r>]++))?+)?+"
).findall
_are_whole: Final = re.compile(_ATTRIBUTES).fullmatch
_before_value: Final = re.compile(
    rf"[ \t\n\f\r/]*+([a-zA-Z_:@.-][a-zA-Z0-9_:@.-]*+){_WS}*+={_WS}*+"
).fullmatch


#: What stands before a quoted value (` src=`) -> the attribute's name; empty if it is more or less than that.
_names: Final[dict[str, str]] = {}


def _name_before(before: str) -> str:
    if len(_names) >= 8192:
        _names.clear()
    match = _before_value(before) if len(before) < 100 else None
    name = _names[before] = "" if match is None else sys.intern(match[1].lower())
    return name


def attributes(text: str) -> dict[str, str] | None:
    """Attribute names (lower case) and raw values in what follows a tag's name; the first of a name counts.

    None when a quote is still open at the end of the text: the tag goes on after the `>` it was cut at.
    A tag whose values are all in double quotes, as most are, is cut at these, which takes a third of the time.
    """
    parts = text.split('"')
    count = len(parts) - 1
    rest = parts[count]
    if not count & 1 and (not rest or rest in _NOTHING or "'" not in rest):
        found = _quoted(parts, count)
        if found is not None:
            if rest and rest not in _NOTHING:
                for name, _, _, bare in _find_attributes(rest):
                    found.setdefault(name.lower(), bare)
            return found
    return parsed(text) if _are_whole(text) else None


def _quoted(parts: list[str], count: int) -> dict[str, str] | None:
    """The attributes of a text cut at its double quotes; None unless each value has a name of its own before it."""
    found: dict[str, str] = {}
    for index in range(0, count, 2):
        before = parts[index]
        name = _names.get(before)
        if name is None:
            name = _name_before(before)
        if not name or name in found:
            return None
        found[name] = parts[index + 1]
    return found


_NOTHING: Final = frozenset((" ", "/", " /"))


def parsed(text: str) -> dict[str, str]:
    """The same by the tokenizer's rules, of a text whose quotes are closed."""
    found: dict[str, str] = {}
    for name, double, single, bare in _find_attributes(text):
        found.setdefault(name.lower(), double or single or bare)
    return found
