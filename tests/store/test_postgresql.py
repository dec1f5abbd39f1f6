"""What is particular to PostgreSQL: the server goes and comes, many processes write at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import pytest

from mediascrape.errors import ConfigurationError, StoreUnavailableError
from mediascrape.store import MediaQuery, Saved, Store, StoreOptions, open_store, postgresql_search, schema
from mediascrape.store.postgresql import place_of
from postgresql_server import PostgreSQLServer

Make = Callable[..., Any]


@pytest.fixture(params=["postgresql", "newest_postgresql"])
def server(request: pytest.FixtureRequest) -> PostgreSQLServer:
    server: PostgreSQLServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def url(server: PostgreSQLServer) -> str:
    return server.new_url()


@pytest.fixture
def stoppable(server: PostgreSQLServer) -> Iterator[PostgreSQLServer]:
    """The server, running again afterwards whatever the test did to it."""
    running = True
    start, stop = server.start, server.stop

    class Server(PostgreSQLServer):
        def __init__(self) -> None:
            pass

        def start(self) -> None:
            nonlocal running
            start()
            running = True

        def stop(self, mode: str = "fast") -> None:
            nonlocal running
            stop(mode)
            running = False

    yield Server()
    if not running:
        start()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_store(url, StoreOptions(linger=0.0)) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
async def test_urls(url: str, scheme: str) -> None:
    async with open_store(url.replace("postgresql", scheme, 1)) as store:
        assert (await store.totals()).pages == 0


async def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        async with open_store("postgresql://me:secret@127.0.0.1:1/media"):
            pass
    assert "secret" not in f"{caught.value!r} {caught.value.reason}"
    assert "PostgreSQL at 127.0.0.1:1/media: " in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:p%40ss@db.example:5433/media?sslmode=require", "db.example:5433/media"),
        ("postgresql://me:p@ss@db.example/media", "db.example/media"),
        ("postgresql://db", "db"),
        ("postgresql://me:pass@one,two:5433/media", "one,two:5433/media"),
        ("postgresql:///media?host=/run/postgresql&password=pass", "/run/postgresql/media"),
        ("postgresql://me:p/ass@db/media", "the host of DATABASE_URL"),
    ],
)
def test_a_server_is_named_by_its_place(url: str, place: str) -> None:
    assert place_of(url) == place


async def test_a_missing_database(url: str) -> None:
    with pytest.raises(StoreUnavailableError, match="does not exist"):
        async with open_store(url.replace("/postgres?", "/nothing?")):
            pass


async def test_a_url_that_is_none() -> None:
    with pytest.raises(ConfigurationError):
        async with open_store("postgresql://host:port/media"):
            pass
    with pytest.raises(ConfigurationError, match="%2F") as caught:
        async with open_store("postgresql://me:hun/ter2@host/media"):
            pass
    assert "hun" not in str(caught.value)


async def test_tables_of_a_newer_version(url: str) -> None:
    async with open_store(url):
        pass
    db = await asyncpg.connect(url)
    await db.execute("INSERT INTO mediascrape_version VALUES (999)")
    await db.close()
    with pytest.raises(StoreUnavailableError, match="newer mediascrape"):
        async with open_store(url):
            pass


async def test_the_tables_are_those_the_queries_know(url: str) -> None:
    async with open_store(url):
        pass
    db = await asyncpg.connect(url)
    for table in schema.metadata.sorted_tables:
        rows = await db.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 ORDER BY attnum",
            table.name,
        )
        names = [column.name for column in table.columns]
        assert [name for (name,) in rows] == ([*names, "words"] if table.name == "media" else names)
    rows = await db.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
    named = {index.name for table in schema.metadata.sorted_tables for index in table.indexes}
    assert named <= {name for (name,) in rows}
    await db.close()


async def test_no_query_is_shared_out_over_processes(store: Store) -> None:
    """The planner takes several of them to a batch of a large table, and they read all of it."""
    backend: Any = store._backend
    async with backend._pool.acquire() as db:
        newer = db.get_server_version().major >= 16
        setting = "debug_parallel_query" if newer else "force_parallel_mode"
        await db.execute(f"SET {setting} = on")  # wherever it is allowed at all
        plan = await db.fetch("EXPLAIN SELECT count(*) FROM media")
    assert "Gather" not in str(plan)


async def test_words_that_come_in_bursts_are_found_in_order(
    store: Store, record: Make, item: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search reads ranges of ids, each wider or narrower than the last: none is missed, none read twice."""
    for name, value in (("_WALKED", 3), ("_WALKED_AGAIN", 4), ("_RANGE", 16), ("_SPARE", 4)):
        monkeypatch.setattr(postgresql_search, name, value)
    bursts = {"early": range(40), "late": range(280, 300), "twice": [*range(60, 90), *range(200, 203)]}
    spread = {"common": range(0, 300, 2), "rare": range(7, 300, 90), "one": [150]}
    having = {word: set(numbers) for word, numbers in (bursts | spread).items()}
    for first in range(0, 300, 60):
        items = [
            item(f"{n}.png", alt=" ".join(word for word, numbers in having.items() if n in numbers))
            for n in range(first, first + 60)
        ]
        await store.save(record(str(first), items=items))
    for words in (*having, "common early", "twice common", "late early", "comm"):
        wanted = set.intersection(*(having.get(word, having["common"]) for word in words.split()))
        for limit in (1, 5, 300):
            found: list[str] = []
            cursor = None
            while True:
                page = await store.list_media(MediaQuery(q=words, limit=limit, cursor=cursor))
                found += [media.url for media in page.items]
                if (cursor := page.next_cursor) is None:
                    break
            assert found == [f"https://cdn.example/{n}.png" for n in sorted(wanted, reverse=True)]


_OPENER = """
import asyncio, sys
from mediascrape.store import open_store
async def main():
    async with open_store(sys.argv[1]) as store:
        print((await store.totals()).pages)
asyncio.run(main())
"""


async def test_many_processes_may_create_the_tables_at_once(url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPENER, url, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(5)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert outputs == [(b"0\n", b"")] * 5


async def test_many_writers_of_the_same_pages_jobs_and_media(url: str, record: Make) -> None:
    """All orders of locks are tried at once; nobody waits in a circle, nothing is counted twice."""
    writers = 4
    options = StoreOptions(linger=0.01, max_batch=20)

    async def write(number: int) -> list[Saved]:
        async with open_store(url, options) as store:
            jobs = [(n * (2 * number + 1)) % 60 for n in range(60)]  # each in an order of its own
            saves = (
                store.save(record(str(job), *(f"m{(job * k) % 97}" for k in range(1, 12)), batch_id="b"))
                for job in jobs
            )
            return await asyncio.gather(*saves)

    await asyncio.gather(*map(write, range(writers)))
    async with open_store(url) as store:
        media = [media.url async for media in store.iter_media(MediaQuery())]
        assert len(set(media)) == len(media)
        totals = await store.totals()
        assert totals.media == {"image": len(media)}
        assert totals.scrapes == {"ok": totals.pages}
        progress = await store.batch_progress("b")
        assert (progress.done, progress.new) == (totals.pages, len(media))


async def test_a_restarted_server_is_not_noticed(
    store: Store, stoppable: PostgreSQLServer, record: Make
) -> None:
    await store.save(record("1", "a"))
    stoppable.stop()
    stoppable.start()
    assert await store.save(record("2", "b")) == Saved(1, 1)
    stoppable.stop("immediate")
    stoppable.start()
    assert (await store.totals()).pages == 2


async def test_a_server_that_is_away_and_comes_back(
    store: Store, stoppable: PostgreSQLServer, record: Make
) -> None:
    await store.save(record("1", "a"))
    stoppable.stop()
    results = await asyncio.gather(
        *(store.save(record(str(n), f"x{n}")) for n in range(3)),
        store.totals(),
        store.validators("https://site.example/1"),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [StoreUnavailableError] * 5
    stoppable.start()
    assert await store.save(record("2", "b")) == Saved(1, 1)
    assert (await store.totals()).pages == 2


async def test_what_was_acknowledged_survives_the_servers_crash(
    url: str, stoppable: PostgreSQLServer, record: Make
) -> None:
    acknowledged: set[str] = set()

    async def save_on(store: Store, name: str) -> None:
        for n in range(10_000):
            job = f"{name}.{n}"
            try:
                await store.save(record(job, f"{job}/x", f"{job}/y"))
            except StoreUnavailableError:
                return
            acknowledged.add(job)

    async with open_store(url) as store:
        savers = [asyncio.create_task(save_on(store, f"s{k}")) for k in range(20)]
        while len(acknowledged) < 200:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(stoppable.stop, "immediate")
        await asyncio.gather(*savers)
        await asyncio.to_thread(stoppable.start)
        stored = await store.scrapes_for(sorted(acknowledged))
        assert acknowledged == stored.keys()
        totals = await store.totals()
        assert totals.media == {"image": 2 * totals.pages}


async def test_a_read_only_server_can_be_saved_to_later(url: str, record: Make) -> None:
    """As after a failover, while the connections still lead to what has become a replica."""
    async with open_store(url) as store:
        await store.save(record("1", "a"))
        db = await asyncpg.connect(url)
        await db.execute("ALTER ROLE mediascrape SET default_transaction_read_only = on")
        backend: Any = store._backend
        await backend._pool.expire_connections()
        with pytest.raises(StoreUnavailableError, match="read-only"):
            await store.save(record("2", "b"))
        await db.execute("SET default_transaction_read_only = off")
        await db.execute("ALTER ROLE mediascrape RESET default_transaction_read_only")
        await db.close()
        await backend._pool.expire_connections()
        assert await store.save(record("2", "b")) == Saved(1, 1)
