"""PostgreSQL (15 or newer) behind the store's interface.

The driver is asyncpg. A commit is durable when `save` returns, as the server's `synchronous_commit` says.
A connection that turns out to be dead (the server was restarted) is replaced and the call repeated once;
a server that stays away raises StoreUnavailableError, and the next call tries anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from mediascrape.errors import ConfigurationError, StoreRejectedError, StoreUnavailableError

from .backend import TABLES, DatabaseInfo, Row
from .items import Known
from .migrations import migrations
from .options import StoreOptions
from .postgresql_prune import prune_scrapes
from .postgresql_save import ConcurrentSaveError, GroupCommit, insert_media
from .prepare import Prepared
from .records import MediaQuery, Saved, Validators
from .search import Term

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from .queries import Select

T = TypeVar("T")

_SHARDS = 16
_TRIES = 12
_CONFLICT_PAUSE_S = 0.02
_CONNECT_TIMEOUT_S = 10
_COMMAND_TIMEOUT_S = 60
_CLOSE_TIMEOUT_S = 10
_UPKEEP_TIMEOUT_S = 86_400
"""For what takes as long as the tables are large: counting, vacuuming, changing their form."""
_MIGRATION_LOCK = 0x6D656469617363  # "mediasc"
_OLDEST_MAJOR = 15

_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""The connection is gone, or was none."""

_UNAVAILABLE = (
    *_LOST,
    TimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidTransactionStateError,  # a server that has become a read-only replica, too
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientPrivilegeError,
)
"""The server can't do it now; nothing is wrong with the data."""


class PostgreSQLBackend:
    """A pool of connections; made by `open`."""

    def __init__(self, pool: asyncpg.Pool, place: str, options: StoreOptions) -> None:
        self._pool = pool
        self._place = place
        self._known = Known(options.known_media)
        self._shard = random.randrange(_SHARDS)  # noqa: S311 (spreads writers)

    @classmethod
    async def open(cls, url: str, options: StoreOptions) -> PostgreSQLBackend:
        """Connect and bring the tables up to date."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=options.connections,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_COMMAND_TIMEOUT_S,
            server_settings={
                "application_name": "mediascrape",
                "plan_cache_mode": "force_custom_plan",
                "jit": "off",  # compiling takes longer than any query of ours
                # Else a batch of a large table is found by many processes that read all of it.
                "max_parallel_workers_per_gather": "0",
                "enable_seqscan": "off",  # else a few of a common word are looked for from the oldest on
            },
        )
        backend = cls(pool, place_of(url), options)
        try:
            await pool
            await backend._on(backend._migrate)
        except BaseException as error:
            await backend.close()
            if isinstance(error, asyncpg.ClientConfigurationError):
                raise ConfigurationError(f"the URL of the database is not right: {error}") from error
            if isinstance(error, ValueError):  # its text may hold a part of the password
                raise ConfigurationError(
                    "the URL of the database is not right: its port is no number (in a password, "
                    "@ is written %40, / %2F and : %3A)"
                ) from None
            if isinstance(error, _UNAVAILABLE):
                raise backend._unavailable(error) from error
            raise
        return backend

    async def has_word(self, word: str) -> bool:
        from .postgresql_search import has_word

        return await has_word(self.fetch, word)

    async def search(self, query: MediaQuery, terms: Sequence[Term]) -> Select:
        from .postgresql_search import search

        return await search(self.fetch, query, terms)

    async def write(self, batch: Sequence[Prepared]) -> list[Saved]:
        async def commit(db: asyncpg.Connection) -> list[Saved]:
            async with db.transaction():
                commit = GroupCommit(db, self._known, self._shard)
                saved = await commit.write(batch)
            commit.learn()
            return saved

        return await self._on(commit)

    async def fetch(self, query: Executable) -> list[Row]:
        from .compile import postgresql_text

        text, values = postgresql_text(query)
        return [tuple(row) for row in await self._on(lambda db: db.fetch(text, *values))]

    async def validators(self, urls: Sequence[str]) -> dict[str, Validators]:
        query = "SELECT url, etag, last_modified, content_hash FROM pages WHERE url = ANY($1::text[])"
        return {url: Validators(*rest) for url, *rest in await self._on(lambda db: db.fetch(query, urls))}

    async def index_search(self, limit: int) -> int:
        """Nothing to do: the index of words is part of every save."""
        return 0

    async def prune(self, finished_before: int, limit: int) -> int:
        return await self._on(lambda db: prune_scrapes(db, self._shard, finished_before, limit))

    async def optimize(self) -> None:
        await self._on(lambda db: db.execute(f"ANALYZE {', '.join(TABLES)}", timeout=_UPKEEP_TIMEOUT_S))

    async def vacuum(self) -> None:
        """What autovacuum does, now; others go on meanwhile. The files keep their size, their room is
        used again."""
        for table in TABLES:
            await self._on(lambda db: db.execute(f"VACUUM (ANALYZE) {table}", timeout=_UPKEEP_TIMEOUT_S))  # noqa: B023

    async def info(self) -> DatabaseInfo:
        async def look(db: asyncpg.Connection) -> DatabaseInfo:
            version = await db.fetchval("SHOW server_version")
            size = await db.fetchval(
                "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest($1::text[]) AS name", TABLES
            )
            taken = await db.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            most = int(await db.fetchval("SHOW max_connections"))
            return DatabaseInfo("PostgreSQL", str(version).split(" ", 1)[0], int(size), (int(taken), most))

        return await self._on(look)

    async def count(self, table: str) -> int:
        query = f"SELECT count(*) FROM {table}"  # noqa: S608
        return int(await self._on(lambda db: db.fetchval(query, timeout=_UPKEEP_TIMEOUT_S)))

    async def load(self, table: str, names: Sequence[str], rows: Sequence[Row]) -> None:
        async def copy(db: asyncpg.Connection) -> None:
            async with db.transaction():
                if table == "media":
                    await insert_media(db, rows)
                else:
                    await db.copy_records_to_table(table, records=rows, columns=names)

        try:
            await self._on(copy)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise StoreRejectedError(f"{table}: {error}; is another copy made into it?") from error

    async def loaded(self) -> None:
        async def set_sequences(db: asyncpg.Connection) -> None:
            for table in ("hosts", "pages", "media", "scrapes"):
                await db.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608
                    " HAVING max(id) IS NOT NULL"
                )

        await self._on(set_sequences)
        await self.optimize()

    async def close(self) -> None:
        try:
            await asyncio.wait_for(self._pool.close(), _CLOSE_TIMEOUT_S)
        except _UNAVAILABLE:
            self._pool.terminate()

    async def _on(self, call: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Call with a connection; once more with another if that one was dead, and again after a
        conflict with another process, which is over by then."""
        lost = False
        for tries_left in reversed(range(_TRIES)):
            try:
                async with self._pool.acquire() as db:
                    return await call(db)
            except (ConcurrentSaveError, asyncpg.TransactionRollbackError) as error:
                if not tries_left:
                    raise StoreUnavailableError(f"conflicts with other processes: {error}") from error
                # Else those that conflicted would begin again together.
                await asyncio.sleep(random.uniform(0, _CONFLICT_PAUSE_S))  # noqa: S311
            except _LOST as error:
                if lost or not tries_left:
                    raise self._unavailable(error) from error
                lost = True
                await self._pool.expire_connections()  # the others will be dead as well
            except _UNAVAILABLE as error:
                raise self._unavailable(error) from error
        raise AssertionError

    def _unavailable(self, error: BaseException) -> StoreUnavailableError:
        """One line about a failure."""
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        return StoreUnavailableError(f"PostgreSQL at {self._place}: {told}")

    async def _migrate(self, db: asyncpg.Connection) -> None:
        steps = migrations("postgresql")
        if db.get_server_version().major < _OLDEST_MAJOR:
            raise StoreUnavailableError(f"PostgreSQL is too old: it must be {_OLDEST_MAJOR} or newer")
        if await self._version(db) == len(steps):
            return
        async with db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK, timeout=_UPKEEP_TIMEOUT_S)
            await db.execute("CREATE TABLE IF NOT EXISTS mediascrape_version (version integer NOT NULL)")
            version = await self._version(db)
            if version > len(steps):
                raise StoreUnavailableError(
                    f"the database was written by a newer mediascrape (tables of version {version})"
                )
            for step in steps[version:]:
                await db.execute(step.sql, timeout=_UPKEEP_TIMEOUT_S)
                await db.execute("INSERT INTO mediascrape_version VALUES ($1)", step.version)

    @staticmethod
    async def _version(db: asyncpg.Connection) -> int:
        if await db.fetchval("SELECT to_regclass('mediascrape_version')") is None:
            return 0
        return int(await db.fetchval("SELECT max(version) FROM mediascrape_version") or 0)


def place_of(url: str) -> str:
    """`HOST:PORT/DATABASE` of a database's URL, as it may be shown: no user, no password, no other options."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    if "@" not in parts.netloc and "@" in url:  # a password with a / in it: what looks like the host is not
        return "the host of DATABASE_URL"
    options = parse_qs(parts.query)
    hosts = hosts or ",".join(options.get("host", ())) or "the default host"
    database = unquote(parts.path.removeprefix("/")) or "".join(
        options.get("dbname", options.get("database", ()))
    )
    return f"{hosts}/{database}" if database else hosts
