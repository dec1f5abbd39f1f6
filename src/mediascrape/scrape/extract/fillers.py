"""Marks what shows nothing: pixels, trackers, and placeholders that stand until a script has run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from mediascrape.scrape.extract.items import MediaItem
from mediascrape.scrape.extract.landmarks import automaton

#: One of these is in the name of every placeholder.
_WORDS: Final = ("blank", "spacer", "placeholder", "transparent", "pixel", "loading", "loader", "lazy", "1x1", "clear",
                 "dummy", "empty")  # fmt: skip
#: One of these is in the path of every measurement that only its path tells.
_PATHS: Final = ("/tr/", "/tr?", ".php", "/b/ss/")
_find_words: Final = automaton([word.encode() for word in (*_WORDS, *_PATHS)])
#: File names of placeholders: one of these words, alone or with a number, a size or a colour.
_is_placeholder: Final = re.compile(
    r"(?:[a-z0-9]+[-_.])?(?:blank|spacer|placeholder|transparent|pixel|loading|loader|lazy-?load|1x1|clear|dummy|empty)"
    r"(?:[-_.]?[a-z0-9]{1,8})?\.(?:gif|png|svg|jpe?g|webp)"
).fullmatch


#: Hosts, with their subdomains, that serve measurement and advertising rather than media.
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
})  # fmt: skip
_is_tracking_path: Final = re.compile(
    r"://(?:www\.facebook\.com/tr[/?]|[^/]+/(?:piwik|matomo)\.php|[^/]+/b/ss/)"
).search


def mark_fillers(items: Sequence[MediaItem]) -> None:
    """Flag images and embeds of at most one pixel as `pixel`, of measurement as `tracker`, fillers as `placeholder`."""
    all_urls = "\n".join([item.url for item in items]).lower()
    numbers = {number for number, _, _ in _find_words(all_urls.encode())}
    words = [_WORDS[number] for number in sorted(numbers) if number < len(_WORDS)]
    may_be_paths = len(words) < len(numbers)
    urls = all_urls.split("\n")
    for index, item in enumerate(items):
        lower = urls[index]
        width, height = item.width, item.height
        tiny = (width is not None and width <= 1) or (height is not None and height <= 1)
        if tiny and item.kind in ("image", "embed"):
            item.flags += ("pixel",)
        if _is_tracker(lower[: lower.find("/", 8)]) or (may_be_paths and _is_tracking_path(item.url)):
            item.flags += ("tracker",)
        for word in words:
            if word in lower and item.kind == "image" and _is_placeholder(_file_name(lower)):
                item.flags += ("placeholder",)
                break


def _file_name(url: str) -> str:
    path = url.partition("?")[0]
    return path[path.rfind("/") + 1 :]


@lru_cache(maxsize=4096)
def _is_tracker(origin: str) -> bool:
    host = origin.partition("://")[2].partition(":")[0]
    while host:
        if host in _TRACKERS:
            return True
        host = host.partition(".")[2]
    return False
