"""Character references in attribute values, which are not decoded as in text.

HTML standard 13.2.5.73: in an attribute a named reference without its semicolon stays as it is when `=` or
an alphanumeric follows, so that `?a=1&sectionId=2` survives. `html.unescape` follows the rule for text.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

_replace = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9A-Fa-f]+;?|([A-Za-z][A-Za-z0-9]*;?)(=?))").sub


def unescape_attribute(value: str) -> str:
    """The attribute's value with its character references decoded."""
    return _replace(_decoded, value) if "&" in value else value


def unescape_text(value: str) -> str:
    """Text with its character references decoded."""
    return html.unescape(_absurd_number("\N{REPLACEMENT CHARACTER}", value)) if "&" in value else value


#: More digits than any code point has: U+FFFD by the standard, a ValueError from Python.
_absurd_number = re.compile(r"&#(?:0*[1-9][0-9]{9,}|[xX]0*[1-9A-Fa-f][0-9A-Fa-f]{8,});?").sub


def _decoded(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return unescape_text(match[0])
    if name[-1] != ";" and match[2]:
        return match[0]
    return html5.get(name, "&" + name) + match[2]
