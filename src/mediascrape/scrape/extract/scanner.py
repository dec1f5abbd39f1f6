"""Where in a document there is something to read, and what a tag says: the innermost loops of the extractor.

A landmark is a tag whose name is looked for, or what hides markup; a hint is the beginning of a word that makes a tag
matter whatever its name is. `PlainScanner` finds both by the Aho-Corasick algorithm in lower-cased bytes:
`ahocorasick_rs` skips to their first letters by vector instructions, with the lower-casing about 1.5 ns a byte, where
a regular expression takes 2 to 4. `_scanner.c` is the same class in C, a third of that; it is used where it could be
compiled, and the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Final, Protocol

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from mediascrape.scrape.extract.tokens import (
    attributes,
    end_of_hidden,
    end_of_raw,
    exact_attributes,
    may_be_inside,
    parsed,
)

#: Characters read at once, which bounds the memory that a document full of landmarks takes.
WINDOW: Final = 16 * 1024
#: More than the longest word has, so that none is missed at a window's end.
_OVERLAP: Final = 32

#: The name of what hides markup.
HIDES: Final = "!"

_AFTER_NAME: Final = frozenset(b" \t\n\f\r/>")
#: What may follow a media extension at the end of a path, whatever stands around it.
_AFTER_EXTENSION: Final = frozenset(b"\"'?#&;:!,)> \t\n\f\r")
#: What follows `</` where no end tag begins.
_NO_NAME: Final = frozenset(range(256)) - frozenset(b">abcdefghijklmnopqrstuvwxyz")
_MICRODATA: Final = [b"itemscope", b"itemprop"]
_DECORATION: Final = [b"url(", b"image-set(", *(b"background" + bytes([end]) for end in b"= \t\n\f\r")]


def automaton(words: list[bytes]) -> Callable[[bytes], list[tuple[int, int, int]]]:
    """Finds any of the words, the longest where several begin: the word's number, its start, its end."""
    return BytesAhoCorasick(words, MatchKind.LeftmostLongest).find_matches_as_indexes


class Scanner(Protocol):
    """Reads documents given as UTF-8 read as Latin-1."""

    def landmarks(
        self, data: str, start: int, end: int, decoration: bool
    ) -> tuple[list[str | None], list[int], int]:
        """Landmarks and hints that begin in [start, end), in order: what they are, their places, and where to go on.

        A tag is its name (lower case, `/name` for an end tag), HIDES is a comment, declaration, processing
        instruction or end tag without a name; a hint is None. To go on at `end`, or behind the name of an earlier tag
        that text follows rather than markup. decoration: backgrounds and what styles name are hints, too.
        """
        ...

    def attributes(self, data: str, start: int) -> tuple[dict[str, str], int] | None:
        """Attributes of the tag whose name ends at `start`, and the place behind its `>`; None if it has none.

        Names in lower case with their raw values; the first of a name counts (HTML 13.2.5.32 to 13.2.5.40).
        """
        ...

    def end_of_mere_script(self, data: str, start: int) -> int:
        """The end of the text of the `script` whose name ends at `start`; -1 if JSON-LD is named in its tag.

        Also if the tag has no end. Most scripts are nothing but that, and need no dict of attributes.
        """
        ...

    def end_of_hidden(self, data: str, start: int) -> int:
        """The end of the comment, declaration or other thing without markup that begins at a place."""
        ...

    def end_of_raw(self, data: str, position: int, name: str) -> int:
        """The end of the text of an element, in which there are no tags but its end tag."""
        ...

    def may_be_inside(self, data: str, position: int, start: int) -> bool:
        """Whether the `<` at `start` may belong to a tag that begins between `position`, outside any, and it.

        True need not be certain; False is.
        """
        ...


class PlainScanner:
    """The scanner in Python.

    tags: names looked for, in lower case, `/name` for an end tag. stops: those of them that text follows.
    extensions: of media, without the dot. attributes: names worth knowing beforehand.
    """

    def __init__(
        self,
        *,
        tags: Collection[str],
        stops: Collection[str],
        extensions: Collection[str],
        attributes: Collection[str],
    ) -> None:
        self._names = sorted({*tags, *stops})
        words = [f"<{name}".encode() for name in self._names]
        words += [b"<!", b"<?", *(b"</" + bytes([code]) for code in sorted(_NO_NAME))]
        self._tags = automaton(words)
        self._extensions = automaton([f".{extension}".encode() for extension in extensions])
        # One for both: words that all begin with one common letter would be looked for at each of these.
        self._words = automaton([*_MICRODATA, *_DECORATION])

    def landmarks(
        self, data: str, start: int, end: int, decoration: bool
    ) -> tuple[list[str | None], list[int], int]:
        end = min(end, len(data))
        length = end - start
        text = data[start : end + _OVERLAP].encode("latin-1").lower()
        if len(text) < length + _OVERLAP:
            text += b" "  # a character follows each word
        hints: list[tuple[int, str | None]] = [
            (place, None) for place in self._find_hints(text, start, length, decoration)
        ]
        found = sorted(self._find_tags(text, start, length) + hints, key=itemgetter(0))
        return [name for _, name in found], [place for place, _ in found], end

    def _find_tags(self, text: bytes, base: int, length: int) -> list[tuple[int, str | None]]:
        names, known = self._names, len(self._names)
        return [
            (base + start, names[number] if number < known else HIDES)
            for number, start, end in self._tags(text)
            if start < length and (number >= known or text[end] in _AFTER_NAME)
        ]

    def _find_hints(self, text: bytes, base: int, length: int, decoration: bool) -> list[int]:
        hints = [
            base + start
            for _, start, end in self._extensions(text)
            if start < length and text[end] in _AFTER_EXTENSION
        ]
        last = len(_MICRODATA) + len(_DECORATION) if decoration else len(_MICRODATA)
        return hints + [
            base + start for number, start, _ in self._words(text) if start < length and number < last
        ]

    def attributes(self, data: str, start: int) -> tuple[dict[str, str], int] | None:
        end = data.find(">", start)
        if end < 0:
            return None
        found = attributes(data[start:end])
        if found is not None:
            return found, end + 1
        match = exact_attributes(data, start)
        return None if match is None else (parsed(match[1]), match.end())

    def end_of_mere_script(self, data: str, start: int) -> int:
        read = self.attributes(data, start)
        if read is None or "ld+json" in data[start : read[1]].lower():
            return -1
        return end_of_raw(data, read[1], "script")

    def end_of_hidden(self, data: str, start: int) -> int:
        return end_of_hidden(data, start)

    def end_of_raw(self, data: str, position: int, name: str) -> int:
        return end_of_raw(data, position, name)

    def may_be_inside(self, data: str, position: int, start: int) -> bool:
        return may_be_inside(data, position, start)


def make_scanner(
    *,
    tags: Collection[str],
    stops: Collection[str],
    extensions: Collection[str],
    attributes: Collection[str],
) -> Scanner:
    """The fastest scanner that there is; for the arguments see PlainScanner."""
    try:
        from mediascrape.scrape.extract._scanner import Scanner as CompiledScanner
    except ImportError:  # there was no C compiler
        return PlainScanner(tags=tags, stops=stops, extensions=extensions, attributes=attributes)
    return CompiledScanner(tags=tags, stops=stops, extensions=extensions, attributes=attributes)
