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
    # Text, whatever it looks like.
    "<iframe src=a.html><img src=b.png></iframe><img src=c.png>",
    *(
        f"<{name}><img src=a.png></{name}><img src=b.png>"
        for name in (
            "script",
            "style",
            "title",
            "textarea",
            "xmp",
            "noembed",
            "noframes",
            "iframe",
            "noscript",
            "template",
            "object",
        )
    ),
    "<textarea><img src=a.png></textarea ><img src=b.png>",
    # Frames stand in framesets.
    "<p><frame src=a.html>",
    "<frameset><frame src=a.html><frame src=b.html></frameset>",
    # A background may have no extension.
    "<table background=/x?id=1><tr><td background='/y'>x</table>",
)


def test_the_extractor_finds_what_the_browser_finds(browser: Chromium) -> None:
    differences = compare_parsed(browser, list(DOCUMENTS))
    assert {text: found for text, found in zip(DOCUMENTS, differences, strict=True) if found} == {}


TEXT = (
    "<title>{0}</title><img src='{0}.png?{0}'><img srcset='{0}1.png?{0} 2x'>"
    "<style>a{{background:url({0}.gif)}}</style>"
)
META = '<META HTTP-EQUIV=Content-Type CONTENT="text/html;charset={}">'


@pytest.mark.parametrize(
    ("codec", "label", "word"),
    [
        ("utf-8", "utf8", "éß日本"),
        ("cp1252", "iso-8859-1", "é“ß€"),
        ("cp1252", "us-ascii", "é"),
        ("iso8859-2", "latin2", "ěšč"),
        ("cp1251", "windows-1251", "Привет"),
        ("koi8-r", "koi8", "Привет"),
        ("cp932", "shift_jis", "日本語テ"),
        ("euc_jp", "x-euc-jp", "日本語テ"),
        ("iso2022_jp", "iso-2022-jp", "日本語"),
        ("gb18030", "gb2312", "中文测试"),
        ("big5hkscs", "big5-hkscs", "中文測試"),
        ("cp949", "ks_c_5601-1987", "한국어"),
        ("cp1254", "iso-8859-9", "ğış"),
        ("cp874", "tis-620", "ไทย"),
        ("iso8859-8", "logical", "שלום"),
        ("mac_roman", "macintosh", "éß"),
    ],
)
def test_a_page_in_another_encoding(browser: Chromium, codec: str, label: str, word: str) -> None:
    body = TEXT.format(word).encode(codec)
    assert not compare(browser, body, content_type=f"text/html; charset={label}")
    assert not compare(browser, META.format(label).encode() + body)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_told_by_the_header_or_by_its_mark_and_never_by_a_meta(
    browser: Chromium, codec: str
) -> None:
    body = TEXT.format("éß日").encode(codec)
    assert not compare(browser, body, content_type=f"text/html; charset={codec.replace('16-', '16')}")
    assert not compare(browser, "\ufeff".encode(codec) + body, content_type="text/html; charset=windows-1252")
    assert not compare(browser, b"<meta charset=utf-16>" + TEXT.format("é").encode())


@pytest.mark.parametrize(
    "start",
    [
        "<!-- <meta charset=windows-1251> --><meta charset=utf-8>",
        "<script>'<meta charset=windows-1251>'</script><meta charset=utf-8>",
        "<meta charset=bogus><meta charset=utf-8>",
        "<meta charset=utf-8><meta charset=windows-1252>",
        "<meta name=content-type content='text/html; charset=windows-1251'><meta charset=utf-8>",
        "<?xml version='1.0' encoding='windows-1251'?><meta charset=utf-8>",
        "<body><p>text<meta charset=utf-8>",
        "<script>" + "x" * 3100 + "</script><meta charset=utf-8>",
        "<meta content='text/html; charset = \"utf-8\"' http-equiv=content-type>",
    ],
)
def test_where_a_page_says_its_encoding(browser: Chromium, start: str) -> None:
    assert not compare(browser, (start + TEXT.format("é日")).encode())
