"""`srcset` by the HTML standard's algorithm (section 4.8.4.2.1, "parsing a srcset attribute")."""

from __future__ import annotations

import re
from typing import Final

from mediascrape.scrape.giving_way import STEPS, give_way

#: The standard's blanks but the one that is looked for, as which they are read.
_OTHER_BLANKS: Final = ("\t", "\n", "\f", "\r")
_is_descriptor: Final = re.compile(
    r"(?:[0-9]+[wh]|-?(?:[0-9]+|[0-9]*\.[0-9]+)(?:[eE][+-]?[0-9]+)?x)"
).fullmatch
#: Candidates read of one attribute, more than any page has: a hostile one is cut off there.
MAX_CANDIDATES: Final = 10_000


def parse_srcset(text: str) -> list[tuple[str, str | None]]:
    """The candidates as (URL, descriptor), in order; linear in the text.

    A candidate with a descriptor the standard rejects is left out, as browsers do.
    """
    for blank in _OTHER_BLANKS:
        if blank in text:
            text = text.replace(blank, " ")
    found: list[tuple[str, str | None]] = []
    position, end = 0, len(text)
    while len(found) < MAX_CANDIDATES:
        if not len(found) & STEPS:
            give_way()
        while position < end and text[position] in " ,":
            position += 1
        if position >= end:
            break
        stop = _next(text, " ", position)
        url = text[position:stop]
        if url[-1] == ",":
            found.append((url.rstrip(","), None))
            position = stop
            continue
        comma = _next(text, ",", stop)
        descriptor, position = text[stop:comma].strip(" "), comma + 1
        if not descriptor:
            found.append((url, None))
        elif descriptor[-1] in "wx" and descriptor[:-1] and not descriptor[:-1].strip("0123456789."):
            found.append((url, descriptor))
        else:
            descriptors, position = _descriptors(text, stop)
            if all(map(_is_descriptor, descriptors)):
                found.append((url, descriptors[0]))
    return found


def _next(text: str, char: str, position: int) -> int:
    found = text.find(char, position)
    return len(text) if found < 0 else found


def _descriptors(text: str, position: int) -> tuple[list[str], int]:
    """Step 8, the descriptor tokenizer: commas inside parentheses do not end the candidate."""
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
    return [word for word in text[start:position].split(" ") if word], position + 1


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
