"""SQLite behind the store's interface.

The driver is APSW: binding and stepping a row costs a third of what it does in `sqlite3`, which is the
larger part of a save, and it brings its own current SQLite. All access in the process goes through it,
since two copies of SQLite on one file would drop each other's POSIX locks.

One thread writes, few read; each thread has a connection of its own. Other processes may use the file
too: writers take turns by SQLite's lock, waiting up to `busy_timeout`.

Durability: WAL with `synchronous=NORMAL`. What is committed survives the death of the process at any
moment, by kill -9 too. When the power goes or the kernel dies, the commits since the last checkpoint
(at most some seconds under load) may be gone, never half of one; `synchronous="full"` closes that gap
for one fsync per group commit.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from mediascrape.errors import ConfigurationError, StoreRejectedError, StoreUnavailableError

from .backend import DatabaseInfo, Row
from .items import Known
from .migrations import migrations
from .options import StoreOptions
from .prepare import Prepared
from .records import MediaQuery, Saved, Validators
from .search import Term
from .sqlite_prune import prune_scrapes
from .sqlite_save import GroupCommit, select_in
from .sqlite_search import index_some, waiting

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from .queries import Select

T = TypeVar("T")

_OPEN = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOMUTEX
"""A connection belongs to one thread, so SQLite need not lock it at each value that is bound."""

_STATEMENTS = 512
"""Uses of statements after which one that was not among them is prepared anew. APSW keeps this many slots and
takes a new one at each use: of its own 100, a size of INSERT that came up once in five commits had left."""

_WAL_PAGES = 2000
"""The log is copied into the database every 8 MB: rarer than SQLite's own 4 MB, since a busy page of
the index is then copied once for more commits."""


def _switch_to_wal(connection: apsw.Connection, timeout_s: float) -> None:
    """While one process turns a new file to WAL, SQLite tells the others at once that it is busy,
    whatever their busy timeout: so that wait is ours."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _wrong_place(path: Path, error: BaseException | None) -> str | None:
    """What a person has to change so that the file can be opened; None when it may open another time."""
    if path.is_dir():
        return "is a directory; name a file in it"
    if isinstance(error, apsw.NotADBError):
        return "is no SQLite database; name another file, it is left as it is"
    refused = (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError)
    if isinstance(error, PermissionError) or (isinstance(error, refused) and not _may_write(path)):
        return "may not be written by this user; set MEDIASCRAPE_DATA_DIR or DATABASE_URL to another place"
    return None


def _may_write(path: Path) -> bool:
    """SQLite keeps its log beside the file."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


class SQLiteBackend:
    """A database file; made by `open`."""

    def __init__(self, path: Path, options: StoreOptions) -> None:
        self._path = path
        self._options = options
        self._writer = ThreadPoolExecutor(1, "store-write")
        self._readers = ThreadPoolExecutor(options.readers, "store-read")
        self._thread = threading.local()
        self._connections: list[apsw.Connection] = []
        self._known = Known(options.known_media)

    @classmethod
    async def open(cls, path: Path, options: StoreOptions) -> SQLiteBackend:
        """Open or create the file and bring its tables up to date.

        Raises ConfigurationError when it is no database, or stands where we may not write.
        """
        backend = cls(path, options)
        try:
            await backend._in(backend._writer, backend._migrate)
        except BaseException as error:
            await backend.close()
            if (wrong := _wrong_place(path, error.__cause__)) is not None:
                raise ConfigurationError(f"{path} {wrong}") from None
            raise
        return backend

    async def has_word(self, word: str) -> bool:
        from .queries import sqlite_has_word

        return bool(await self.fetch(sqlite_has_word(word)))

    async def search(self, query: MediaQuery, terms: Sequence[Term]) -> Select:
        from .queries import sqlite_search

        return sqlite_search(query, terms)

    async def write(self, batch: Sequence[Prepared]) -> list[Saved]:
        return await self._in(self._writer, self._write, batch)

    async def fetch(self, query: Executable) -> list[Row]:
        return await self._in(self._readers, self._fetch, query)

    async def validators(self, urls: Sequence[str]) -> dict[str, Validators]:
        return await self._in(self._readers, self._validators, urls)

    async def index_search(self, limit: int) -> int:
        return await self._in(self._writer, self._index_search, limit)

    async def prune(self, finished_before: int, limit: int) -> int:
        return await self._in(self._writer, self._prune, finished_before, limit)

    async def optimize(self) -> None:
        await self._in(self._writer, self._optimize)

    async def vacuum(self) -> None:
        """Write the file anew without its gaps; needs as much free disk again as it is large, and
        nobody else may write meanwhile."""
        await self._in(self._writer, self._vacuum)

    async def info(self) -> DatabaseInfo:
        def look() -> DatabaseInfo:
            files = (Path(f"{self._path}{suffix}") for suffix in ("", "-wal"))
            size = sum(file.stat().st_size for file in files if file.exists())
            return DatabaseInfo("SQLite", apsw.sqlite_lib_version(), size)

        return await self._in(self._readers, look)

    async def count(self, table: str) -> int:
        def count() -> int:
            return int(self._connection().execute(f"SELECT count(*) FROM {table}").get)  # noqa: S608

        return await self._in(self._readers, count)

    async def load(self, table: str, names: Sequence[str], rows: Sequence[Row]) -> None:
        try:
            await self._in(self._writer, self._load, table, names, rows)
        except apsw.ConstraintError as error:
            raise StoreRejectedError(f"{table}: {error}; is another copy made into it?") from error

    async def loaded(self) -> None:
        """Nothing to do: ids follow the highest, and words are indexed from the first id on."""

    async def close(self) -> None:
        await asyncio.to_thread(self._shut_down)

    # --- in the threads ---

    async def _in(self, threads: ThreadPoolExecutor, call: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, call, *args)
        except (apsw.ConstraintError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError):
            raise  # the data's fault
        except (apsw.Error, OSError) as error:
            raise StoreUnavailableError(f"{self._path}: {error}") from error

    def _connection(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._thread, "connection", None)
        if connection is None:
            connection = self._connect()
            self._thread.connection = connection
            self._connections.append(connection)
        return connection

    def _connect(self) -> apsw.Connection:
        options = self._options
        self._make_directory()
        connection = apsw.Connection(str(self._path), _OPEN, statementcachesize=_STATEMENTS)
        connection.set_busy_timeout(round(options.busy_timeout * 1000))
        _switch_to_wal(connection, options.busy_timeout)
        connection.pragma("synchronous", options.synchronous)
        connection.pragma("cache_size", -options.cache_kib)
        connection.pragma("temp_store", "memory")
        connection.pragma("wal_autocheckpoint", _WAL_PAGES)
        connection.pragma("journal_size_limit", 64 * 2**20)
        return connection

    def _make_directory(self) -> None:
        directory = self._path.parent
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigurationError(
                f"cannot keep the database in {directory}: a file stands in its place; "
                "set MEDIASCRAPE_DATA_DIR (or --data-dir) to a directory"
            ) from error

    def _migrate(self) -> None:
        db = self._connection()
        steps = migrations("sqlite")
        if db.pragma("user_version") == len(steps):
            return
        with _transaction(db):
            version = db.pragma("user_version")
            if version > len(steps):
                msg = f"{self._path} was written by a newer mediascrape (tables of version {version})"
                raise StoreUnavailableError(msg)
            for step in steps[version:]:
                db.execute(step.sql).fetchall()
            db.pragma("user_version", len(steps))

    def _write(self, batch: Sequence[Prepared]) -> list[Saved]:
        db = self._connection()
        with _transaction(db):
            commit = GroupCommit(db, self._known)
            saved = commit.write(batch)
        commit.learn()
        return saved

    def _fetch(self, query: Executable) -> list[Row]:
        from .compile import sqlite_text

        text, values = sqlite_text(query)
        return self._connection().execute(text, values).fetchall()

    def _validators(self, urls: Sequence[str]) -> dict[str, Validators]:
        query = "SELECT url, etag, last_modified, content_hash FROM pages WHERE url IN"
        return {url: Validators(*rest) for url, *rest in select_in(self._connection(), query, urls)}

    def _prune(self, finished_before: int, limit: int) -> int:
        db = self._connection()
        with _transaction(db):
            return prune_scrapes(db, finished_before, limit)

    def _optimize(self) -> None:
        db = self._connection()
        db.execute("INSERT INTO media_search (media_search) VALUES ('optimize')")
        db.execute("ANALYZE")

    def _vacuum(self) -> None:
        db = self._connection()
        db.execute("VACUUM")
        db.pragma("wal_checkpoint", "TRUNCATE")

    def _load(self, table: str, names: Sequence[str], rows: Sequence[Row]) -> None:
        db = self._connection()
        values = ",".join("?" * len(names))
        with _transaction(db):
            db.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})", rows)  # noqa: S608

    def _index_search(self, limit: int) -> int:
        db = self._connection()
        if not waiting(db):
            return 0
        with _transaction(db):
            return index_some(db, limit)

    def _shut_down(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._connections:
            with suppress(apsw.Error):
                connection.close()
        self._connections.clear()


class _transaction:  # noqa: N801 (reads as a statement)
    """`BEGIN IMMEDIATE` … `COMMIT`: the write lock is taken first, so that no step can find it gone."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
