"""A document as the tokens that may matter to media, by regular expression.

A browser's preload scanner does the same: media need tags and attributes, not a tree. The document is read as
Latin-1 text (one character a byte, whatever the bytes), because the standard library searches texts of one-byte
characters fastest and all of HTML's syntax is ASCII; `text.plain` turns a value into what it says.

`fast_tokens` takes a tag to end at its first `>`, which is right unless a quoted value holds one; `is_whole` tells
when it does, and the document is then read with `exact_tokens`, which follows the standard's tokenizer
(HTML 13.2.5) attribute by attribute and costs twice as much. About one page in twenty needs it.

Every repeat is possessive and every unclosed construct runs to the end of the document, as the standard says:
both are linear in the document whatever it holds.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WS = r"[ \t\n\f\r]"
_NAME_END = r"(?=[ \t\n\f\r/>])"


def _any_case(name: str) -> str:
    """The name in any case; `re.IGNORECASE` would slow the whole expression down."""
    return "".join(f"[{char}{char.upper()}]" for char in name)


#: What follows a tag's name, quotes closed, up to its `>`.
_ATTRIBUTES = (
    r"(?:[ \t\n\f\r/]++|[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    rf"(?:{_WS}*+={_WS}*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"'])[^ \t\n\f\r>]*+)|(?!{_WS}*+=)))*+"
)
_SCRIPT = _any_case("script") + _NAME_END
#: Script data with its escaped states: within `<!--`, a `<script` hides the next `</script`.
_SCRIPT_DATA = (
    rf"(?:[^<]++|<!--(?:[^<-]++|-(?!->)|<(?!/?{_SCRIPT})"
    rf"|<{_SCRIPT}(?:[^<-]++|-(?!->)|<(?!/{_SCRIPT}))*+(?:</{_SCRIPT})?+)*+|<(?!/{_SCRIPT}))*+"
)
#: Elements whose content is text, not markup (scripting is off, so `noscript` is not among them).
RAW_TEXT = ("script", "style", "title", "textarea", "iframe", "xmp", "noembed", "noframes")
#: Elements whose end matters: what is inside is marked or read differently.
_CONTAINERS = ("noscript", "template", "picture", "video", "audio", "svg")


def _raw_text(name: str, attributes: str) -> str:
    letters = _any_case(name) + _NAME_END
    content = _SCRIPT_DATA if name == "script" else rf"(?:[^<]++|<(?!/{letters}))*+"
    return rf"{letters}{attributes}>{content}"


def _tokens(tag: str, attributes: str, end_tags: str) -> re.Pattern[str]:
    """One group: a start tag up to its `>` (and its text, if that is raw), or an end tag's `/name`."""
    raw = "|".join(_raw_text(name, attributes) for name in RAW_TEXT)
    return re.compile(
        rf"<(?:((?=[sStTiIxXnN])(?:{raw})|{tag}>|/(?:{end_tags}){_NAME_END})"
        r"|!(?:--(?:-?>|(?:[^-]++|-(?!-!?>))*+)|[^>]*+)|\?[^>]*+|[a-zA-Z](?s:.)*+)"
    )


_ANY_NAME = r"[a-zA-Z][^ \t\n\f\r/>]*+"
#: Lists of tokens; what is no token (comments, declarations) is an empty text.
fast_tokens = _tokens("[a-zA-Z][^>]*+", "[^>]*+", "|".join(map(_any_case, _CONTAINERS))).findall
#: With all end tags, for documents with microdata.
fast_tokens_and_ends = _tokens("[a-zA-Z][^>]*+", "[^>]*+", _ANY_NAME).findall
exact_tokens = _tokens(_ANY_NAME + _ATTRIBUTES, _ATTRIBUTES, _ANY_NAME).findall

tag_name = re.compile(r"/?[^ \t\n\f\r/>]++").match
_closed_tag = re.compile(rf"[^ \t\n\f\r/>]++{_ATTRIBUTES}>").match
_find_attributes = re.compile(
    r"([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"
    rf"(?:{_WS}*+={_WS}*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\f\r>]++))?+)?+"
).findall


def is_whole(tag: str) -> bool:
    """Whether a start tag that was cut at its first `>` ends there."""
    return _closed_tag(tag) is not None


def head_and_text(token: str) -> tuple[str, str]:
    """A raw text element's start tag and its text."""
    match = _closed_tag(token)
    end = len(token) if match is None else match.end()
    return token[:end], token[end:]


def attributes(tag: str) -> dict[str, str]:
    """Attribute names (lower case) and raw values of a start tag; the first of a name counts.

    The tag's own name may be among them, with an empty value: it costs less to ignore than to cut off. A tag whose
    values are all in double quotes, as most are, is cut at these, which takes a third of the time.
    """
    if "'" in tag:
        return _parsed(tag)
    *pairs, rest = tag.split('"')
    if len(pairs) % 2:
        return _parsed(tag)
    found: dict[str, str] = {}
    for before, value in zip(pairs[::2], pairs[1::2], strict=True):
        name = _name_before(before)
        if name is None:
            return _parsed(tag)
        if name not in found:
            found[name] = value
    if len(rest) > 3:
        for name, double, single, bare in _find_attributes(rest):
            found.setdefault(name.lower(), double or single or bare)
    return found


def _parsed(tag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _find_attributes(tag):
        found.setdefault(name.lower(), double or single or bare)
    return found


_before_value = re.compile(
    rf"(?:[a-zA-Z][^ \t\n\f\r/>=]*+)?{_WS}*+([^ \t\n\f\r/>=][^ \t\n\f\r/>=]*+){_WS}*+={_WS}*+"
).fullmatch


@lru_cache(maxsize=8192)
def _name_before(text: str) -> str | None:
    """The attribute's name in what stands before its quoted value (` src=`, or `img src=`); None if there is more."""
    match = _before_value(text)
    return None if match is None else match[1].lower()
