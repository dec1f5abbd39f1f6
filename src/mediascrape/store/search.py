"""What a search text means: the item has every word of it, or a word that begins with it.

An item's words are those of its URL, alt, title, and of the title of the page that showed it first.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_PREFIX = 3


def search_words(text: str) -> list[str]:
    """Words of a search text, in lower case, each once; the separators are those of the indexes."""
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))[:16]


def may_be_prefix(word: str) -> bool:
    """Whether to look for longer words too; one or two letters begin too many."""
    return len(word) >= _SHORTEST_PREFIX
