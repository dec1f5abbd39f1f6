"""The process that decodes strangers' pictures: no secrets in it, little memory, and the first to be killed.

    python -m mediascrape.web.thumbnails.decoder

Reads requests from standard input until its end and answers each on standard output (`maker.py` is the other side).
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from mediascrape.errors import UnusablePictureError

#: Longest side wanted, length of the picture that follows.
REQUEST: Final = struct.Struct(">II")
#: Whether a thumbnail was made, length of the WebP data or of the reason that follows.
REPLY: Final = struct.Struct(">?I")

#: Address space: the interpreter, a picture of the most pixels, and copies of it that decoders make.
_MOST_MEMORY: Final = 768 * 1024 * 1024
_NICENESS: Final = 10


def main() -> None:
    # An interrupt from the terminal is for the other side to deal with. Not a session of its own: Linux shares
    # out the processor by session first, and in one of its own it would not be any nicer to us.
    os.setpgrp()
    _confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end."""
    from mediascrape.web.thumbnails.picture import make_thumbnail  # the other side does without Pillow

    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        edge, length = REQUEST.unpack(head)
        try:
            made, answer = True, make_thumbnail(requests.read(length), edge)
        except UnusablePictureError as error:
            made, answer = False, str(error).encode()
        replies.write(REPLY.pack(made, len(answer)) + answer)
        replies.flush()


def _confine() -> None:
    """What the system offers of it; each is a second line of defence."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
