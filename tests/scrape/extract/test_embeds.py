from __future__ import annotations

import pytest

from mediascrape.scrape.extract import extract
from mediascrape.scrape.extract.embeds import provider_of


@pytest.mark.parametrize(
    ("url", "provider", "identity", "thumbnail"),
    [
        ("https://www.youtube.com/embed/abcdefghijk?rel=0", "youtube", "abcdefghijk",
         "https://i.ytimg.com/vi/abcdefghijk/hqdefault.jpg"),
        ("//www.youtube-nocookie.com/embed/abcdefghij-", "youtube", "abcdefghij-",
         "https://i.ytimg.com/vi/abcdefghij-/hqdefault.jpg"),
        ("https://web.archive.org/web/20220724231430if_/https://www.youtube.com/embed/abcdefghijk?rel=0", "youtube",
         "abcdefghijk", "https://i.ytimg.com/vi/abcdefghijk/hqdefault.jpg"),
        ("https://www.youtube.com/v/abcdefghijk", "youtube", "abcdefghijk",
         "https://i.ytimg.com/vi/abcdefghijk/hqdefault.jpg"),
        ("https://www.youtube.com/embed/videoseries?list=PL1-x", "youtube", "PL1-x", None),
        ("https://player.vimeo.com/video/32246206?color=fff", "vimeo", "32246206", None),
        ("https://www.dailymotion.com/embed/video/x7abc", "dailymotion", "x7abc",
         "https://www.dailymotion.com/thumbnail/video/x7abc"),
        ("https://geo.dailymotion.com/player/x1.html?video=x7abc", "dailymotion", "x7abc",
         "https://www.dailymotion.com/thumbnail/video/x7abc"),
        ("https://player.twitch.tv/?channel=some_one&parent=e.org", "twitch", "some_one", None),
        ("https://clips.twitch.tv/embed?clip=Odd-Name_1", "twitch", "Odd-Name_1", None),
        ("https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/123&x=1", "soundcloud", "123", None),
        ("https://open.spotify.com/embed/track/4uLU6h", "spotify", "track/4uLU6h", None),
        ("https://www.tiktok.com/embed/v2/7012345678901234567", "tiktok", "7012345678901234567", None),
        ("https://www.facebook.com/plugins/video.php?href=https%3A%2F%2Fwww.facebook.com%2Fx%2Fvideos%2F1234567%2F",
         "facebook", "1234567", None),
        ("https://platform.twitter.com/embed/Tweet.html?dnt=true&id=1500000000", "x", "1500000000", None),
        ("https://www.instagram.com/p/Cabc-1_2/embed/", "instagram", "Cabc-1_2", None),
        ("https://bandcamp.com/EmbeddedPlayer/album=42/size=large/", "bandcamp", "album=42", None),
        ("https://embed.podcasts.apple.com/us/podcast/x/id1234", "apple-podcasts", "1234", None),
        ("https://streamable.com/e/a1b2c3", "streamable", "a1b2c3", None),
        ("https://fast.wistia.net/embed/iframe/abc123", "wistia", "abc123", None),
        ("https://play.vidyard.com/abcdefghij12", "vidyard", "abcdefghij12", "https://play.vidyard.com/abcdefghij12.jpg"),
        ("https://www.loom.com/embed/0a1b2c", "loom", "0a1b2c", None),
        ("https://archive.org/embed/some-item.1", "internet-archive", "some-item.1",
         "https://archive.org/services/img/some-item.1"),
        ("https://embed.ted.com/talks/lang/de/some_talk", "ted", "some_talk", None),
        ("https://giphy.com/embed/abC1", "giphy", "abC1", "https://media.giphy.com/media/abC1/giphy_s.gif"),
        ("https://drive.google.com/file/d/1-a_B/preview", "google-drive", "1-a_B", None),
        ("https://widget.deezer.com/widget/dark/track/3135556", "deezer", "track/3135556", None),
        ("https://vk.com/video_ext.php?oid=-1&id=2&hash=3", "vk", "oid=-1&id=2", None),
        ("https://player.bilibili.com/player.html?bvid=BV1xx", "bilibili", "BV1xx", None),
        ("https://www.youtube.com/embed/live_stream?channel=UCx-1", "youtube", "UCx-1", None),
        ("https://www.youtube.com/embed?listType=playlist&list=PL1-x", "youtube", "PL1-x", None),
        ("https://w.soundcloud.com/player/?url=https%3A%2F%2Fsoundcloud.com%2Fsome-one%2Fsong&x=1",
         "soundcloud", "some-one%2Fsong", None),
        ("https://open.spotify.com/embed/user/some.one/playlist/37i9", "spotify", "playlist/37i9", None),
        ("https://www.facebook.com/plugins/video.php?x=1&href=https%3A%2F%2Fwww.facebook.com%2Fwatch%2F%3Fv%3D1234567",
         "facebook", "1234567", None),
        ("https://c.brightcove.com/services/viewer/federated_f9/?isVid=1&videoId=2553572519001",
         "brightcove", "2553572519001", None),
        ("https://playlist.megaphone.fm/?e=ABC123", "megaphone", "e=ABC123", None),
        ("https://widget.spreaker.com/player?episode_id=17&theme=dark", "spreaker", "episode_id=17", None),
        ("https://iframe.videodelivery.net/0123456789abcdef0123456789abcdef", "cloudflare-stream",
         "0123456789abcdef0123456789abcdef",
         "https://videodelivery.net/0123456789abcdef0123456789abcdef/thumbnails/thumbnail.jpg"),
        ("https://cdnapisec.kaltura.com/p/1/embedPlaykitJs/uiconf_id/2?iframeembed=true&entry_id=1_abc",
         "kaltura", "1_abc", None),
        ("https://assets.pinterest.com/ext/embed.html?id=1234", "pinterest", "1234", None),
        ("https://t.me/channel/12?embed=1", "telegram", "channel/12", None),
        ("https://www.slideshare.net/slideshow/embed_code/key/aBc12", "slideshare", "aBc12", None),
        ("https://v.qq.com/txp/iframe/player.html?vid=x0336", "tencent-video", "x0336", None),
    ],
)  # fmt: skip
def test_players(url: str, provider: str, identity: str, thumbnail: str | None) -> None:
    html = f'<iframe src="{url.replace("&", "&amp;")}"></iframe>'
    (item,) = extract(html.encode(), base_url="https://example.org/").items
    assert (item.kind, item.provider, item.provider_id, item.thumbnail) == (
        "embed",
        provider,
        identity,
        thumbnail,
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://youtube.com.example/embed/abcdefghijk",
        "https://notyoutube.com/embed/abcdefghijk",
        "https://example.org/?u=https://www.youtube.com/embed/abcdefghijk",
        "https://www.youtube.com/embed/short",
        "https://www.youtube.com/embed/live_stream",
        "https://www.youtube.com/",
    ],
)
def test_what_is_no_player(url: str) -> None:
    (item,) = extract(f'<iframe src="{url}"></iframe>'.encode(), base_url="https://example.org/").items
    assert (item.kind, item.provider, item.provider_id, item.thumbnail) == ("embed", None, None, None)


@pytest.mark.parametrize(
    ("start", "part"),
    [
        ("https://w.soundcloud.com/player/?", "&url="),
        ("https://w.soundcloud.com/player/", "?url="),
        ("https://www.facebook.com/plugins/video.php?&href=", "videos"),
        ("https://www.facebook.com", "/plugins/video.php?"),
        ("https://bandcamp.com", "/EmbeddedPlayer/"),
        ("https://embed.music.apple.com/album/", "/album"),
        ("https://www.mixcloud.com", "/widget/iframe/?"),
        ("https://platform.twitter.com", "/embed/"),
        ("https://www.youtube.com", "/watch?"),
        ("https://vk.com", "/video_ext.php?"),
        ("https://cdnapi.kaltura.com/", "/entry_id/-"),
        ("https://cdnapi.kaltura.com/?", "&entry_id"),
        ("https://www.facebook.com/plugins/video.php?", "&href=%3Fv"),
        ("https://w.soundcloud.com/player/?url=https://soundcloud.com", "/a?&url="),
        ("https://c.brightcove.com/services/viewer/?", "&videoId"),
    ],
)
def test_long_urls_of_a_provider_end(start: str, part: str) -> None:
    """Each would take minutes if its pattern looked ahead from every place where it can start."""
    for _ in range(100):
        assert provider_of(start + part * (8000 // len(part)) + "!") is None
