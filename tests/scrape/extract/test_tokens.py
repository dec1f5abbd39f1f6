"""The short cuts of the reader against the standard's tokenizer: they save time, never change what is found."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediascrape.scrape.extract import extract, reader
from mediascrape.scrape.extract.scanner import WINDOW
from mediascrape.scrape.extract.tokens import (
    RAW_TEXT,
    attributes,
    end_of_raw,
    exact_attributes,
    exact_token,
    parsed,
)

INSIDE = st.lists(
    st.sampled_from(
        [
            " ",
            "\n",
            "/",
            "src",
            "alt",
            "=",
            '"',
            "'",
            "a.png",
            '="x"',
            " b='y'",
            " c=d",
            "é",
            "&amp;",
            "<",
            "SRC",
        ]
    ),
    max_size=12,
).map("".join)


@given(INSIDE)
@example(' a="b"c="d"')
@example(' a="1" a="2"')
@example(" a='\"' b=\"'\"")
@example(' a="')
@example(' a = "b" c')
def test_attributes_are_those_of_the_tokenizer(inside: str) -> None:
    text = f" {inside}"
    match = exact_attributes(text + ">", 0)
    whole = match is not None and match.end() == len(text) + 1
    assert attributes(text) == (parsed(text) if whole else None)


PIECES = st.lists(
    st.sampled_from(
        ["<p>", "</p>", "<img src=a1.png>", '<img src="a2.png">', "<img alt='>' src=a3.png>", "<a href=b.jpg>", "<p ",
         "<div style='background:url(c.png)'>", '<p title="', "<p title='", '"', "'", ">", "<", " x=", "=", "<!--",
         "-->", "<script>", "</script>", "<script type='a>b'>", "<style>", "</style>", "<title>", "</title>",
         "<noscript>", "</noscript>", "<template>", "<svg>", "</svg>", "<td background=d>", "<IMG SRC=A4.PNG>", "text",
         ".jpg ", "</div", "<?", "<!x ", "<video src=v.mp4>", "</video>", "<source src=s>"]
    ),
    max_size=14,
)  # fmt: skip


@given(PIECES)
@example(['<p title="', "<img src=a1.png>", '"', ">"])
@example(["<p ", "<img src=a1.png>"])
@example(["<p title='", '"', "<script>", "'", ">", "<img src=a1.png>"])
def test_passing_over_tags_finds_what_reading_each_finds(pieces: list[str]) -> None:
    body = "".join(pieces).encode()
    passing = extract(body, base_url="https://example.org/")
    with mock.patch.object(reader._Reader, "read", lambda self: self._exactly(0, len(self.data))):
        exact = extract(body, base_url="https://example.org/")
    assert passing == exact


@pytest.mark.parametrize(
    ("html", "names"),
    [
        ("<script><!-- <script> </script> <img> --></script><b>", ["script", "b"]),
        ("<script><!-- </script><b>", ["script", "b"]),
        ("<script><!-- <script> --></script><b>", ["script", "b"]),
        ("<script><!--><script></script><b>", ["script", "b"]),
        ("<script><!-- <script></script> --></script><b>", ["script", "b"]),
        ("<script><!-- --> <script> </script><b>", ["script", "b"]),
        ("<script><!-- <script> </script><b>", ["script"]),
        ("<script>x<y</script ><b>", ["script", "b"]),
        ("<script>'</scripts>'<i></script><b>", ["script", "b"]),
        ("<!-- <i> --!><b>", ["b"]),
        ("<!--><b>", ["b"]),
        ("<!-- <b>", []),
        ("<a title='>' href=x><b>", ["a", "b"]),
        ("<a title='><b>", []),
        ("< b><i>", ["i"]),
        ("<b<i>", ["b<i"]),
        ("</ <b>", []),
    ],
)
def test_what_is_a_tag(html: str, names: list[str]) -> None:
    found, position = [], 0
    while (match := exact_token(html, position)) is not None:
        position = match.end()
        if match[1] is not None and match[1][0] != "/":
            found.append(match[1])
            if match[1] in RAW_TEXT:
                position = end_of_raw(html, position, match[1])
    assert found == names


@pytest.mark.parametrize("before", range(WINDOW - 24, WINDOW + 2))
def test_a_document_is_read_across_its_windows(before: int) -> None:
    """Words at each place around the border, and the end of the document right after."""
    for html in (
        "<video src=a>",
        "<p style='background:url(a)'>",
        "<a href=a.jpeg>",
        "<!-- x --><img src=a>",
    ):
        body = b"-" * (before - len(html) // 2) + html.encode()
        assert [item.url[:21] for item in extract(body, base_url="https://example.org/").items] == [
            "https://example.org/a"
        ]
