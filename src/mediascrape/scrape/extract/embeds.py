"""Players of well-known hosts: which provider an embed's URL belongs to, the media's id there, its still.

A row is a provider: the hosts, the pattern of the path (and query) whose first group is the id, and the URL of the
still where the provider's scheme for it is public. Nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mediascrape.scrape.extract.items import MediaItem
from mediascrape.scrape.extract.page import Page
from mediascrape.scrape.extract.text import plain


@dataclass(frozen=True, slots=True)
class Provider:
    """`path` is searched in what follows the host; `thumbnail` is a format with the id.

    A pattern that starts anywhere and then looks far ahead costs as the square of the URL: anchor it.
    """

    name: str
    hosts: tuple[str, ...]
    path: re.Pattern[str]
    thumbnail: str | None = None


def _row(name: str, hosts: str, path: str, thumbnail: str | None = None) -> Provider:
    return Provider(name, tuple(hosts.split()), re.compile(path), thumbnail)


#: One line a provider. A host stands for its subdomains, too.
PROVIDERS: Final = (
    _row("youtube", "youtube.com youtube-nocookie.com",
         r"^/(?:embed/(?!videoseries|live_stream)|v/|shorts/|live/|watch\?(?:.*&)?v=)([\w-]{11})",
         "https://i.ytimg.com/vi/{}/hqdefault.jpg"),
    _row("youtube", "youtube.com youtube-nocookie.com",
         r"^/(?:embed(?:/videoseries)?/?|playlist)\?(?:.*&)?list=([\w-]+)"),
    _row("youtube", "youtube.com youtube-nocookie.com", r"^/embed/live_stream\?(?:.*&)?channel=([\w-]+)"),
    _row("youtube", "youtu.be", r"^/([\w-]{11})", "https://i.ytimg.com/vi/{}/hqdefault.jpg"),
    _row("vimeo", "player.vimeo.com", r"^/video/(\d+)"),
    _row("vimeo", "vimeo.com", r"^/(?:moogaloop\.swf\?(?:.*&)?clip_id=)?(\d+)"),
    _row("dailymotion", "dailymotion.com", r"/(?:embed/)?(?:video|swf)/(?:video/)?([a-zA-Z0-9]+)",
         "https://www.dailymotion.com/thumbnail/video/{}"),
    _row("dailymotion", "geo.dailymotion.com",
         r"[?&]video=([a-zA-Z0-9]+)", "https://www.dailymotion.com/thumbnail/video/{}"),
    _row("dailymotion", "dai.ly", r"^/([a-zA-Z0-9]+)", "https://www.dailymotion.com/thumbnail/video/{}"),
    _row("twitch", "player.twitch.tv clips.twitch.tv", r"[?&](?:video|channel|clip|collection)=([\w-]+)"),
    _row("soundcloud", "w.soundcloud.com",
         r"^[^?]*\?(?:.*&)?url=[^&]*?(?:tracks|playlists|users)(?:/|%2F)(?:soundcloud%3A\w+%3A)?(\d+)"),
    _row("soundcloud", "w.soundcloud.com",
         r"^[^?]*\?(?:.*&)?url=https?(?::|%3A)(?:/|%2F){2}(?:\w+\.)?soundcloud\.com(?:/|%2F)([\w-]+(?:(?:/|%2F)[\w-]+)+)"),
    _row("spotify", "open.spotify.com embed.spotify.com",
         r"(?:/embed(?:-podcast)?/(?:user/[^/]+/)?|uri=spotify(?::|%3A))((?:track|album|playlist|episode|show|artist)(?:/|:|%3A)\w+)"),
    _row("tiktok", "tiktok.com", r"/(?:embed/(?:v\d/)?|player/v1/|@[\w.-]+/video/)(\d+)"),
    _row("facebook", "facebook.com",
         r"^(?:/v[\d.]+)?/plugins/(?:video|post)\.php\?(?:.*&)?href=[^&]*?(?:videos|posts|reel|watch)(?:%[0-9A-Fa-f]{2}|[^&\d%]){0,100}+(\d{6,})"),
    _row("facebook", "facebook.com",
         r"^(?:/v[\d.]+)?/plugins/(?:video|post)\.php\?(?:.*&)?href=[^&]*?(?:%3F|%26)v%3D(\d{6,})"),
    _row("facebook", "facebook.com", r"/(?:video/embed\?video_id=|v/)(\d+)"),
    _row("x", "platform.twitter.com platform.x.com", r"^/embed/.*[?&]id=(\d+)"),
    _row("x", "twitter.com x.com", r"/(?:\w+/status|i/videos(?:/tweet)?)/(\d+)"),
    _row("instagram", "instagram.com", r"^/(?:p|reel|tv)/([\w-]+)"),
    _row("bandcamp", "bandcamp.com", r"^/EmbeddedPlayer/.*?((?:album|track)=\d+)"),
    _row("mixcloud", "mixcloud.com player-widget.mixcloud.com",
         r"^/widget/iframe/\?(?:.*&)?feed=(?:https%3A%2F%2Fwww\.mixcloud\.com)?(?:/|%2F)([^&]+?)(?:/|%2F)?(?:&|$)"),
    _row("apple-podcasts", "embed.podcasts.apple.com", r"/id(\d+)"),
    _row("apple-music", "embed.music.apple.com",
         r"^(?:/[\w-]+)?/(?:album|playlist|song)/(?:[^/?]*+/)*+([\w.-]+)(?:\?|$)"),
    _row("streamable", "streamable.com", r"^/(?:[eos]/)?(\w+)$"),
    _row("wistia", "fast.wistia.net fast.wistia.com", r"/embed/(?:iframe|medias|playlists)/(\w+)"),
    _row("wistia", "embed-ssl.wistia.com embed.wistia.com", r"[?&]mediaId=(\w+)"),
    _row("brightcove", "c.brightcove.com secure.brightcove.com",
         r"^/services/viewer/[^?]*\?(?:.*&)?(?:videoId|%40videoPlayer|@videoPlayer)=([\w-]+)"),
    _row("brightcove", "players.brightcove.net", r"^(/\d+/[^?]*\?(?:.*&)?videoId=[\w:-]+)"),
    _row("jwplayer", "cdn.jwplayer.com content.jwplatform.com",
         r"/players/(\w{8})-", "https://cdn.jwplayer.com/v2/media/{}/poster.jpg"),
    _row("vidyard", "play.vidyard.com", r"^/(\w{10,})", "https://play.vidyard.com/{}.jpg"),
    _row("loom", "loom.com", r"^/embed/(\w+)"),
    _row("rumble", "rumble.com", r"^/embed/(\w+)"),
    _row("odysee", "odysee.com", r"^/\$/embed/([^?]+)"),
    _row("bilibili", "player.bilibili.com", r"[?&]bvid=(\w+)"),
    _row("bilibili", "player.bilibili.com", r"[?&](aid=\d+)"),
    _row("youku", "player.youku.com", r"/(?:embed|sid)/([\w=]+)"),
    _row("vk", "vk.com vkvideo.ru", r"^/video_ext\.php\?(?:.*&)?(oid=-?\d+&id=\d+)"),
    _row("rutube", "rutube.ru", r"/play/embed/(\w+)"),
    _row("ok", "ok.ru", r"^/videoembed/(\d+)"),
    _row("internet-archive", "archive.org", r"^/embed/([^?/]+)", "https://archive.org/services/img/{}"),
    _row("ted", "embed.ted.com", r"^/talks/(?:lang/[\w-]+/)?(\w+)"),
    _row("giphy", "giphy.com", r"^/embed/(\w+)", "https://media.giphy.com/media/{}/giphy_s.gif"),
    _row("imgur", "imgur.com", r"^/(?:a/)?(\w+)/embed"),
    _row("flickr", "flickr.com", r"/photos/[^/]+/(\d+)/player"),
    _row("google-drive", "drive.google.com", r"/file/d/([\w-]+)/preview"),
    _row("deezer", "widget.deezer.com", r"/widget/\w+/((?:track|album|playlist|episode|show)/\d+)"),
    _row("audioboom", "embeds.audioboom.com", r"/posts/(\d+)"),
    _row("libsyn", "html5-player.libsyn.com", r"/embed/episode/id/(\d+)"),
    _row("podbean", "podbean.com", r"^/player(?:-v2)?/\?(?:.*&)?i=([\w-]+)"),
    _row("issuu", "e.issuu.com", r"[?&]d=([\w-]+)"),
    _row("megaphone", "player.megaphone.fm", r"^/(\w+)"),
    _row("megaphone", "playlist.megaphone.fm", r"[?&]([ep]=\w+)"),
    _row("simplecast", "player.simplecast.com", r"^/([\w-]{36})"),
    _row("acast", "embed.acast.com", r"^/(?:\$/)?([\w-]+/[\w-]+)"),
    _row("art19", "art19.com", r"^/shows/[^/]+/episodes/([\w-]+)/embed"),
    _row("anchor", "anchor.fm podcasters.spotify.com creators.spotify.com", r"/embed/episodes/([\w-]+)"),
    _row("buzzsprout", "buzzsprout.com", r"^/\d+/(\d+)"),
    _row("spreaker", "widget.spreaker.com", r"[?&]((?:episode|show|playlist)_id=\d+)"),
    _row("transistor", "share.transistor.fm", r"^/e/([\w-]+)"),
    _row("captivate", "player.captivate.fm", r"^/(?:episode|show)/([\w-]{36})"),
    _row("omny", "omny.fm", r"^/shows/([\w-]+/[\w-]+)/embed"),
    _row("podigee", "player.podigee-cdn.net cdn.podigee.com", r"[?&]configuration=([^&]+)"),
    _row("tidal", "embed.tidal.com", r"^/((?:tracks|albums|playlists|videos)/[\w-]+)"),
    _row("audiomack", "audiomack.com", r"^/embed/((?:song|album|playlist)/[^?]+)"),
    _row("videopress", "videopress.com video.wordpress.com", r"^/(?:embed|v)/(\w{8})"),
    _row("cloudflare-stream", "iframe.videodelivery.net iframe.cloudflarestream.com", r"^/(\w{32})",
         "https://videodelivery.net/{}/thumbnails/thumbnail.jpg"),
    _row("cloudflare-stream", "cloudflarestream.com", r"^/(\w{32})/iframe",
         "https://videodelivery.net/{}/thumbnails/thumbnail.jpg"),
    _row("bunny", "iframe.mediadelivery.net player.mediadelivery.net", r"^/(?:embed|play)/(\d+/[\w-]{36})"),
    _row("mux", "player.mux.com", r"^/(\w{20,})", "https://image.mux.com/{}/thumbnail.jpg"),
    _row("sproutvideo", "videos.sproutvideo.com", r"^/embed/(\w+/\w+)"),
    _row("kaltura", "kaltura.com", r"^/(?:[^?]*/entry_id/|[^?]*\?(?:.*&)?entry_id=)(\w+)"),
    _row("kick", "player.kick.com", r"^/([\w-]+)"),
    _row("ibm-video", "ustream.tv video.ibm.com", r"^/embed/((?:recorded/)?\d+)"),
    _row("tencent-video", "v.qq.com", r"[?&]vid=(\w+)"),
    _row("niconico", "embed.nicovideo.jp ext.nicovideo.jp", r"^/(?:watch|thumb)/(\w+)"),
    _row("aparat", "aparat.com", r"/videohash/(\w+)"),
    _row("coub", "coub.com", r"^/embed/(\w+)"),
    _row("tenor", "tenor.com", r"^/embed/(\d+)"),
    _row("gfycat", "gfycat.com", r"^/ifr/(\w+)"),
    _row("reddit", "redditmedia.com embed.reddit.com", r"/comments/(\w+)"),
    _row("pinterest", "assets.pinterest.com", r"^/ext/embed\.html\?(?:.*&)?id=(\d+)"),
    _row("linkedin", "linkedin.com", r"^/embed/feed/update/(urn:li:\w+:\d+)"),
    _row("telegram", "t.me", r"^/(\w+/\d+)\?(?:.*&)?embed=1"),
    _row("threads", "threads.net threads.com", r"^/@[\w.]+/post/([\w-]+)"),
    _row("bluesky", "embed.bsky.app", r"^/embed/(did:[\w:]+/app\.bsky\.feed\.post/\w+)"),
    _row("slideshare", "slideshare.net", r"^/slideshow/embed_code/(?:key/)?(\w+)"),
    _row("scribd", "scribd.com", r"^/embeds/(\d+)"),
    _row("sketchfab", "sketchfab.com", r"^/models/(\w{32})/embed"),
    _row("getty", "embed.gettyimages.com", r"^/embed/(\d+)"),
)  # fmt: skip

_BY_HOST: Final[dict[str, list[Provider]]] = {}
for _provider in PROVIDERS:
    for _host in _provider.hosts:
        _BY_HOST.setdefault(_host, []).append(_provider)


_PLAYED: Final = frozenset({"embed", "video"})


#: A page of the Wayback Machine: its time, its mode, and the URL it was taken from.
_archived: Final = re.compile(r"https?://web\.archive\.org/web/\d+(?:[a-z]{2}_)?/(https?://.+)").match


def name_providers(items: Iterable[MediaItem]) -> None:
    """Note provider, id and still of the embeds (and videos) whose player is known."""
    for item in items:
        if item.kind in _PLAYED:
            found = provider_of(item.url)
            if found is not None:
                provider, item.provider_id = found
                item.provider = provider.name
                if provider.thumbnail is not None and item.thumbnail is None:
                    item.thumbnail = provider.thumbnail.format(item.provider_id)


def provider_of(url: str) -> tuple[Provider, str] | None:
    """The provider of a normalised URL, and the id of the media there; of an archived copy, what it is a copy of."""
    archived = _archived(url)
    if archived is not None:
        url = archived[1]
    host, _, path = url.partition("://")[2].partition("/")
    while host:
        for provider in _BY_HOST.get(host, ()):
            match = provider.path.search("/" + path)
            if match is not None:
                return provider, match[1]
        host = host.partition(".")[2]
    return None


#: Elements that become players by script -> the attribute that names the media, the URL of the page to embed.
PLAYER_ELEMENTS: Final[dict[str, tuple[str, str]]] = {
    "amp-youtube": ("data-videoid", "https://www.youtube.com/embed/{}"),
    "lite-youtube": ("videoid", "https://www.youtube.com/embed/{}"),
    "amp-vimeo": ("data-videoid", "https://player.vimeo.com/video/{}"),
    "lite-vimeo": ("videoid", "https://player.vimeo.com/video/{}"),
    "amp-dailymotion": ("data-videoid", "https://www.dailymotion.com/embed/video/{}"),
    "amp-instagram": ("data-shortcode", "https://www.instagram.com/p/{}/"),
    "amp-twitter": ("data-tweetid", "https://twitter.com/i/videos/tweet/{}"),
    "amp-tiktok": ("data-src", "https://www.tiktok.com/embed/v2/{}"),
    "amp-facebook": ("data-href", "{}"),
    "amp-soundcloud": ("data-trackid", "https://w.soundcloud.com/player/?url=https%3A%2F%2Fapi.soundcloud.com%2Ftracks%2F{}"),
}  # fmt: skip
#: Attributes of quoted posts that a script turns into players.
_POSTS: Final = ("data-instgrm-permalink", "cite")


def find_player(page: Page, element: str, attrs: Mapping[str, str]) -> None:
    """The embed that a script would make of an element; no browser shows it without, so only `--deep` looks."""
    if element == "blockquote":
        for name in _POSTS:
            if name in attrs and provider_of(page.resolve(plain(attrs[name])) or ""):
                page.add(plain(attrs[name]), "embed", f"{element}.{name}", "weak")
        return
    name, url = PLAYER_ELEMENTS[element]
    value = plain(attrs.get(name, "")).strip()
    if value:
        page.add(url.format(value), "embed", f"{element}.{name}", "weak")
