"""Forms of media, each as it stands in real pages, in the least markup that shows it."""

from __future__ import annotations

import pytest

from mediascrape.scrape.extract import Document, ExtractOptions, MediaItem, extract
from mediascrape.scrape.extract.srcset import MAX_CANDIDATES, parse_srcset

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


LD = '<script type="application/ld+json">%s</script>'


def test_a_media_node_describes_its_media() -> None:
    document = read(
        LD
        % '{"@type":"VideoObject","name":" A  film","contentUrl":"/v","encodingFormat":"video/mp4","width":640,'
        '"embedUrl":"https://player.example/1","thumbnailUrl":["/t.jpg"]}'
    )
    film, player, still = document.items
    assert (film.kind, film.title, film.width, film.mime_type) == ("video", "A film", 640, "video/mp4")
    assert (player.kind, player.title, player.thumbnail) == ("embed", "A film", "https://example.org/t.jpg")
    assert (still.url, still.kind, still.title) == ("https://example.org/t.jpg", "image", None)


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ('{"@type":"MediaObject","contentUrl":"/a.mp3"}', "audio"),
        ('{"@type":"MediaObject","contentUrl":"/a","encodingFormat":"audio/mpeg"}', "audio"),
        ('{"@type":"MediaObject","contentUrl":"/a"}', "embed"),
        ('{"image":{"contentUrl":"/a"}}', "image"),
        ('{"@type":"schema:AudioObject","schema:contentUrl":"/a"}', "audio"),
        ('{"@type":"http://schema.org/MusicVideoObject","http://schema.org/contentUrl":"/a"}', "video"),
        ('{"image":{"@type":"ImageObject","@id":"/a.png"}}', "image"),
    ],
)
def test_json_ld_says_the_same_in_many_ways(node: str, kind: str) -> None:
    assert one(LD % node).kind == kind


@pytest.mark.parametrize(
    "node",
    [
        '{"@type":"DataDownload","contentUrl":"/a.csv"}',
        '{"@type":["TextObject"],"contentUrl":"/a.txt"}',
        '{"image":{"@id":"https://example.org/#primaryimage"}}',
        '{"foaf:image":"/a.png"}',
    ],
)
def test_what_json_ld_names_besides_media(node: str) -> None:
    assert urls(LD % node) == []


def test_a_feed_s_own_images_and_base() -> None:
    feed = (
        '<feed xmlns="http://www.w3.org/2005/Atom"\n  xml:base="http://b.example/x/"><icon>i.ico</icon>'
        '<logo> l.png </logo><entry><link rel="enclosure" type="audio/mpeg" href="a"/></entry></feed>'
    )
    items = {item.url: item for item in read(feed).items}
    assert {url: item.kind for url, item in items.items()} == {
        "http://b.example/x/a": "audio",
        "http://b.example/x/i.ico": "image",
        "http://b.example/x/l.png": "image",
    }
    assert items["http://b.example/x/i.ico"].flags == ("icon",)


@pytest.mark.parametrize(
    ("proxied", "original"),
    [
        ("https://i0.wp.com/o.example/a.jpg?resize=3&ssl=1", "https://o.example/a.jpg"),
        ("https://e.example/cdn-cgi/image/w=80,q=3/https://o.example/a.jpg", "https://o.example/a.jpg"),
        ("https://e.example/cdn-cgi/image/w=80,q=3/b/a.jpg", "https://e.example/b/a.jpg"),
        ("https://e.example/fetch/w_8/https%3A%2F%2Fo.example%2Fa.jpg", "https://o.example/a.jpg"),
        ("https://e.example/sig/rs:3/plain/https://o.example/a.jpg@webp", "https://o.example/a.jpg"),
        ("https://e.example/sig/aHR0cHM6Ly9v/LmV4YW1wbGUvYS5qcGc.webp", "https://o.example/a.jpg"),
        ("https://images.weserv.nl/?url=o.example/a.jpg&w=8", "https://o.example/a.jpg"),
        ("https://o-example.cdn.ampproject.org/ii/w8/s/o.example/a.jpg", "https://o.example/a.jpg"),
        ("https://e.example/unsafe/8x8/https://o.example/a.jpg", "https://o.example/a.jpg"),
    ],
)
def test_the_originals_of_foreign_proxies_are_added_when_asked_for(proxied: str, original: str) -> None:
    body = f'<img src="{proxied.replace("&", "&amp;")}" alt="It">'.encode()
    assert [item.url for item in extract(body, base_url=BASE).items] == [proxied]
    (_, found) = extract(body, base_url=BASE, options=ExtractOptions(deep=True)).items
    assert (found.url, found.flags, found.alt) == (original, ("derived",), "It")


def test_a_proxied_reference_is_relative_to_the_proxy() -> None:
    assert urls("<base href=https://b.example/><img src='https://e.example/_next/image?url=%2Fa.jpg'>") == [
        "https://e.example/_next/image?url=%2Fa.jpg",
        "https://e.example/a.jpg",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://www.facebook.com/plugins/like.php?href=x",
        "https://platform.twitter.com/widgets/tweet_button.html",
        "https://www.google.com/recaptcha/api/noscript?k=1",
        "https://ads.example/www/delivery/afr.php?zoneid=1",
        "https://ads.example/RealMedia/ads/adstream_sx.ads/x",
        "https://stats.example/piwik/matomo.php?idsite=1",
        "https://tpc.googlesyndication.com/simgad/1",
        "https://t.co/i/adsct?p_id=Twitter",
    ],
)
def test_advertising_and_buttons_are_trackers(url: str) -> None:
    assert "tracker" in one(f"<iframe src='{url}'></iframe>").flags
    assert (
        "tracker"
        not in one("<iframe src='https://www.facebook.com/plugins/video.php?href=x'></iframe>").flags
    )


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<div itemscope><meta itemprop=contentURL content=/story/1></div>", "embed"),
        (
            "<div itemscope itemtype=https://schema.org/VideoObject><meta itemprop=contentUrl content=/v></div>",
            "video",
        ),
        ("<div itemscope><meta itemprop=contentUrl content=/a.mp3></div>", "audio"),
        ("<div itemscope><img itemprop=contentUrl src=/a></div>", "image"),
    ],
)
def test_content_of_an_item_of_no_known_kind(html: str, kind: str) -> None:
    assert one(html).kind == kind


@pytest.mark.parametrize(
    ("html", "names"),
    [
        ("<div data-bgset='/a 100w, b.jpg 200w'></div>", ["/a", "/dir/b.jpg"]),
        ("<img data-2x='/a.jpg 2x'>", ["/a.jpg"]),
        ("<img data-x='a.jpg 1x, /b.jpg'>", ["/dir/a.jpg", "/b.jpg"]),
        ("<div data-interchange='[/a.jpg, small], [/b.jpg, (large)]'></div>", ["/a.jpg", "/b.jpg"]),
        ("<img data-lazyload=/a><img data-actualsrc=/b>", ["/a", "/b"]),
        (
            "<iframe iframe-src='/player?a=1'></iframe><img lazy-src=/b><img ng-src='/{{c}}'>",
            ["/player?a=1", "/b"],
        ),
        ("<p data-x='Lenses and/or 2x, 3x zoom'>", []),
        ("<a href=# rel='/zoom/a.jpg'>x</a><a rel='lightbox[a.b]' href=/c>x</a>", ["/zoom/a.jpg"]),
        ("<div data-src=/story></div><div data-normal=/b></div>", []),
    ],
)
def test_what_libraries_write_for_later(html: str, names: list[str]) -> None:
    assert urls(html) == ["https://example.org" + name for name in names]


def test_utf_8_that_is_declared_as_something_else_gives_the_browser_s_url() -> None:
    assert urls("<meta charset=iso-8859-1><img src=/Á.png>") == ["https://example.org/%C3%83%C2%81.png"]


def test_templates_within_templates() -> None:
    html = (
        "<template><noscript><img src=a.png></noscript><template><img src=b.png></template><img src=c.png>"
        "</template><img src=d.png></template><noscript><img src=e.png></noscript><img src=f.png>"
    )
    assert [item.flags for item in read(html).items] == [
        ("in_template",), ("in_template",), ("in_template",), (), ("in_noscript",), (),
    ]  # fmt: skip


def test_a_frame_s_own_document_is_read_too() -> None:
    inner = (
        "<title>Inner</title><base href=https://other.example/><a href='é.mp4'><img src='a.png'>"
        "<iframe srcdoc='<img src=no.png>'>"
    )
    frame = f'<iframe srcdoc="{inner.replace("<", "&lt;")}" src=/c></iframe>'
    html = f"<img src=b.png>{frame}<img src=d.png><title>Outer</title>"
    document = read(html)
    assert [item.url for item in document.items] == [
        "https://example.org/dir/b.png",
        "https://example.org/c",
        "https://example.org/dir/%C3%A9.mp4",
        "https://example.org/dir/a.png",
        "https://example.org/dir/d.png",
    ]
    assert (document.title, document.base_url) == ("Outer", BASE)


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<meta property=og:video content=/get/1><meta property=og:video:type content=video/mp4>", "video"),
        ("<meta property=og:video content=/get/1><meta property=og:video:type content=text/html>", "embed"),
        ("<meta property=og:video content=/a.mp4><meta property=og:video:type content=text/html>", "video"),
        ("<meta name=twitter:player content=/get/1><meta name=twitter:player:width content=9>", "embed"),
        ("<meta property=image content=a>", "image"),
        ("<meta property=schema:embedUrl content=/a>", "embed"),
    ],
)
def test_what_a_meta_element_names_is_of_the_kind_it_says(html: str, kind: str) -> None:
    assert one(html).kind == kind


@pytest.mark.parametrize(
    ("html", "url"),
    [
        (
            "<link rel=alternate type=application/json+oembed href='/oembed?url=x'>",
            "https://example.org/oembed?url=x",
        ),
        ("<p data-x=\"[{'src':'/a-small.png'}]\">", "https://example.org/a-small.png"),
        ('<p data-x=\'[{"src":"\\/a-small.png"}]\'>', "https://example.org/a-small.png"),
    ],
)
def test_what_only_scripts_would_use_is_found_when_asked_for(html: str, url: str) -> None:
    assert urls(html) == []
    (item,) = extract(html.encode(), base_url=BASE, options=ExtractOptions(deep=True)).items
    assert (item.url, item.flags) == (url, ("weak",))


def test_what_open_graph_says_of_an_image_holds_for_both_of_its_urls() -> None:
    document = read(
        "<meta property=og:image content=http://e.org/a><meta property=og:image:type content=image/webp>"
        "<meta property=og:image:secure_url content=https://e.org/a><meta property=og:image:width content=1200>"
        "<meta property=og:image:alt content='A cat'>"
        "<meta property=og:image content=/b><meta property=og:image:width content=300>"
    )
    assert [(item.url, item.width, item.mime_type, item.alt) for item in document.items] == [
        ("http://e.org/a", 1200, "image/webp", "A cat"),
        ("https://e.org/a", 1200, "image/webp", "A cat"),
        ("https://example.org/b", 300, None, None),
    ]


def test_both_urls_of_a_video_are_of_the_kind_its_type_says() -> None:
    html = "<meta property=og:video content=http://e.org/a><meta property=og:video:secure_url content=https://e.org/a>"
    after, before = (
        html + "<meta property=og:video:type content=video/mp4>",
        html.replace("><meta", "><meta property=og:video:type content=video/mp4><meta"),
    )
    assert [[item.kind for item in read(each).items] for each in (html, after, before)] == [
        ["embed", "embed"], ["video", "video"], ["video", "video"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("marked", "flag"),
    [
        ("<link rel=icon href=a.png>", "icon"),
        ("<meta name=msapplication-TileImage content=a.png>", "icon"),
        ("<p style='background: url(a.png)'>", "decoration"),
        ("<style>p { background: url(a.png) }</style>", "decoration"),
        ("<body background=a.png>", "decoration"),
        ("<div data-x-srcset='[&quot;/dir/a.png&quot;]'>", "weak"),
    ],
)
def test_what_is_also_shown_is_no_decoration(marked: str, flag: str) -> None:
    """It would be left out, though a visitor sees it."""
    shown = "<img src=a.png>"
    assert one(marked).flags == one(marked + marked).flags == (flag,)
    assert one(marked + shown).flags == one(shown + marked).flags == one(marked + shown + marked).flags == ()


def test_what_a_pattern_found_may_turn_out_to_be_an_icon() -> None:
    html = "<meta name=x content=/a.png><link rel=icon href=/a.png>"
    assert one(html).flags == ("icon",)


def test_a_srcset_without_end_is_cut_off() -> None:
    assert len(parse_srcset("a 1w," * 1_000_000)) == MAX_CANDIDATES
