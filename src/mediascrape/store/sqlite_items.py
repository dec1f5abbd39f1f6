"""The rows of a page's items: by far most of what a commit writes.

Items stay in columns until they are bound, many rows to a statement: the driver lets go of Python's
lock at every step of one, and on a busy machine another thread keeps it for milliseconds each time.

New media are inserted without looking first whether they exist: the unique index must be searched for
the insert anyway. Those that turn out to exist get their true id afterwards and are remembered, since
what was seen on two pages (a logo, an avatar) will be on more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, compress, islice, repeat
from typing import Any

import apsw

from .bounded import Bounded
from .prepare import Columns, Prepared, hosts_of, millis, more_places, select, sizes, texts, words
from .tallies import MEDIA, Tallies

_IN_CHUNK = 512
"""Values of one IN list; shorter lists are padded to a power of two, so that few statements exist."""

_ROWS = 64
"""Most rows of one INSERT; the rest goes in halves of it, so that few statements exist."""

_MEDIA_TABLE = (
    "media",
    (
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
    ),
    " ON CONFLICT (url) DO NOTHING",
)
_PAGE_MEDIA_TABLE = ("page_media", ("page_id", "position", "media_id", "via", "places", "alt", "title"))


class Known:
    """Ids that this process has seen committed; media and hosts are never deleted."""

    def __init__(self, size: int) -> None:
        self.media: Bounded[str, int] = Bounded(size)
        self.hosts: Bounded[str, int] = Bounded(size)


class ItemRows:
    """Gathers the items of a commit's changed pages, then writes them.

    `new`: per page id, how many of its items no page had shown before.
    """

    def __init__(self, connection: apsw.Connection, known: Known) -> None:
        self._db = connection
        self._known = known
        self._ids: dict[str, int] = {}
        self._shared: dict[str, int] = {}
        self._hosts: dict[str, int] = {}
        self._media = _Rows(*_MEDIA_TABLE)
        self._page_media = _Rows(*_PAGE_MEDIA_TABLE)
        self._first_id = self._next_id = next_id(connection, "media")
        self.new: dict[int, int] = {}

    def load(self, page_id: int) -> None:
        """Take the ids of what the page shows so far: most of it will be there again."""
        self._ids.update(
            self._db.execute(
                "SELECT m.url, m.id FROM page_media p JOIN media m ON m.id = p.media_id WHERE p.page_id = ?",
                (page_id,),
            )
        )

    def add(self, page_id: int, prepared: Prepared) -> None:
        """Queue the items of a page, which replace those it had."""
        items = prepared.items
        self.new[page_id] = 0
        if items is None or not items.url:
            return
        ids = [*map(self._known.media.get, items.url)]
        if None in ids:
            ids = [known or self._ids.get(url) for known, url in zip(ids, items.url, strict=True)]
        unknown = [known is None for known in ids]
        first = self._next_id
        if True in unknown:
            fresh = items if all(unknown) else select(items, unknown)
            self._add_media(page_id, fresh, millis(prepared.record.finished_at))
        numbers = iter(range(first, self._next_id))
        amount = len(ids)
        self._page_media.extend(
            repeat(page_id, amount),
            range(amount),
            [known or next(numbers) for known in ids],
            items.via,
            more_places(items.places),
            # NULL stands for "as in media", which holds what the first page says
            [None if new else alt or "" for new, alt in zip(unknown, items.alt, strict=True)],
            [None if new else title or "" for new, title in zip(unknown, items.title, strict=True)],
        )

    def _add_media(self, page_id: int, items: Columns, seen: int) -> None:
        amount = self.new[page_id] = len(items.url)
        ids = range(self._next_id, self._next_id + amount)
        self._next_id = ids.stop
        self._ids.update(zip(items.url, ids, strict=True))
        self._media.extend(
            ids,
            self._host_ids(items.url),
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

    def write(self, tallies: Tallies) -> None:
        """Write what was queued."""
        before = self._db.total_changes()
        self._media.insert(self._db)
        kinds = Counter(self._media["kind"])
        if self._db.total_changes() - before < len(self._media):
            self._resolve_existing(kinds)
        for kind, amount in kinds.items():
            tallies.add(MEDIA, kind, amount)
        self._db.executemany("DELETE FROM page_media WHERE page_id = ?", [(page_id,) for page_id in self.new])
        self._page_media.insert(self._db)

    def learn(self) -> None:
        """Remember what was found to exist; to be called once the transaction is committed."""
        self._known.media.update(self._shared)
        self._known.hosts.update(self._hosts)

    def _resolve_existing(self, kinds: Counter[str]) -> None:
        """Put true ids where rows were queued for media that exist, and uncount those."""
        rows = self._db.execute("SELECT id FROM media WHERE id >= ?", (self._first_id,))
        inserted = {row[0] for row in rows}
        media = self._media
        existing = [media_id not in inserted for media_id in media["id"]]
        urls = [*compress(media["url"], existing)]
        self._shared = dict(select_in(self._db, "SELECT url, id FROM media WHERE url IN", urls))
        for page_id in compress(media["first_page_id"], existing):
            self.new[page_id] -= 1
        kinds.subtract(compress(media["kind"], existing))
        false_ids = compress(media["id"], existing)
        said = zip(compress(media["alt"], existing), compress(media["title"], existing), strict=True)
        true = {
            media_id: (self._shared[url], alt or "", title or "")
            for media_id, url, (alt, title) in zip(false_ids, urls, said, strict=True)
        }
        ids, alts, titles = (self._page_media[name] for name in ("media_id", "alt", "title"))
        for index, media_id in enumerate(ids):
            if media_id in true:
                ids[index], alt, title = true[media_id]
                if alts[index] is None:
                    alts[index], titles[index] = alt, title

    def _host_ids(self, urls: Sequence[str]) -> list[int]:
        names = hosts_of(urls)
        for name in set(names).difference(self._hosts):
            self._hosts[name] = self._known.hosts.get(name) or self._host_id(name)
        return [self._hosts[name] for name in names]

    def _host_id(self, name: str) -> int:
        found: int | None = self._db.execute("SELECT id FROM hosts WHERE name = ?", (name,)).get
        if found is not None:
            return found
        self._db.execute("INSERT INTO hosts (name) VALUES (?)", (name,))
        return self._db.last_insert_rowid()


class _Rows:
    """Rows for one table, kept in columns."""

    def __init__(self, table: str, names: Sequence[str], conflict: str = "") -> None:
        self._insert = (table, names, conflict)
        self._columns: dict[str, list[Any]] = {name: [] for name in names}
        self._first = self._columns[names[0]]

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def extend(self, *columns: Iterable[Any]) -> None:
        """Add rows: one sequence of values per column, in the order of the names."""
        for column, values in zip(self._columns.values(), columns, strict=True):
            column.extend(values)

    def insert(self, db: apsw.Connection) -> None:
        """Insert all rows."""
        values = chain.from_iterable(zip(*self._columns.values(), strict=True))
        left, rows, width = len(self), _ROWS, len(self._columns)
        while left:
            if left >= rows:
                db.execute(_insert_text(*self._insert, rows), tuple(islice(values, rows * width)))
                left -= rows
            else:
                rows //= 2


@lru_cache
def _insert_text(table: str, names: Sequence[str], conflict: str, rows: int) -> str:
    row = f"({','.join('?' * len(names))})"
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {','.join([row] * rows)}{conflict}"  # noqa: S608


def next_id(db: apsw.Connection, table: str) -> int:
    """The id after the last; safe to give out under the write lock."""
    return 1 + (db.execute(f"SELECT max(id) FROM {table}").get or 0)  # noqa: S608


def select_in(db: apsw.Connection, query: str, values: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """Rows of `query IN (values)`, in as many statements as it takes."""
    wanted = list(dict.fromkeys(values))
    for start in range(0, len(wanted), _IN_CHUNK):
        chunk = wanted[start : start + _IN_CHUNK]
        size = 1 << (len(chunk) - 1).bit_length()
        chunk += chunk[-1:] * (size - len(chunk))
        yield from db.execute(f"{query} ({','.join('?' * size)})", chunk)
