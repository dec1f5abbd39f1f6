"""The extraction all Python peers share: src and srcset of media elements, by Lexbor, once each."""

from __future__ import annotations

from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

SELECTOR = "img, video, audio, source"


def references(tree: LexborHTMLParser) -> set[str]:
    """Relative or absolute references as they stand in the document."""
    found: set[str] = set()
    for node in tree.css(SELECTOR):
        attributes = node.attributes
        if source := attributes.get("src"):
            found.add(source)
        if candidates := attributes.get("srcset"):
            found.update(part[0] for candidate in candidates.split(",") if (part := candidate.split(None, 1)))
    return found


def media(tree: LexborHTMLParser, base: str) -> set[str]:
    """Absolute URLs."""
    found = set()
    for reference in references(tree):
        try:
            found.add(urljoin(base, reference))
        except ValueError:
            continue
    return found
