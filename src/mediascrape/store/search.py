"""What a search text means: every word of it must begin a word of the item.

An item's words are those of its URL, alt, title, and of the title of the page that showed it first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_PREFIX = 3


def search_words(text: str) -> list[str]:
    """Words of a search text, in lower case, each once; the separators are those of the indexes."""
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))[:16]


def may_be_prefix(word: str) -> bool:
    """Whether to look for longer words too; one or two letters begin too many."""
    return len(word) >= _SHORTEST_PREFIX


def match_terms(words: Sequence[str], kind: str | None) -> list[str]:
    """Terms of an FTS5 expression. The kind is a word too, so that no row is fetched in vain."""
    terms = [f'"{word}"*' if may_be_prefix(word) else f'"{word}"' for word in words]
    return [*terms, f'"kind0{kind}"'] if kind is not None else terms
