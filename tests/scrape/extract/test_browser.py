"""The extractor beside Chromium: each document here once told them apart."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from chromium import Chromium, executable
from scrape.extract.oracle import compare, compare_parsed

pytestmark = pytest.mark.skipif(
    executable() is None and not os.environ.get("CI"), reason="there is no Chromium here"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as running:
        yield running


#: Read without a header, shown or only parsed.
DOCUMENTS = (
    # What is open where a style ends is closed there.
    "<p style='background:url(a.png'>",
    "<p style='background:url(\"a.png'>",
    "<style>a{color:red;background:url( a.png",
    "<p style='background:url(a\\20 b.png)'>",
    # A declaration without value is none, and a rule without selector neither.
    "<p style='background:url(a.png);background:'>",
    "<style>{background:url(a.png)} b{background:url(b.png)}</style>",
    # Rules and declarations that a browser drops.
    "<style>@keyframes x{0%{background:url(a.png)}12.5%,to{background:url(b.png)}}</style>",
    "<style>@-moz-keyframes x{0%{background:url(a.png)}to{background:url(b.png)}}c{background:url(c.png)}</style>",
    "<style>a{cursor:url(a.cur) 2 2, auto}b{cursor:url(b.cur)}</style>",
    "<style>a{background:url(a.png) color:red}b{background:url('http://x/b.png')}</style>",
    "<style>//x\na{background:url(a.png)}.1b,c{background:url(b.png)}d,{background:url(d.png)}</style>",
    "<style>a:nth-child( 2n + 1 )>b:not([c=d]) , e{background:url(a.png)}</style>",
    "<style>a:-webkit-x{background:url(a.png)}b:-webkit-autofill,c::-webkit-x{background:url(b.png)}</style>",
    "<style>.w-1\\/2{background:url(c.png)}.\\31 a{background:url(d.png)}</style>",
    "<style>[class^='icon-']{background:url(a.png)}[x]:not(y) > \\61{background:url(b.png)}</style>",
    "<p style='background url(a.png)'><p style='backgroundurl(b.png)'>",
    # Only the standard's own blanks are blanks.
    "<p style='background:url(\u00a0a.png)'>",
    "<link rel=icon href=\u00a0>",
    "<img srcset='a.png 2x\u00a0, b.png'>",
    # A NUL is U+FFFD.
    "<img src='a\x00b.png' srcset='\x00 2x'>",
    # An attribute's name may begin with `=`.
    "<img = src=a.png><img ='x' src=b.png><img =src=c.png>",
    # Any base but data: and javascript: counts.
    "<base href='file:///c:/x/'><img src=a.png><img src=/b.png><img src=https://e.org/c.png>",
    "<base href='javascript:1'><img src=a.png><base href=/x/>",
    "<base href='mailto:x'><img src=a.png>",
    # Values that hold markup, and what comes after them.
    "<a title='a > b' href='c.png'>x</a>",
    '<a data-caption="<p class=\'x\'>text</p>" href="c.png">x</a><a title=\'<b>"</b>\' href="d.png">y</a>',
    "<div data-x='{\"a\": \"<i>\"}' style='background:url(e.png)'>",
    "<<a href=c.png><div<<b style='background:url(f.png)'>",
    "<input type=' image' src=g.png>",
    # Frames stand in framesets.
    "<p><frame src=a.html>",
    "<frameset><frame src=a.html><frame src=b.html></frameset>",
    # A background may have no extension.
    "<table background=/x?id=1><tr><td background='/y'>x</table>",
)


def test_the_extractor_finds_what_the_browser_finds(browser: Chromium) -> None:
    differences = compare_parsed(browser, list(DOCUMENTS))
    assert {text: found for text, found in zip(DOCUMENTS, differences, strict=True) if found} == {}


#: Encoding, whether the header names it, document.
ENCODED = (
    ("utf-8", True, "<title>é</title><img src='é.png?é'>"),
    ("windows-1252", True, "<title>é</title><img src='é.png?é'>"),
)


@pytest.mark.parametrize(("encoding", "named", "text"), ENCODED)
def test_a_page_in_another_encoding(browser: Chromium, encoding: str, named: bool, text: str) -> None:
    content_type = f"text/html; charset={encoding}" if named else "text/html"
    assert not compare(browser, text.encode(encoding), content_type=content_type)
