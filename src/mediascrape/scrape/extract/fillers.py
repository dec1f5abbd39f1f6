"""Marks what shows nothing: pixels, trackers, and placeholders that stand until a script has run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from mediascrape.scrape.extract.items import MediaItem
from mediascrape.scrape.extract.scanner import automaton

#: One of these is in the name of every placeholder, or in the URL of what `_is_tracking_url` knows.
_find_words: Final = automaton(
    [
        b"blank", b"spacer", b"placeholder", b"transparent", b"pixel", b"loading", b"loader", b"lazy", b"1x1",
        b"clear", b"dummy", b"empty",
        b"facebook.com/tr", b"facebook.com/plugins/", b".com/widgets/", b"/recaptcha/", b"/piwik.php",
        b"/matomo.php", b"/b/ss/", b"/realmedia/ads/", b"/delivery/a", b"/delivery/lg.php",
    ]
)  # fmt: skip
#: File names of placeholders: one of these words, alone or with a number, a size or a colour.
_is_placeholder: Final = re.compile(
    r"(?:[a-z0-9]+[-_.])?(?:blank|spacer|placeholder|transparent|pixel|loading|loader|lazy-?load|1x1|clear|dummy|empty)"
    r"(?:[-_.]?[a-z0-9]{1,8})?\.(?:gif|png|svg|jpe?g|webp)"
).fullmatch


#: Hosts, with their subdomains, that serve measurement, advertising and buttons rather than media.
_TRACKERS: Final = frozenset({
    "googletagmanager.com", "google-analytics.com", "doubleclick.net", "scorecardresearch.com",
    "quantserve.com", "2o7.net", "omtrdc.net", "demdex.net", "vgwort.de", "xiti.com", "ioam.de", "ivwbox.de",
    "mc.yandex.ru", "counter.yadro.ru", "top-fwz1.mail.ru", "moatads.com", "mathtag.com", "adsymptotic.com",
    "ads.linkedin.com", "pixel.wp.com", "stats.wp.com", "analytics.twitter.com", "bat.bing.com",
    "ct.pinterest.com", "statcounter.com", "etracker.de", "etracker.com", "histats.com", "hits.sh",
    "imrworldwide.com", "krxd.net", "bluekai.com", "chartbeat.net", "parsely.com", "tapad.com", "rlcdn.com",
    "adnxs.com", "criteo.com", "criteo.net", "pubmatic.com", "rubiconproject.com", "casalemedia.com",
    "openx.net", "smartadserver.com", "metrigo.com", "webtrekk.net", "wt-eu02.net", "mouseflow.com",
    "hotjar.com", "clarity.ms", "alb.reddit.com", "analytics.tiktok.com", "gemius.pl", "webtrends.com",
    "webtrendslive.com", "sitemeter.com", "clicky.com", "piwik.pro",
    "googlesyndication.com", "googleadservices.com", "adservice.google.com", "amazon-adsystem.com", "adform.net",
    "adition.com", "adscale.de", "adsrvr.org", "adtech.de", "adtechus.com", "atwola.com", "awin1.com", "cnzz.com",
    "crwdcntrl.net", "hm.baidu.com", "mediaplex.com", "pos.baidu.com", "rfihub.com", "serving-sys.com", "tanx.com",
    "teads.tv", "tradedoubler.com", "turn.com", "weborama.fr", "widgets.outbrain.com", "yieldmanager.com",
    "zanox-affiliate.de", "zedo.com", "51.la", "advertising.com", "adverticum.net", "atdmt.com",
    "counter.rambler.ru", "effectivemeasure.net", "estat.com", "getclicky.com", "hotlog.ru", "marinsm.com", "nexac.com",
    "spring-tns.net", "stats.wordpress.com", "t.co", "tns-counter.ru", "top.mail.ru",
    "addthis.com", "sharethis.com", "staticxx.facebook.com", "recaptcha.net",
})  # fmt: skip
#: The same by URL, in lower case: Facebook's pixel and buttons, X's, Google's captcha, Matomo, Adobe, Revive, Xaxis.
_is_tracking_url: Final = re.compile(
    r"https?://(?:www\.facebook\.com/(?:tr[/?]|plugins/(?:activity|comments|facepile|fan|follow|like|like_?box|page|"
    r"recommendations|send|share_button)\.php)|platform\.(?:twitter|x)\.com/widgets/(?:follow|tweet)_button"
    r"|(?:www\.)?google\.com/recaptcha/|[^/]+/(?:(?:[^/?]+/)?(?:piwik|matomo)\.php|b/ss/|realmedia/ads/"
    r"|(?:[^/?]+/){0,3}delivery/(?:afr|ai|avw|lg)\.php))"
).match


_SIZED: Final = frozenset({"image", "embed"})


def mark_fillers(items: Sequence[MediaItem]) -> None:
    """Flag images and embeds of at most one pixel as `pixel`, fillers as `placeholder`, measurement as `tracker`.

    Advertising, social buttons and captchas count as measurement.
    """
    if not items:
        return
    placeholders, tracking = _conspicuous("\n".join([item.url for item in items]).lower())
    origin, is_tracker = "\n", False
    for item in items:
        url, width, height = item.url, item.width, item.height
        if (
            (width is not None and width <= 1) or (height is not None and height <= 1)
        ) and item.kind in _SIZED:
            item.flags += ("pixel",)
        if not url.startswith(origin):
            # Most have that of the one before.
            origin = url[: url.find("/", 8) + 1]
            is_tracker = _is_tracker(origin)
        if is_tracker or (tracking and url.lower() in tracking):
            item.flags += ("tracker",)
        if placeholders and item.kind == "image" and url.lower() in placeholders:
            item.flags += ("placeholder",)


def _conspicuous(all_urls: str) -> tuple[set[str], set[str]]:
    """The lines that are URLs of placeholders and of measurement by what stands in them."""
    placeholders: set[str] = set()
    tracking: set[str] = set()
    end = 0
    for _, start, _ in _find_words(all_urls.encode()):
        if start < end:
            continue
        end = all_urls.find("\n", start)
        end = len(all_urls) if end < 0 else end
        url = all_urls[all_urls.rfind("\n", 0, start) + 1 : end]
        if _is_placeholder(_file_name(url)):
            placeholders.add(url)
        if _is_tracking_url(url):
            tracking.add(url)
    return placeholders, tracking


def _file_name(url: str) -> str:
    path = url.partition("?")[0]
    return path[path.rfind("/") + 1 :]


@lru_cache(maxsize=4096)
def _is_tracker(origin: str) -> bool:
    host = origin[:-1].partition("://")[2].partition(":")[0]
    while host:
        if host in _TRACKERS:
            return True
        host = host.partition(".")[2]
    return False
