"""Start tags by the HTML standard's tokenizer (section 13.2.5), by regular expression over UTF-8 bytes.

A browser's preload scanner does the same: media need tags and attributes, not a tree. The tokenizer runs in
the regular expression engine; Python sees only tags that may matter. Tags of common elements whose attributes
can't hold a media URL are passed over by `_BORING`, which matches only where it is certain (double-quoted
values without `<` and `>`), so that what it passes over never changes how the rest is read. Every quantifier
is possessive and every unclosed construct runs to the end of the document, as the standard says: the scan is
linear in the document.
"""

from __future__ import annotations

import re

_WS = rb"[ \t\n\f\r]"
_TAG_NAME = rb"[a-zA-Z][^ \t\n\f\r/>]*+"
_ATTRIBUTES = (
    rb"(?:[ \t\n\f\r/]++|[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    rb"(?:" + _WS + rb"*+=" + _WS + rb"*+"
    rb"(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+)?+)?+)*+"
)
_BORING_NAMES = (
    rb"a|div|span|li|p|ul|i|b|td|tr|h[1-6]|em|strong|br|cite|sup|option|button|section|label|article|header|"
    rb"figure|figcaption|form|time|aside|nav|code|pre|th|dd|dt|dl|ol|hr|small|blockquote|abbr|footer|main|path|"
    rb"select|u|q|g|tbody|thead|ins|del|font|center|fieldset|symbol|rect|circle|polygon|line"
)
#: An href whose path does not end in what may be a media extension (two to four letters, not `.html`).
_BORING_HREF = (
    rb'href="[^"<>?#]*+(?<!\.[a-zA-Z0-9]{3})(?<!\.[a-zA-Z0-9]{3}[^lxL])(?<!\.[a-zA-Z]{2})(?:[?#][^"<>]*+)?+"'
)
_BORING_ATTRIBUTE = (
    _WS
    + rb"++(?:class=\"[^\"<>]*+\"|"
    + _BORING_HREF
    + rb"|(?:id|title|alt|rel|target|d|onclick)=\"[^\"<>]*+\""
    rb"|style=\"[^\"<>(]*+\"|(?!item|href|style)[a-zA-Z:_-]++(?:=(?:\"[^\"<>.(]*+\"|[^ \t\n\f\r\"'<>.(=`]++))?+)"
)
_BORING = rb"(?:" + _BORING_NAMES + rb")(?:" + _BORING_ATTRIBUTE + rb")*+" + _WS + rb"*+/?>"

#: Groups: tag name, attributes, `>` (empty at the end of the document), end tag's name, comment opening.
next_token = re.compile(
    rb"<(?:(?!" + _BORING + rb")(" + _TAG_NAME + rb")(" + _ATTRIBUTES + rb")(>|\Z)"
    rb"|/(noscript|template|picture|video|audio|object|NOSCRIPT|TEMPLATE|PICTURE|VIDEO|AUDIO|OBJECT)(?=[ \t\n\f\r/>])"
    rb"|(!--)|[!?][^>]*+)"
).search

_comment_end = re.compile(rb"-->|--!>").search
_find_attributes = re.compile(
    r"([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"
    r"(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:\"([^\"]*+)\"?|'([^']*+)'?|([^ \t\n\f\r>\"'][^ \t\n\f\r>]*+))?+)?+"
).findall


def attributes(raw: bytes) -> dict[str, str]:
    """Attribute names (lower case) and values of a start tag; the first of a name counts.

    Values keep their character references: see `entities`.
    """
    found: dict[str, str] = {}
    for name, double, single, bare in _find_attributes(raw.decode("utf-8", "replace")):
        name = name.lower()
        if name not in found:
            found[name] = double or single or bare
    return found


def comment_end(data: bytes, position: int) -> int:
    """Where the comment that was opened just before `position` ends."""
    if data.startswith(b">", position):
        return position + 1
    if data.startswith(b"->", position):
        return position + 2
    match = _comment_end(data, position)
    return len(data) if match is None else match.end()


def _raw_text_end(name: bytes) -> re.Pattern[bytes]:
    letters = b"".join(b"[%c%c]" % (char, char - 32) for char in name)
    return re.compile(rb"</" + letters + rb"(?=[ \t\n\f\r/>])")


#: Elements whose content is text, not markup (with scripting off: `noscript` is not among them).
RAW_TEXT = {
    name: _raw_text_end(name)
    for name in (b"script", b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes")
}
_script_escape = re.compile(rb"<!--|-->|<(/?)[sS][cC][rR][iI][pP][tT](?=[ \t\n\f\r/>])")


def raw_text_end(name: bytes, data: bytes, position: int) -> int:
    """Where the raw text that begins at `position` ends (at its end tag, or with the document)."""
    match = RAW_TEXT[name].search(data, position)
    end = len(data) if match is None else match.start()
    if name == b"script" and data.find(b"<!--", position, end) >= 0:
        return _script_end(data, position)
    return end


def _script_end(data: bytes, position: int) -> int:
    """The script data escaped states: within `<!--`, a `<script` hides the next `</script`."""
    escaped = doubled = False
    for match in _script_escape.finditer(data, position):
        text = match[0]
        if text == b"<!--":
            escaped = True
        elif text == b"-->":
            escaped = doubled = False
        elif match[1]:
            if not doubled:
                return match.start()
            doubled = False
        elif escaped:
            doubled = True
    # Browsers fall back to the first end tag neither: the text runs to the end of the document.
    return len(data)
