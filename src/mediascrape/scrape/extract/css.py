"""Image references in CSS: `url()`, `image-set()` and `src()`, without what is no image."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
#: At-rules whose URLs are fonts, style sheets or name spaces.
_NOT_IMAGES = re.compile(
    r"@(?:font-face\s*\{[^}]*(?:\}|\Z)|(?:import|namespace|charset)\b[^;{}]*(?:;|\Z))", re.IGNORECASE
)
_URL = re.compile(
    r"""(?:url|src)\(\s*(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|((?:[^\s"'()\\]|\\.)*))\s*\)""",
    re.IGNORECASE | re.DOTALL,
)
_IMAGE_SET = re.compile(r"image-set\(((?:[^()]|\([^()]*\))*)\)", re.IGNORECASE)
_STRING = re.compile(r""""((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'""", re.DOTALL)
_NESTED = re.compile(r"[a-z-]+\([^()]*\)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})[ \t\n\f\r]?|(\r\n|[\n\f\r])|(.))", re.DOTALL)


def css_urls(css: str) -> list[str]:
    """The image URLs of a style sheet or a declaration list, in order, unescaped, repeats included."""
    if "/*" in css:
        css = _COMMENT.sub(" ", css)
    if "@" in css:
        css = _NOT_IMAGES.sub(" ", css)
    found = [_unescape(double or single or bare) for double, single, bare in _URL.findall(css)]
    if "image-set(" in css:
        for body in _IMAGE_SET.findall(css):
            found += [
                _unescape(double or single) for double, single in _STRING.findall(_NESTED.sub("", body))
            ]
    return [url for url in found if url and not url.startswith("#")]


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_escaped, text) if "\\" in text else text


def _escaped(match: re.Match[str]) -> str:
    """CSS Syntax 3, section 4.3.7."""
    code, newline, char = match.groups()
    if newline is not None:
        return ""
    if code is None:
        return str(char)
    point = int(code, 16)
    return "\ufffd" if point == 0 or 0xD800 <= point <= 0xDFFF or point > 0x10FFFF else chr(point)
