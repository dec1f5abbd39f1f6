"""Which items of a page are sizes of one picture."""

from __future__ import annotations

import pytest

from mediascrape.scrape.extract import extract
from mediascrape.store import StoredMedia
from mediascrape.web.variants import variants_of

PICTURE = '<picture><source srcset="w-800.webp 800w, w-400.webp 400w"><img src="w.jpg" alt="W"></picture>'
PAGE = (
    '<img src="a.jpg" alt="A" srcset="a-400.jpg 400w, a-800.jpg 800w">'
    '<img src="b.jpg" alt="B">'
    '<img src="c.jpg" srcset="c-2.jpg 2x"><img src="d.jpg" srcset="d-2.jpg 2x">' + PICTURE
)


def on_page() -> list[StoredMedia]:
    items = extract(PAGE.encode(), base_url="https://h.example/").items
    return [
        StoredMedia(
            number, item.url, item.kind, item.via, None, item.alt, item.title, item.width, item.height,
            None, "h.example", (), None, None, None, 0.0,
        )
        for number, item in enumerate(items)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "sizes"),
    [
        ("a.jpg", {"a.jpg", "a-400.jpg", "a-800.jpg"}), ("b.jpg", set()), ("c-2.jpg", {"c.jpg", "c-2.jpg"}),
        ("d.jpg", {"d.jpg", "d-2.jpg"}), ("w-400.webp", {"w.jpg", "w-800.webp", "w-400.webp"}),
    ],
)  # fmt: skip
def test_sizes_of_one_element_are_found_and_no_others(shown: str, sizes: set[str]) -> None:
    page = on_page()
    number = next(item.id for item in page if item.url.endswith(f"/{shown}"))
    assert {item.url.rpartition("/")[2] for item in variants_of(number, page)} == sizes
