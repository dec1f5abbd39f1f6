"""Media in scripts: JSON blocks and the state that applications leave for their own start (`--deep`).

URLs are taken from the strings of `application/json` blocks, of `__NEXT_DATA__`, `__NUXT__`, `__INITIAL_STATE__` and
the like, and of any other script, by their media extension. A script is not run and not parsed: whether a string is
ever shown nobody knows, so these items are flagged `weak`.
"""

from __future__ import annotations

import re
from typing import Final

from mediascrape.scrape.extract.kinds import EXTENSION_PATTERN
from mediascrape.scrape.extract.page import Page

#: A quoted absolute or root-relative URL with a media extension, slashes perhaps escaped as in JSON. The quotes are
#: escaped, too, where the script's string is itself a script's text or JSON (Next.js streams its state so).
_quoted_url: Final = re.compile(
    r"[\"'`]((?:https?:)?(?:\\*/|\\+u002[fF]){1,2}[^\"'`\s<>{}|^]{1,2000}?\.(?:" + EXTENSION_PATTERN + r")"
    r"(?:(?:[?#]|\\+u0026)[^\"'`\s<>{}|^]{0,2000})?)(\\*)[\"'`]",
    re.IGNORECASE,
).finditer
_escape: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")


def find_in_script(page: Page, text: str) -> None:
    """Note the media that the strings of a script name."""
    for match in _quoted_url(text):
        ref = match[1].rstrip("\\")
        if "\\" in ref:
            ref = _escape.sub(_unescape, ref)
            if match[2] or match[1][-1] == "\\":
                ref = _escape.sub(_unescape, ref)
        if "&amp;" in ref:
            ref = ref.replace("&amp;", "&")
        page.add_media(ref, None, "script.state", "weak")


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else str(match[3])
