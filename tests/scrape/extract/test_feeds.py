"""Feeds whose entries came from elsewhere, and sitemaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediascrape.scrape.extract import Document, extract
from mediascrape.scrape.extract.feeds import parts_by_base

BASE = "https://example.org/feeds/all.xml"

PLANET = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://planet.example/">
 <logo>logo.png</logo>
 <entry xml:base="https://one.example/blog/">
  <link rel="enclosure" type="audio/mpeg" href="one.mp3"/>
  <content type="html" xml:base='2024/post.html'>&lt;img src="photo.jpg?a=1&amp;amp;b=2"&gt;</content>
  <media:thumbnail url="still.jpg"/>
 </entry>
 <entry>
  <content type="xhtml"><div xml:base="/sub/"><div><img src="in.png"/></div><img src="after.png"/></div></content>
  <link rel="enclosure" type="video/mp4" xml:base="https://two.example/" href="two.mp4"/>
  <summary type="html">&lt;img src="photo.jpg"&gt;</summary>
 </entry>
</feed>"""

SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
  xmlns:video="http://www.google.com/schemas/sitemap-video/1.1">
 <url><loc>https://example.org/page.png</loc>
  <image:image><image:loc>https://cdn.example/a?w=1&amp;h=2</image:loc>
   <image:caption>Two  cats &amp; a dog</image:caption>
   <image:title>Cats</image:title><image:license>https://example.org/licence.png</image:license></image:image>
  <image:image><image:loc><![CDATA[ https://cdn.example/b.jpg ]]></image:loc></image:image>
  <video:video><video:thumbnail_loc>https://cdn.example/still.jpg</video:thumbnail_loc>
   <video:title>A film</video:title><video:content_loc>https://cdn.example/film</video:content_loc>
   <video:player_loc allow_embed="yes">https://player.example/?v=1</video:player_loc></video:video>
 </url>
</urlset>"""


def read(text: str) -> Document:
    return extract(text.encode(), base_url=BASE, content_type="application/xml")


def test_each_entry_s_urls_are_relative_to_its_own_base() -> None:
    document = read(PLANET)
    assert document.base_url == "https://planet.example/"
    assert {item.url: item.kind for item in document.items} == {
        "https://planet.example/logo.png": "image",
        "https://one.example/blog/one.mp3": "audio",
        "https://one.example/blog/2024/photo.jpg?a=1&b=2": "image",
        "https://one.example/blog/still.jpg": "image",
        "https://planet.example/sub/in.png": "image",
        "https://planet.example/sub/after.png": "image",
        "https://two.example/two.mp4": "video",
        "https://planet.example/photo.jpg": "image",
    }


def test_a_podcast_s_other_files() -> None:
    document = read(
        '<rss xmlns:podcast="https://podcastindex.org/namespace/1.0"><channel>'
        '<podcast:trailer url="t" type="audio/mpeg"/>'
        '<podcast:images srcset="https://e.org/a.jpg 1500w, https://e.org/b.jpg 300w"/><item>'
        '<podcast:alternateEnclosure type="video/mp4"><podcast:source uri="https://e.org/film.mp4"/>'
        '<podcast:source uri="ipfs://film"/></podcast:alternateEnclosure></item></channel></rss>'
    )
    assert [(item.url, item.kind, item.via) for item in document.items] == [
        ("https://example.org/feeds/t", "audio", "podcast:trailer.url"),
        ("https://e.org/a.jpg", "image", "podcast:images.srcset"),
        ("https://e.org/b.jpg", "image", "podcast:images.srcset"),
        ("https://e.org/film.mp4", "video", "podcast:source.uri"),
    ]


def test_a_base_of_an_entry_is_not_the_feed_s() -> None:
    document = read(
        '<rss><channel><image><url>a.png</url></image><item xml:base="https://e.example/"></item>'
    )
    assert document.base_url == BASE
    assert [item.url for item in document.items] == ["https://example.org/feeds/a.png"]


@given(
    st.lists(
        st.sampled_from(
            [
                '<entry xml:base="http://a/b/">',
                "<entry>",
                "</entry>",
                "<c xml:base='d/'/>",
                "<c/>",
                "<c>",
                "</c>",
                "text <",
            ]
        ),
        max_size=40,
    )
)
def test_no_part_of_a_feed_is_lost(pieces: list[str]) -> None:
    data = "<feed>" + "".join(pieces)
    assert "".join(part for _, part in parts_by_base(data, BASE)) == data


def test_a_sitemap_s_images_and_videos() -> None:
    document = read(SITEMAP)
    assert document.feed
    assert [(item.url, item.kind, item.via, item.title, item.alt) for item in document.items] == [
        ("https://cdn.example/a?w=1&h=2", "image", "image:loc", "Cats", "Two cats & a dog"),
        ("https://cdn.example/b.jpg", "image", "image:loc", None, None),
        ("https://cdn.example/still.jpg", "image", "video:thumbnail_loc", "A film", None),
        ("https://cdn.example/film", "video", "video:content_loc", "A film", None),
        ("https://player.example/?v=1", "embed", "video:player_loc", "A film", None),
    ]
    assert {item.thumbnail for item in document.items[3:]} == {"https://cdn.example/still.jpg"}


def test_a_page_that_names_such_elements_is_no_sitemap() -> None:
    assert read("<p><image:image><image:loc>https://example.org/a.png</image:loc></image:image>").items == []
