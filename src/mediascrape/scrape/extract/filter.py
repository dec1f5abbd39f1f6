"""Which of the media found are kept: one place for the command line, the API and the settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from mediascrape.scrape.extract.items import DECORATION_FLAGS, MediaItem
from mediascrape.scrape.extract.kinds import extension


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Keeps the items that pass every test; an empty collection or a zero tests nothing.

    kinds: kinds to keep. min_width, min_height: pixels; an item whose size the page does not state passes.
    allow_hosts, deny_hosts: host names; `example.org` means its subdomains too, and denying wins.
    extensions: extensions to keep, without the dot; a URL without one does not pass.
    keep_decoration: keep icons, style sheet decoration, placeholders, pixels and trackers.
    """

    kinds: Collection[str] = frozenset()
    min_width: int = 0
    min_height: int = 0
    allow_hosts: Collection[str] = ()
    deny_hosts: Collection[str] = ()
    extensions: Collection[str] = frozenset()
    keep_decoration: bool = False

    def apply(self, items: Iterable[MediaItem]) -> list[MediaItem]:
        """The items that pass, in the same order."""
        return [item for item in items if self.accepts(item)]

    def accepts(self, item: MediaItem) -> bool:
        """Whether one item passes."""
        if item.flags and not self.keep_decoration and not DECORATION_FLAGS.isdisjoint(item.flags):
            return False
        if self.kinds and item.kind not in self.kinds:
            return False
        if self.min_width and item.width is not None and item.width < self.min_width:
            return False
        if self.min_height and item.height is not None and item.height < self.min_height:
            return False
        if self.extensions and extension(item.url) not in self.extensions:
            return False
        return not (self.allow_hosts or self.deny_hosts) or self._host_passes(item.url)

    def _host_passes(self, url: str) -> bool:
        host = urlsplit(url).hostname or ""
        if _is_among(host, self.deny_hosts):
            return False
        return not self.allow_hosts or _is_among(host, self.allow_hosts)


def _is_among(host: str, names: Iterable[str]) -> bool:
    return any(host == name or host.endswith("." + name) for name in names)
