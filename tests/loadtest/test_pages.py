"""Generated pages: reproducible, of the asked size, and honest about the media they hold."""

from __future__ import annotations

import statistics

from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from mediascrape.loadtest.pages import generate_page, generate_pages

numbers = st.integers(min_value=0, max_value=10**6)


@settings(max_examples=20, deadline=None)
@given(number=numbers, seed=numbers, size=st.integers(min_value=20_000, max_value=120_000))
def test_a_page_is_the_same_every_time_and_of_the_asked_size(number: int, seed: int, size: int) -> None:
    page = generate_page(number, seed=seed, size=size)
    assert page == generate_page(number, seed=seed, size=size)
    assert size <= len(page.html) <= size + 25_000


def test_pages_differ_by_number_and_by_seed() -> None:
    page = generate_page(1, size=10_000)
    assert page.html != generate_page(2, size=10_000).html
    assert page.html != generate_page(1, seed=1, size=10_000).html


@settings(max_examples=20, deadline=None)
@given(number=numbers)
def test_every_named_medium_stands_in_the_document_and_none_is_left_out(number: int) -> None:
    page = generate_page(number, size=60_000)
    text = page.html.decode()
    assert all(reference in text for reference in page.media)

    tree = LexborHTMLParser(page.html)
    plain = {
        str(node.attributes["src"]) for node in tree.css("img[src], iframe[src], audio source, video source")
    }
    candidates = {
        candidate.split()[0]
        for node in tree.css("[srcset], [data-srcset]")
        for candidate in str(node.attributes.get("srcset") or node.attributes["data-srcset"]).split(", ")
    }
    posters = {str(node.attributes["poster"]) for node in tree.css("video[poster]")}
    assert plain | candidates | posters <= page.media.keys()


def test_pages_hold_every_kind_of_media() -> None:
    kinds = {kind for page in generate_pages(32, mean_size=60_000) for kind in page.media.values()}
    assert kinds == {"image", "video", "audio", "embed"}


def test_sizes_are_spread_about_the_mean() -> None:
    sizes = [len(page.html) for page in generate_pages(64, mean_size=100_000)]
    assert 95_000 <= statistics.mean(sizes) <= 115_000
    assert max(sizes) > 2.5 * min(sizes)
