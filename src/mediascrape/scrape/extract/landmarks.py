"""Where the words stand in a document that may matter to media: the names of tags, extensions, functions of CSS.

All are looked for at once by the Aho-Corasick algorithm in lower-cased bytes. `ahocorasick_rs` skips to their first
letters by vector instructions: with the lower-casing about 1.5 ns a byte, where a regular expression for the same
words takes 2 to 4. Words that begin otherwise have an automaton of their own, for with many first letters there is
nothing to skip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from mediascrape.scrape.extract.kinds import KIND_BY_EXTENSION

#: Characters read at once, which bounds the memory that a document full of landmarks takes.
WINDOW: Final = 16 * 1024
#: More than the longest word has, so that none is missed at a window's end.
OVERLAP: Final = 32

_AFTER_NAME: Final = frozenset(b" \t\n\f\r/>")
#: What may follow a media extension at the end of a path, whatever stands around it.
_AFTER_EXTENSION: Final = frozenset(b"\"'?#&;:!,)> \t\n\f\r")
#: What follows `</` where no end tag begins.
_NO_NAME: Final = frozenset(range(256)) - frozenset(b">abcdefghijklmnopqrstuvwxyz")


def window(data: str, start: int) -> bytes:
    """A part of a document (UTF-8 read as Latin-1), as `TagNames.find` and `find_hints` read it.

    A byte follows each word, at the document's end a blank.
    """
    text = data[start : start + WINDOW + OVERLAP].encode("latin-1").lower()
    return text if len(text) == WINDOW + OVERLAP else text + b" "


def automaton(words: list[bytes]) -> Callable[[bytes], list[tuple[int, int, int]]]:
    """Finds any of the words, the longest where several begin: the word's number, its start, its end."""
    return BytesAhoCorasick(words, MatchKind.LeftmostLongest).find_matches_as_indexes


class TagNames:
    """Names of tags (lower case, `/name` for an end tag) to be looked for."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        words = [f"<{name}".encode() for name in self._names]
        words += [b"<!", b"<?", *(b"</" + bytes([code]) for code in sorted(_NO_NAME))]
        self._find = automaton(words)

    def find(self, text: bytes) -> list[tuple[str | None, int, int]]:
        """Each name, its `<` and its end, in order; the name is None for what hides markup.

        That are comments, declarations, processing instructions and end tags without a name.
        """
        names, known = self._names, len(self._names)
        return [
            (names[number] if number < known else None, start, end)
            for number, start, end in self._find(text)
            if start < WINDOW and (number >= known or text[end] in _AFTER_NAME)
        ]


_extensions: Final = automaton([f".{extension}".encode() for extension in KIND_BY_EXTENSION])
_MICRODATA: Final = [b"itemscope", b"itemprop"]
_DECORATION: Final = [b"url(", b"image-set(", *(b"background" + bytes([end]) for end in b"= \t\n\f\r")]
#: One for both: words that all begin with one common letter would be looked for at each of these.
_words: Final = automaton([*_MICRODATA, *_DECORATION])


def find_hints(text: bytes, *, decoration: bool) -> list[int]:
    """Positions, in order, at which a tag may stand whose values name media, whatever its name is.

    decoration: backgrounds and what styles name count, too.
    """
    hints = [start for _, start, end in _extensions(text) if start < WINDOW and text[end] in _AFTER_EXTENSION]
    last = len(_MICRODATA) + len(_DECORATION) if decoration else len(_MICRODATA)
    others = [start for number, start, _ in _words(text) if start < WINDOW and number < last]
    return sorted(hints + others) if others else hints
