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


def _decoded(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return html.unescape(match[0])
    if name[-1] != ";" and match[2]:
        return match[0]
    return html5.get(name, "&" + name) + match[2]
