"""What a search text means: the item has every word of it, or a word that begins with it.

An item's words are those of its URL, alt, title, and of the title of the page that showed it first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_SHORTEST_PREFIX = 3


def search_words(text: str) -> list[str]:
    """Words of a search text, in lower case, each once; the separators are those of the indexes."""
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))[:16]


@dataclass(frozen=True, slots=True)
class Term:
    """A word to search for; `prefix`: all words that begin with it will do."""

    word: str
    prefix: bool


def search_terms(words: Sequence[str], known: Collection[str]) -> list[Term]:
    """Terms of words, of which items have those that are `known`.

    The others may be beginnings. One or two letters begin too many words, and so does what is a common
    word itself: an index gives the items of one word from the newest on and can stop, but must gather
    those of all words with a beginning first.
    """
    return [Term(word, word not in known and len(word) >= _SHORTEST_PREFIX) for word in words]
