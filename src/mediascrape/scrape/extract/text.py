"""What a piece of a document says: from Latin-1 read bytes and character references to text.

In an attribute a named reference without its semicolon stays as it is when `=` or an alphanumeric follows
(HTML 13.2.5.73), so that `?a=1&sectionId=2` survives. `html.unescape` follows the rule for text.
"""

from __future__ import annotations

import html
import re
from html.entities import html5
from typing import Final

_replace: Final = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9A-Fa-f]+;?|([A-Za-z][A-Za-z0-9]*;?)(=?))").sub

#: Characters of a label that are kept, far more than any description has.
LONGEST_LABEL: Final = 20_000


def decoded(raw: str) -> str:
    """The UTF-8 text whose bytes were read as Latin-1; what is no UTF-8 becomes U+FFFD."""
    return raw if raw.isascii() else raw.encode("latin-1").decode("utf-8", "replace")


def plain(raw: str) -> str:
    """A raw attribute value as text: decoded, character references replaced."""
    if not raw.isascii():
        raw = raw.encode("latin-1").decode("utf-8", "replace")
    return dereferenced(raw) if "&" in raw else raw


def dereferenced(text: str) -> str:
    """Text, already decoded, with its character references replaced as in an attribute."""
    if text.count("&") == text.count("&amp;"):
        return text.replace("&amp;", "&")
    return _replace(_referred, text)


def unescaped(text: str) -> str:
    """Text content with its character references replaced."""
    return html.unescape(_absurd_number("\N{REPLACEMENT CHARACTER}", text)) if "&" in text else text


#: More digits than any code point has: U+FFFD by the standard, a ValueError from Python.
_absurd_number: Final = re.compile(r"&#(?:0*[1-9][0-9]{9,}|[xX]0*[1-9A-Fa-f][0-9A-Fa-f]{8,});?").sub


def label(raw: str) -> str | None:
    """A raw attribute value as one line of text, or None if it says nothing; cut off at LONGEST_LABEL."""
    text = plain(raw)[:LONGEST_LABEL]
    if text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " ":
        return text or None
    return " ".join(text.split()) or None


def _referred(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return unescaped(match[0])
    if name[-1] != ";" and match[2]:
        return match[0]
    return html5.get(name, "&" + name) + match[2]
