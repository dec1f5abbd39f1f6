from __future__ import annotations

import pytest

from mediascrape.scrape.extract import ExtractOptions, ItemFilter, extract
from scrape.extract.soup import Soup

BASE = "https://example.org/a/b"


def kept(html: str, *, decoration: bool) -> dict[str, tuple[object, ...]]:
    """What a filter leaves that wants no decoration: URL -> all that is said of it but its places."""
    options = ExtractOptions(decoration=decoration)
    document = extract(html.encode("utf-8", "replace"), base_url=BASE, options=options)
    return {
        item.url: (item.kind, item.alt, item.title, item.width, item.height, item.mime_type, item.flags)
        for item in ItemFilter().apply(document.items)
    }


@pytest.mark.parametrize("seed", range(100))
def test_what_is_kept_does_not_depend_on_reading_what_is_left_out(seed: int) -> None:
    html = "".join(Soup(seed).pieces(12))
    assert kept(html, decoration=False) == kept(html, decoration=True)


def test_styles_are_not_read_without_decoration() -> None:
    html = (
        "<style>p{background:url(sheet.png)}</style><p style='background:url(attribute.png)'>"
        "<div style='background:url(shown.png)'><img src=shown.png>"
    )
    options = ExtractOptions(decoration=False)
    items = extract(html.encode(), base_url=BASE, options=options).items
    assert [(item.url, item.places) for item in items] == [("https://example.org/a/shown.png", ("img.src",))]
