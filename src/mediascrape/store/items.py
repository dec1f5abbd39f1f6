"""The rows of a page's items: by far most of what a commit writes. No I/O; the same for both backends.

Rows stay in columns until they are bound. New media get an id and are written without looking first
whether they exist: the unique index must be searched for the insert anyway. Those that turn out to exist
get their true id afterwards and are remembered, since what was seen on two pages (a logo, an avatar)
will be on more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import compress, repeat
from typing import Any, Protocol

from .bounded import Bounded
from .prepare import Columns, Prepared, Texts, millis, more_places, select, sizes, texts, words
from .tallies import MEDIA, Tallies

MEDIA_COLUMNS = (
    "id",
    "host_id",
    "first_page_id",
    "first_seen",
    "kind",
    "url",
    "via",
    "alt",
    "title",
    "width",
    "height",
    "mime_type",
    "flags",
    "provider",
    "provider_id",
)
PAGE_MEDIA_COLUMNS = ("page_id", "position", "media_id", "via", "places", "alt", "title")


Said = tuple[int, str | None, str | None]
"""Of a media row: its id, and the alt and title that the first page gave it. They never change."""


class Known:
    """Media and hosts that this process has seen committed; they are never deleted."""

    def __init__(self, size: int) -> None:
        self.media: Bounded[str, Said] = Bounded(size)
        self.hosts: Bounded[str, int] = Bounded(size)


class Rows:
    """Rows for one table, kept in columns."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._columns: dict[str, list[Any]] = {name: [] for name in names}
        self.columns = [*self._columns.values()]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows, each in the order of the names."""
        return zip(*self.columns, strict=True)

    def extend(self, *columns: Iterable[Any]) -> None:
        """Add rows: one sequence of values per column, in the order of the names."""
        for column, values in zip(self.columns, columns, strict=True):
            column.extend(values)


class Ids(Protocol):
    """Where a commit's ids come from. It must not refer to the rows: in a circle, each commit's rows, some
    megabytes, would stay until the garbage collector comes by."""

    def take_media(self, amount: int) -> Sequence[int]:
        """So many unused ids."""
        ...

    def of_hosts(self, urls: Sequence[str]) -> Sequence[int]:
        """The ids of the hosts of URLs."""
        ...


class ItemRows:
    """Gathers the items of a commit's changed pages.

    `new`: per page id, how many of its items no page had shown before.
    """

    def __init__(self, known: Known, ids: Ids) -> None:
        self._known = known
        self._source = ids
        self._said: dict[str, Said] = {}
        self._shared: dict[str, Said] = {}
        self._kinds: Counter[str] = Counter()
        self.media = Rows(MEDIA_COLUMNS)
        self.page_media = Rows(PAGE_MEDIA_COLUMNS)
        self.new: dict[int, int] = {}

    def load(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take media that are known to exist: (url, id, alt, title)."""
        self._said.update(_by_url(rows))

    def unknown(self, prepared: Prepared) -> list[str]:
        """URLs of a page's items whose ids are not known."""
        known, loaded = self._known.media.get, self._said
        urls = prepared.items.url if prepared.items is not None else ()
        return [url for url in urls if known(url) is None and url not in loaded]

    def add(self, page_id: int, prepared: Prepared) -> None:
        """Queue the items of a page, which replace those it had."""
        items = prepared.items
        self.new[page_id] = 0
        if items is None or not items.url:
            return
        said: Sequence[Said | None] = [*map(self._known.media.get, items.url)]
        if not all(said):
            said = [known or self._said.get(url) for known, url in zip(said, items.url, strict=True)]
        if not all(said):
            said = self._with_new(page_id, prepared, said)
        ids, alts, titles = zip(*said, strict=True)
        amount = len(ids)
        self.page_media.extend(
            repeat(page_id, amount),
            range(amount),
            ids,
            items.via,
            more_places(items.places),
            _own(items.alt, alts),
            _own(items.title, titles),
        )

    def _with_new(self, page_id: int, prepared: Prepared, said: Sequence[Said | None]) -> list[Said]:
        """What is said of all items of the page, when those of which nothing is are queued as new."""
        items = prepared.items
        assert items is not None
        unknown = [known is None for known in said]
        fresh = items if all(unknown) else select(items, unknown)
        numbers = self._add_media(page_id, fresh, millis(prepared.record.finished_at))
        made = [*zip(numbers, texts(fresh.alt), texts(fresh.title), strict=True)]
        self._said.update(zip(fresh.url, made, strict=True))
        rest = iter(made)
        return [known or next(rest) for known in said]

    def _add_media(self, page_id: int, items: Columns, seen: int) -> Sequence[int]:
        amount = self.new[page_id] = len(items.url)
        ids = self._source.take_media(amount)
        self._kinds.update(items.kind)
        self.media.extend(
            ids,
            self._source.of_hosts(items.url),
            repeat(page_id, amount),
            repeat(seen, amount),
            items.kind,
            items.url,
            items.via,
            texts(items.alt),
            texts(items.title),
            sizes(items.width),
            sizes(items.height),
            items.mime_type,
            words(items.flags),
            items.provider,
            items.provider_id,
        )
        return ids

    def existing(self, inserted: Collection[int]) -> list[str]:
        """URLs of the queued media that were not inserted, since they exist."""
        return [
            url
            for media_id, url in zip(self.media["id"], self.media["url"], strict=True)
            if media_id not in inserted
        ]

    def resolve(self, rows: Iterable[Sequence[Any]]) -> None:
        """Put existing media, (url, id, alt, title), where they were queued as new, and uncount those."""
        found = _by_url(rows)
        self._shared.update(found)
        media = self.media
        exists = [url in found for url in media["url"]]
        for page_id in compress(media["first_page_id"], exists):
            self.new[page_id] -= 1
        self._kinds.subtract(compress(media["kind"], exists))
        queued = zip(media["id"], media["url"], media["alt"], media["title"], strict=True)
        true = {}
        for media_id, url, alt, title in compress(queued, exists):
            true_id, true_alt, true_title = found[url]
            true[media_id] = (true_id, *_own((alt, title), (true_alt, true_title)))
        ids, alts, titles = (self.page_media[name] for name in ("media_id", "alt", "title"))
        for index, media_id in enumerate(ids):
            if media_id in true:
                ids[index], alt, title = true[media_id]
                alts[index] = alt if alts[index] is None else alts[index]
                titles[index] = title if titles[index] is None else titles[index]

    def count(self, tallies: Tallies) -> None:
        """Count the new media by their kinds."""
        for kind, amount in self._kinds.items():
            tallies.add(MEDIA, kind, amount)

    def learn(self) -> None:
        """Remember what was found to exist; to be called once the transaction is committed."""
        self._known.media.update(self._shared)


def _by_url(rows: Iterable[Sequence[Any]]) -> dict[str, Said]:
    return {url: (media_id, alt, title) for url, media_id, alt, title in rows}


def _own(of_page: Texts, of_media: Texts) -> Texts:
    """What a page says of its items where that is not what the media rows say: there None stands for "the
    same", and an empty text for "nothing"."""
    if of_page == of_media:
        return [None] * len(of_page)
    return [None if own == first else own or "" for own, first in zip(of_page, of_media, strict=True)]
