"""JSON-LD, whatever stands where a URL, a size or a name is expected."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.scrape.extract import extract

BASE = "https://example.org/dir/page.html"

KEYS = (
    "@id", "@graph", "url", "contentUrl", "embedUrl", "image", "logo", "thumbnailUrl", "schema:photo",
    "name", "caption", "width", "height", "value", "encodingFormat",
)  # fmt: skip
TYPES = st.sampled_from(["ImageObject", "VideoObject", "Thing", ["schema:AudioObject"], 1])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["/a.png", "a.mp4", "https://e.org/x", "12", "image/png", ""])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.fixed_dictionaries({"@type": TYPES}, optional=dict.fromkeys(KEYS, inner))
    ),
    max_leaves=20,
)


def urls(node: object) -> list[str]:
    script = f'<script type="application/ld+json">{json.dumps(node)}</script>'
    return [item.url for item in extract(script.encode(), base_url=BASE).items]


@given(VALUES)
def test_any_value_may_stand_anywhere(node: object) -> None:
    assert all(url.startswith("http") for url in urls(node))


@pytest.mark.parametrize(
    "node",
    [
        {"@type": "ImageObject", "url": ["/a.png"]},
        {
            "@type": "VideoObject",
            "image": {"url": "/a.png"},
            "@graph": [{"@type": "ImageObject", "url": ["/a.png"]}],
        },
        {"image": {"@type": "ImageObject", "url": ["/a.png"]}},
    ],
)
def test_an_image_may_have_a_list_of_urls(node: object) -> None:
    assert urls(node) == ["https://example.org/a.png"]


@pytest.mark.parametrize(
    "node",
    [
        {"image": {"@list": ["/a.png"]}},
        {"image": {"@set": [{"@type": "ImageObject", "url": "/a.png"}]}},
        {"image": [{"@value": "/a.png"}]},
        {"@type": "SoftwareApplication", "screenshot": "/a.png"},
        {"photos": ["/a.png", "A photo"]},
    ],
)
def test_an_image_in_other_words(node: object) -> None:
    assert urls(node) == ["https://example.org/a.png"]


def test_a_property_that_may_be_media_is_when_its_extension_says_so() -> None:
    node = {"video": "/a.mp4", "audio": ["/b.mp3", "/c"], "trailer": "/d", "screenshot": "/e"}
    assert urls(node) == ["https://example.org/a.mp4", "https://example.org/b.mp3"]
