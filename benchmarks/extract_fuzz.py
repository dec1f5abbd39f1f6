"""Looks for documents that the extractor fails on, or that cost it more than their length.

    nice python -m benchmarks.extract_fuzz --seconds 600 --seed 0

Documents come from the grammar of the tests and from fragments of HTML, CSS, JSON and feeds; bytes are changed, parts
cut, doubled and repeated. A fragment repeated to four times the length may cost about four times the CPU time. What
is found is printed, made smaller, as a line of Python to put into the tests.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mediascrape.errors import BodyTooLargeError, DocumentTooComplexError
from mediascrape.scrape.extract import ExtractOptions, extract
from scrape.extract.soup import Soup

PIECES = (
    b"<", b">", b"</", b"<!--", b"-->", b"--!>", b"<!", b"<?", b"<![CDATA[", b"]]>", b"=", b"'", b'"', b"&",
    b";", b"#", b"&#", b"&#x", b"\\", b"/", b"//", b" ", b"\n", b"\t", b"\x00", b"\xff", b"\xc3", b"\xe2\x80",
    b"\xf0\x9f\x98\x80", b",", b".png", b"a.jpg 2x,", b"(", b")", b"{", b"}", b"[", b"]", b":", b"@", b"!",
    b"%", b"?", b"url(", b"image-set(", b"/*", b"*/", b"@media ", b"@keyframes x{", b"a{background:url(a.png)",
    b"--x:", b"\\75 ", b"<script>", b"</script>", b"<script", b"<style>", b"</style>", b"<svg>", b"</svg>",
    b"<template>", b"<noscript>", b"</noscript>", b"<title>", b"<iframe ", b"<img ", b"src=", b"srcset='",
    b'style="', b"data-src=", b"background=", b" itemprop=image",
    b"<div itemscope itemtype=http://schema.org/ImageObject>", b"itemscope ", b"<base href=",
    b"<meta property=og:image content=", b"<meta charset=", b"utf-16", b"gbk", b"iso-2022-jp",
    b"<script type=application/ld+json>", b'{"image":', b'"@type":"ImageObject","url":', b'["', b'{"a":',
    b"<rss>", b"<feed>", b"<item><enclosure url=", b"<description>", b"&lt;img src=", b"<media:content url=",
    b"<?xml version='1.0' encoding='", b"<image><url>", b"<picture><source ", b"<video ", b"<a href=", b"</a>",
    b"<object data=", b"/_next/image?url=", b"https://", b"e.org/", b"https://web.archive.org/web/2015/", b"words",
    b"<entry ", b"<urlset>", b' xml:base="', b"xml:base='b/'", b"<image:image>", b"<image:loc>", b"<video:video>",
    b"<video:title>", b"<podcast:images srcset=", b"<html lang=ja ", b"euc-jp", b"big5", b"{'src':'/", b"\\u0026",
    b"rel=", b"<iframe srcdoc=", b'"@list":[', b'"video":', b'"url":[', b"null",
)  # fmt: skip
HEADERS = (None, "text/html", "text/html; charset=utf-8", "text/html; charset=gbk", "text/html; charset=shift_jis",
           "text/html; charset=euc-kr", "text/html; charset=euc-jp", "text/html; charset=big5",
           "text/html; charset=utf-16le", "application/rss+xml")  # fmt: skip
BASE = "https://example.org/dir/page.html"
REFUSED = (BodyTooLargeError, DocumentTooComplexError)
#: A repeated fragment is suspicious when four times its length costs more than this many times as much.
SUSPICIOUS_RATIO = 9.0
SHORT, LONG = 100_000, 400_000


def fragment(chance: random.Random) -> bytes:
    """A few pieces that may be repeated."""
    return b"".join(chance.choices(PIECES, k=chance.randrange(1, 9)))


def document(chance: random.Random) -> bytes:
    """Pieces or a document of the grammar, with bytes changed."""
    if chance.random() < 0.5:
        body = bytearray(b"".join(chance.choices(PIECES, k=chance.randrange(1, 120))))
    else:
        body = bytearray("".join(Soup(chance.randrange(10**9)).pieces(5)).encode("utf-8", "replace"))
    for _ in range(chance.randrange(6)):
        place = chance.randrange(len(body) + 1)
        match chance.randrange(4):
            case 0:
                body[place:place] = chance.choice(PIECES)
            case 1:
                del body[place : place + chance.randrange(1, 30)]
            case 2:
                body[place:place] = body[place : place + chance.randrange(1, 60)] * chance.randrange(1, 6)
            case _:
                body[place : place + 1] = chance.randbytes(1)
    return bytes(body)


def run(body: bytes, header: str | None, *, deep: bool) -> float:
    """CPU seconds of one extraction."""
    start = time.process_time()
    try:
        extract(body, base_url=BASE, content_type=header, options=ExtractOptions(deep=deep))
    except REFUSED:
        return 0.0
    return time.process_time() - start


def fails(body: bytes, header: str | None, *, deep: bool) -> bool:
    """Whether an extraction raises what it must not."""
    try:
        run(body, header, deep=deep)
    except Exception:  # noqa: BLE001
        return True
    return False


def is_slow(part: bytes, before: bytes, header: str | None) -> bool:
    """Whether the part, repeated, costs more than its length."""
    short = run(before + part * (SHORT // len(part)), header, deep=True)
    if short < 0.02:
        return False
    return run(before + part * (LONG // len(part)), header, deep=True) > SUSPICIOUS_RATIO * short


def smaller(body: bytes, still: Callable[[bytes], bool]) -> bytes:
    """Bytes taken out for as long as it fails."""
    size = len(body) // 2
    while size:
        position = 0
        while position < len(body):
            less = body[:position] + body[position + size :]
            if less and still(less):
                body = less
            else:
                position += size
        size //= 2
    return body


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    end = time.process_time() + options.seconds
    runs = findings = 0
    while time.process_time() < end:
        header, deep = chance.choice(HEADERS), chance.random() < 0.5
        for _ in range(200):
            body = document(chance)
            runs += 1
            if fails(body, header, deep=deep):
                findings += 1
                least = smaller(body, lambda some, header=header, deep=deep: fails(some, header, deep=deep))
                print("raises", least, header, deep, flush=True)
        part, before = fragment(chance), b"" if chance.random() < 0.5 else fragment(chance)
        runs += 1
        if is_slow(part, before, header):
            findings += 1
            print("slow", part, before, header, flush=True)
    print(f"{runs} documents, {findings} findings")


if __name__ == "__main__":
    main()
