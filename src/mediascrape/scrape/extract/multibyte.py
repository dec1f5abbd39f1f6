"""Documents in East Asian encodings, decoded as the Encoding Standard says where Python's codecs do otherwise.

Python skips one byte of a pair that means nothing, browsers both, unless the second is ASCII: a page that declares
the wrong encoding reads differently from there on, its URLs too. And EUC-JP pages use characters of Windows.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

#: Bytes that begin a pair (Encoding Standard, 10 to 13).
_LEADS: Final[dict[str, frozenset[int]]] = {
    "gb18030": frozenset(range(0x81, 0xFF)),
    "big5hkscs": frozenset(range(0x81, 0xFF)),
    "cp949": frozenset(range(0x81, 0xFF)),
    "cp932": frozenset((*range(0x81, 0xA0), *range(0xE0, 0xFD))),
    "euc_jp": frozenset((0x8E, 0x8F, *range(0xA1, 0xFF))),
}
#: What Python reads in the bytes of Shift_JIS that begin no pair.
_single_bytes: Final = re.compile("[\uf8f0-\uf8f3]").sub
#: Errors up to which a document is worth decoding twice; it bounds the work: each costs a call.
MAX_ERRORS: Final = 20_000
_ERRORS: Final = "encoding-standard"
#: Bytes up to which a document is cut into lines, which bounds the memory these take.
_SHORT: Final = 512 * 1024


def multibyte_to_utf8(body: bytes, codec: str) -> bytes:
    """A document in `codec`, one of Python's, in UTF-8; what cannot be read is U+FFFD.

    The codecs make one character after the other, and most lines of markup are ASCII, which is the same in UTF-8. No
    character holds a line's end, and no error goes beyond it.
    """
    recoded = _recoded_by_lines(body, codec) if codec in _LEADS and len(body) <= _SHORT else None
    return decode_multibyte(body, codec).encode("utf-8", "replace") if recoded is None else recoded


def _recoded_by_lines(body: bytes, codec: str) -> bytes | None:
    """None if there are too many errors for it."""
    lines = body.splitlines(keepends=True)
    errors = 0
    for number, line in enumerate(lines):
        if not line.isascii():
            text = decode_multibyte(line, codec)
            errors += text.count("\ufffd")
            if errors > MAX_ERRORS:
                return None
            lines[number] = text.encode("utf-8", "replace")
    return b"".join(lines)


def decode_multibyte(body: bytes, codec: str) -> str:
    """The text of a document in `codec`, one of Python's; what cannot be read is U+FFFD."""
    text = body.decode(codec, "replace")
    if codec in _LEADS and 0 < text.count("\ufffd") <= MAX_ERRORS:
        text = body.decode(codec, _ERRORS)
    return _single_bytes("\ufffd", text) if codec == "cp932" else text


def _resume(error: UnicodeError) -> tuple[str, int]:
    """What stands for the bytes at an error, and where decoding goes on."""
    assert isinstance(error, UnicodeDecodeError)
    body, start, codec = error.object, error.start, error.encoding
    lead = body[start]
    if lead not in _LEADS[codec]:
        return ("€" if lead == 0x80 and codec == "gb18030" else "\ufffd"), start + 1
    if codec == "gb18030" and body[start + 1 : start + 2].isdigit():
        return "\ufffd", start + _length_of_four(body[start : start + 4])
    if codec == "euc_jp" and (found := _of_windows(body[start : start + 2])):
        return found, start + 2
    # The second byte of a pair, after 0x8F the third: taken for part of it unless it is ASCII.
    is_of_three = codec == "euc_jp" and lead == 0x8F and b"\xa1" <= body[start + 1 : start + 2] <= b"\xfe"
    last = start + (2 if is_of_three else 1)
    return "\ufffd", last + (last < len(body) and body[last] > 0x7F)


def _length_of_four(four: bytes) -> int:
    """How much of a sequence of four bytes that means nothing is skipped; its second is a digit."""
    if len(four) == 4:
        return 4 if 0x80 < four[2] < 0xFF and four[3:].isdigit() else 1
    return len(four) if len(four) == 2 or 0x80 < four[2] < 0xFF else 1


def _of_windows(pair: bytes) -> str:
    """The character of a pair in a row of JIS that only Windows fills, which its Shift_JIS has, too."""
    if len(pair) < 2 or min(pair) < 0xA1 or max(pair) > 0xFE:
        return ""
    row, cell = divmod((pair[0] - 0xA1) * 94 + pair[1] - 0xA1, 188)
    moved = (row + (0x81 if row < 0x1F else 0xC1), cell + (0x40 if cell < 0x3F else 0x41))
    found = bytes(moved).decode("cp932", "replace")
    return "" if "\ufffd" in found else found


codecs.register_error(_ERRORS, _resume)
