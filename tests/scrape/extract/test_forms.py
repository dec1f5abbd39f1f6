"""Forms of media, each as it stands in real pages, in the least markup that shows it."""

from __future__ import annotations

import pytest

from mediascrape.scrape.extract import Document, MediaItem, extract

BASE = "https://example.org/dir/page.html"


def read(html: str) -> Document:
    return extract(html.encode(), base_url=BASE)


def urls(html: str) -> list[str]:
    return [item.url for item in read(html).items]


def one(html: str) -> MediaItem:
    (item,) = read(html).items
    return item


@pytest.mark.parametrize(
    "path",
    [
        "/photos/logo.png/jcr:content/renditions/140.png",
        "/thumbor/0x135:1024x818/filters:format(webp)/cdn.example/photo.jpg",
        "/web/2015/http://old.example/photo.jpg",
        "/photos/a;b,c.jpg",
    ],
)
def test_a_path_may_hold_what_else_would_separate(path: str) -> None:
    assert urls(f"<span data-src='{path}'></span>") == ["https://example.org" + path]


@pytest.mark.parametrize(
    "value",
    ["/a.jpg,http://e.org/b.jpg", "/a.jpg http://e.org/b.jpg", "see /a: b.jpg", "{u:'/a.jpg'}", "a:/b.jpg"],
)
def test_a_value_that_is_no_url_as_a_whole_is_none(value: str) -> None:
    assert urls(f'<div data-x="{value}"></div>') == []


@pytest.mark.parametrize(
    "value", ["https://e.org/upload/w_100,h_20/abc", "https://e.org/ad/x;sz=1;ord=[now]?", "/crop(1,2)/photo"]
)
def test_a_lazy_image_needs_no_extension(value: str) -> None:
    assert len(urls(f'<img data-src="{value}">')) == 1


@pytest.mark.parametrize("name", ["data-url", "data-page-url", "data-share-url", "data-link"])
def test_an_image_s_link_is_no_image(name: str) -> None:
    assert urls(f"<img src=a.png {name}=/story/1>") == ["https://example.org/dir/a.png"]


def test_a_set_of_images_for_widths_is_no_srcset() -> None:
    assert urls('<img data-src="//e.org/a_w5,h2.jpg! >768:e.org/a_w9,h3.jpg">') == []


def test_a_domain_of_australia_is_no_sound() -> None:
    assert urls("<a href=https://social.example/abcnews.au>x</a>") == []


@pytest.mark.parametrize(
    "html",
    [
        "<html style='background: url(/a.png)'>",
        "<title>x</title><svg style='background: url(/a.png)'></svg>",
        "<noscript data-src-mobile=/a.png></noscript>",
        "<template data-src=/a.png></template>",
    ],
)
def test_attributes_count_on_elements_that_frame_others(html: str) -> None:
    assert urls(html) == ["https://example.org/a.png"]


def test_a_bad_url_in_a_sheet_hides_what_is_in_it() -> None:
    sheet = '.a{background:url(http:.b{c:d}.e{background:url("/f.gif")repeat-x;g:h}.i{background:url(/j.gif)}'
    assert urls(f"<style>{sheet}</style>") == ["https://example.org/j.gif"]
    assert urls("<p style='background: url(a b.png)'>") == []
