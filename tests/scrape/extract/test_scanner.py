"""The scanner in Python against words and tags found one by one, and the one in C against that in Python."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediascrape.scrape.extract.reader import _scanner as in_use
from mediascrape.scrape.extract.scanner import HIDES, WINDOW, PlainScanner, Scanner
from scrape.extract.soup import Soup

TAGS, STOPS = ("a", "img", "image", "/video", "media:thumbnail"), ("script", "style")
EXTENSIONS, ATTRIBUTES = ("jpg", "jpeg", "m3u8", "ra"), ("src", "alt", "x")
PLAIN = PlainScanner(tags=TAGS, stops=STOPS, extensions=EXTENSIONS, attributes=ATTRIBUTES)

PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["<img", "<IMG", "<image", "<a", "</video", "</Video>", "</img", "<imag", "<script", "<STYLE>", "</script>",
             "<media:thumbnail", "<", "</", "<!", "<?", "</ ", "</<", "</>", ">", "/", " ", "\n", "\f", ".jpg", ".JPEG",
             ".jpegs", ".m3u8", ".ra", ".r", ".", ",", "'", '"', "=", "&", "item", "itemprop", "ITEMscope", "itemPROP=",
             "url(", "image-set(", "<!--", "-->", "+", "LD+json", "ld", "--!>", "-", "!", "='", '="', " = ",
             "URL(", "(", "background", "background=", "BACKground ", "src", "ALT", "alt", "x", "é", "À",
             "\x00", "\xff", "text" * 9, "x" * 70]
        ),
        st.characters(max_codepoint=255),
    ),
    max_size=30,
).map("".join)  # fmt: skip


@pytest.fixture(scope="session")
def compiled() -> Scanner:
    if in_use.__class__ is PlainScanner:
        if os.environ.get("CI"):
            pytest.fail("the scanner is not compiled")
        pytest.skip("the scanner is not compiled here")
    return in_use.__class__(tags=TAGS, stops=STOPS, extensions=EXTENSIONS, attributes=ATTRIBUTES)  # type: ignore[call-arg]


def test_landmarks_are_whole_names_in_any_case_and_what_hides_markup() -> None:
    html = "<img><IMG\n<imgs><image/></video ></videos></ p></>< img><!x><?y></3"
    names, places, _ = PLAIN.landmarks(html, 0, len(html), False)
    assert [(name, html[at : at + 3]) for name, at in zip(names, places, strict=True)] == [
        ("img", "<im"), ("img", "<IM"), ("image", "<im"), ("/video", "</v"), (HIDES, "</ "), (HIDES, "<!x"),
        (HIDES, "<?y"), (HIDES, "</3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "decoration", "hints"),
    [
        ("a.jpg b.JPEG?x c.jpegs .ra", False, [1, 7, 23]),
        ("itemprop ITEMSCOPE itemtype", False, [0, 9]),
        ("url(x) background=y backgrounds URL( image-set(url(z", False, []),
        ("url(x) background=y backgrounds URL( image-set(url(z", True, [0, 7, 32, 37, 47]),
    ],
)
def test_hints_are_media_extensions_microdata_and_decoration(
    text: str, decoration: bool, hints: list[int]
) -> None:
    assert PLAIN.landmarks(text, 0, len(text), decoration) == ([None] * len(hints), hints, len(text))


def test_an_unfinished_tag_has_no_attributes() -> None:
    assert PLAIN.attributes("<img src='a>", 4) is None
    assert PLAIN.attributes("<img src='a>'>", 4) == ({"src": "a>"}, 14)


def test_the_compiled_scanner_goes_on_behind_the_name_of_a_tag_that_text_follows(compiled: Scanner) -> None:
    html = "<a><script src=x.jpg>.jpg"
    assert compiled.landmarks(html, 0, len(html), False) == (["a", "script"], [0, 3], 10)


@given(text=PIECES, at=st.integers(0, 60), length=st.integers(0, 120), decoration=st.booleans())
@example(text="</<img>", at=0, length=9, decoration=False)
@example(text="image-set(", at=2, length=9, decoration=True)
@example(text="ld+json>", at=2, length=0, decoration=False)
@example(text="<!--><!-->", at=5, length=0, decoration=False)
@example(text="<!-- --!> <!---->", at=0, length=0, decoration=False)
@example(text="<script><!-- <script> </script> --> </script>", at=8, length=9, decoration=False)
@example(text="<script><!-- </script >", at=8, length=9, decoration=False)
@example(text="<a b=\"'> <i", at=0, length=10, decoration=False)
@example(text="<a b = '>' <i", at=0, length=11, decoration=False)
@example(text="<a b=\"x>\" c='>'<i", at=0, length=17, decoration=False)
def test_compiled_and_plain_scanner_find_the_same(
    compiled: Scanner, text: str, at: int, length: int, decoration: bool
) -> None:
    at = min(at, len(text))
    *found, end = compiled.landmarks(text, at, at + length, decoration)
    assert found == [*PLAIN.landmarks(text, at, end, decoration)[:2]]
    assert end <= len(text)
    assert compiled.attributes(text, at) == PLAIN.attributes(text, at)
    assert compiled.end_of_hidden(text, at) == PLAIN.end_of_hidden(text, at)
    assert compiled.end_of_mere_script(text, at) == PLAIN.end_of_mere_script(text, at)
    assert compiled.may_be_inside(text, at, at + length) == PLAIN.may_be_inside(text, at, at + length)
    for name in STOPS:
        assert compiled.end_of_raw(text, at, name) == PLAIN.end_of_raw(text, at, name)


def test_compiled_and_plain_scanner_find_the_same_in_whole_documents(compiled: Scanner) -> None:
    for seed in range(300):
        text = "".join(Soup(seed).pieces(40)).encode("utf-8", "surrogatepass").decode("latin-1")
        start = 0
        while start < len(text):
            window = start + random.Random(seed).randrange(1, 2 * WINDOW)
            *found, end = compiled.landmarks(text, start, window, True)
            assert found == [*PLAIN.landmarks(text, start, end, True)[:2]], (seed, start)
            for name, at in zip(*found, strict=True):
                name_end = at + 1 + len(name or "")
                assert compiled.attributes(text, name_end) == PLAIN.attributes(text, name_end), (seed, at)
                assert compiled.end_of_hidden(text, at) == PLAIN.end_of_hidden(text, at), (seed, at)
                assert compiled.end_of_mere_script(text, at) == PLAIN.end_of_mere_script(text, at), (seed, at)
                assert compiled.may_be_inside(text, start, at) == PLAIN.may_be_inside(text, start, at), (
                    seed,
                    at,
                )
                for raw in STOPS:
                    assert compiled.end_of_raw(text, at, raw) == PLAIN.end_of_raw(text, at, raw), (seed, at)
            start = end


@pytest.mark.parametrize("text", ["\u0100<img>", b"<img>", None])
def test_the_compiled_scanner_refuses_what_is_not_one_byte_a_character(
    compiled: Scanner, text: object
) -> None:
    with pytest.raises(TypeError):
        compiled.landmarks(text, 0, 5, False)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compiled.attributes(text, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compiled.end_of_hidden(text, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compiled.end_of_mere_script(text, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compiled.end_of_raw(text, 0, "script")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compiled.may_be_inside(text, 0, 3)  # type: ignore[arg-type]


def test_places_outside_the_text_are_none(compiled: Scanner) -> None:
    assert compiled.landmarks("<img>", 9, 99, True) == ([], [], 5)
    assert compiled.landmarks("<img>", -9, -3, True) == ([], [], 0)
    assert compiled.attributes("<img>", 99) is None
    assert compiled.end_of_hidden("<!-->", 99) == compiled.end_of_raw("<img>", 99, "script") == 5
    assert not compiled.may_be_inside("<img>", -9, 99)
    assert compiled.may_be_inside("<img src='", -9, 99)
    for numbers in ((0,), (0, 5), (0, 5, True, 1), ("0", 5, True), (2**80, 5, True)):
        with pytest.raises((TypeError, OverflowError)):
            compiled.landmarks("<img>", *numbers)


def test_words_that_do_not_fit_are_refused(compiled: Scanner) -> None:
    kind: Any = compiled.__class__
    for tags in (["x" * 32], [""], [f"t{n}" for n in range(300)], [1]):
        with pytest.raises((ValueError, TypeError)):
            kind(tags=tags, stops=(), extensions=(), attributes=())


@pytest.mark.parametrize(
    ("html", "end"),
    [
        ("<script src='a>b'>x</script>", 19),
        ("<script>+json", 13),
        ("<script type=application/ld+json>{}</script>", -1),
        ("<script type='Application/LD+JSON'>{}</script>", -1),
        ("<script src='a", -1),
    ],
)
def test_scripts_that_hold_data_are_told_from_others(compiled: Scanner, html: str, end: int) -> None:
    assert compiled.end_of_mere_script(html, 7) == PLAIN.end_of_mere_script(html, 7) == end


def test_landmarks_and_hints_are_told_in_order() -> None:
    found = PLAIN.landmarks("<a b.jpg itemprop><!-- --><img c.jpg", 0, 36, False)
    assert found == (["a", None, None, HIDES, "img", None], [0, 4, 9, 18, 26, 32], 36)
