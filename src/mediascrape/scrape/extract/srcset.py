"""`srcset` by the HTML standard's algorithm (section 4.8.4.2.1, "parsing a srcset attribute")."""

from __future__ import annotations

import re
from typing import Final

from mediascrape.scrape.giving_way import STEPS, give_way

#: Step 4 and 5: skip blanks and commas, collect the URL up to a blank.
_next_url: Final = re.compile(r"[ \t\n\f\r,]*([^ \t\n\f\r]+)").match
#: The common descriptor: one token, then a comma or the end.
_simple_descriptor: Final = re.compile(r"[ \t\n\f\r]*([0-9.]+[wx])?[ \t\n\f\r]*(?:,|$)").match
_is_descriptor: Final = re.compile(
    r"(?:[0-9]+[wh]|-?(?:[0-9]+|[0-9]*\.[0-9]+)(?:[eE][+-]?[0-9]+)?x)"
).fullmatch
_words: Final = re.compile(r"[^ \t\n\f\r]+").findall
#: Candidates read of one attribute, more than any page has: a hostile one is cut off there.
MAX_CANDIDATES: Final = 10_000


def parse_srcset(text: str) -> list[tuple[str, str | None]]:
    """The candidates as (URL, descriptor), in order; linear in the text.

    A candidate with a descriptor the standard rejects is left out, as browsers do.
    """
    found: list[tuple[str, str | None]] = []
    position, end = 0, len(text)
    while position < end and len(found) < MAX_CANDIDATES:
        if not len(found) & STEPS:
            give_way()
        match = _next_url(text, position)
        if match is None:
            break
        url, position = match[1], match.end()
        if url[-1] == ",":
            url = url.rstrip(",")
            if url:
                found.append((url, None))
            continue
        simple = _simple_descriptor(text, position)
        if simple is not None:
            position = simple.end()
            found.append((url, simple[1]))
            continue
        descriptors, position = _descriptors(text, position)
        if all(map(_is_descriptor, descriptors)):
            found.append((url, descriptors[0] if descriptors else None))
    return found


def _descriptors(text: str, position: int) -> tuple[list[str], int]:
    """Step 8, the descriptor tokenizer: commas inside parentheses do not end the candidate."""
    found: list[str] = []
    start, depth, end = position, 0, len(text)
    while position < end:
        char = text[position]
        if depth:
            depth = char != ")"
        elif char == "(":
            depth = 1
        elif char == ",":
            break
        position += 1
    found.extend(_words(text[start:position]))
    return found, position + 1


def best_candidate(candidates: list[tuple[str, str | None]]) -> int:
    """Index of the candidate with the most pixels; -1 when there is none."""
    best, most = -1, -1.0
    for index, (_, descriptor) in enumerate(candidates):
        size = density(descriptor)
        if size > most:
            best, most = index, size
    return best


def density(descriptor: str | None) -> float:
    """A descriptor as a number to compare within one srcset; no descriptor means `1x`."""
    if descriptor is None:
        return 1.0
    try:
        return float(descriptor[:-1])
    except ValueError:
        return 0.0
