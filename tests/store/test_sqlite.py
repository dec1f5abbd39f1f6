"""What is particular to SQLite: the file, its lock, several processes, sudden death."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from mediascrape.errors import ConfigurationError, StoreUnavailableError
from mediascrape.store import MediaQuery, Saved, ScrapeQuery, StoreOptions, open_store, queries, schema
from mediascrape.store.compile import sqlite_text
from mediascrape.store.search import Term

Make = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "media.db"


async def test_a_path_and_a_url_name_the_same_file(path: Path, record: Make) -> None:
    async with open_store(path) as store:
        await store.save(record("1", "a"))
    async with open_store(f"sqlite:///{path}") as store:
        assert (await store.totals()).pages == 1


async def test_a_relative_url(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    async with open_store("sqlite:///media.db"):
        assert path.exists()


async def test_what_cannot_be_opened(path: Path) -> None:
    file = path.parent / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match=f"{file}: a file stands in its place"):
        async with open_store(file / "media.db"):
            pass
    with pytest.raises(ConfigurationError, match=f"{path.parent} is a directory"):
        async with open_store(path.parent):
            pass
    with pytest.raises(ConfigurationError, match="mysql"):
        async with open_store("mysql://localhost/media"):
            pass


async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"This is a diary, not a database. " * 100)
    with pytest.raises(ConfigurationError, match="is no SQLite database"):
        async with open_store(path):
            pass
    assert path.read_bytes().startswith(b"This is a diary")


async def test_tables_of_a_newer_version(path: Path) -> None:
    async with open_store(path):
        pass
    with apsw.Connection(str(path)) as db:
        db.pragma("user_version", 999)
    db.close()
    with pytest.raises(StoreUnavailableError, match="newer mediascrape"):
        async with open_store(path):
            pass


async def test_the_tables_are_those_the_queries_know(path: Path) -> None:
    async with open_store(path):
        pass
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    for table in schema.metadata.sorted_tables:
        found = [
            (name, bool(key)) for _, name, _, _, _, key in db.execute(f"PRAGMA table_info({table.name})")
        ]
        assert found == [(column.name, column.primary_key) for column in table.columns]
    db.close()


async def test_listings_use_indexes_and_do_not_sort(path: Path, record: Make) -> None:
    async with open_store(path, StoreOptions(linger=0)) as store:
        await store.save(record("1", "a", batch_id="b"))
    media: list[dict[str, Any]] = [{}, {"kind": "image"}, {"kind": "video"}, {"host": "h"}]
    searches: list[dict[str, Any]] = [{"q": "cat"}, {"q": "cat", "host": "h", "kind": "video", "cursor": "9"}]
    by_page: list[dict[str, Any]] = [{"page_url": "u", "cursor": "1.1"}, {"batch_id": "b", "cursor": "1.1"}]
    scrapes: list[dict[str, Any]] = [{}, {"batch_id": "b"}, {"failed": True}, {"outcome": "timeout"}]
    terms = [Term("cat", prefix=False), Term("dog", prefix=True)]
    statements = [
        *(queries.newest_media(MediaQuery(**criteria)) for criteria in media),
        *(queries.sqlite_search(MediaQuery(**criteria), terms) for criteria in searches),
        queries.sqlite_has_word("cat"),
        *(queries.media_by_page(MediaQuery(**criteria)) for criteria in by_page),
        *(queries.newest_scrapes(ScrapeQuery(**criteria)) for criteria in scrapes),
        queries.scrapes_of(["1", "2"]),
        queries.sums("a", "b"),
    ]
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    in_order = {
        "SCAN media",
        "SCAN scrapes",
        "SCAN scrapes USING INDEX ix_scrapes_failed",
        "SCAN media_search",
    }
    for statement in statements:
        text, values = sqlite_text(statement)
        for _, _, _, step in db.execute(f"EXPLAIN QUERY PLAN {text}", values):
            assert "TEMP B-TREE" not in step, text
            assert not step.startswith("SCAN") or step.split(" VIRTUAL")[0] in in_order, (step, text)
    db.close()


async def test_a_locked_file_is_unavailable_and_can_be_saved_to_later(path: Path, record: Make) -> None:
    async with open_store(path, StoreOptions(linger=0, busy_timeout=0.05)) as store:
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            *(store.save(record(str(n), f"x{n}")) for n in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [StoreUnavailableError] * 3
        assert (await store.totals()).pages == 0, "reading goes on"
        other.execute("ROLLBACK")
        other.close()
        assert await store.save(record("1", "x1")) == Saved(1, 1)


async def test_a_full_disk_loses_nothing_that_was_saved(path: Path, record: Make) -> None:
    async with open_store(path, StoreOptions(linger=0)) as store:
        await store.save(record("0", "a"))
        backend: Any = store._backend
        await backend._in(backend._writer, lambda: backend._connection().pragma("max_page_count", 60))
        results = [
            await asyncio.gather(
                store.save(record(str(n), *(f"{n}-{k}-{'x' * 200}" for k in range(20)))),
                return_exceptions=True,
            )
            for n in range(1, 100)
        ]
        failed = [error for [error] in results if isinstance(error, StoreUnavailableError)]
        saved = 1 + len(results) - len(failed)
        assert 1 < saved < 100
        assert all("full" in str(error) for error in failed)
        assert (await store.totals()).pages == saved
        await backend._in(backend._writer, lambda: backend._connection().pragma("max_page_count", 10_000))
        assert await store.save(record("last", "new")) == Saved(1, 1)
        assert (await store.totals()).media == {"image": 20 * (saved - 1) + 2}


async def test_words_that_all_pages_say_of_an_item_are_kept_once(
    path: Path, record: Make, item: Make
) -> None:
    async with open_store(path, StoreOptions(linger=0)) as store:
        for job in ("1", "2", "3"):
            await store.save(record(job, items=[item("logo", alt="Logo"), item("spacer")]))
        await store.save(record("4", items=[item("logo", alt="Home"), item("spacer")]))
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = db.execute("SELECT alt, title FROM page_media ORDER BY page_id, position").fetchall()
    db.close()
    assert rows == [(None, None)] * 6 + [("Home", None), (None, None)]


_OPENER = """
import asyncio, sys
from mediascrape.store import open_store
async def main():
    async with open_store(sys.argv[1]) as store:
        print((await store.totals()).pages)
asyncio.run(main())
"""


async def test_many_processes_may_create_it_at_once(path: Path) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPENER, str(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(6)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert outputs == [(b"0\n", b"")] * 6


async def test_failures_are_found_without_a_look_at_what_went_well(path: Path) -> None:
    """It was a scan of all scrapes where none had failed: 60 ms for a million."""
    async with open_store(path):
        pass
    text, values = sqlite_text(queries.newest_scrapes(ScrapeQuery(failed=True)))
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    steps = [step for _, _, _, step in db.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    db.close()
    assert steps == ["SCAN scrapes USING INDEX ix_scrapes_failed"]


async def test_the_queries_know_every_index(path: Path) -> None:
    async with open_store(path):
        pass
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = {
        name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql <> ''")
    }
    named = {index.name for table in schema.metadata.sorted_tables for index in table.indexes}
    db.close()
    assert found == named


async def test_the_directory_of_the_file_is_made(tmp_path: Path) -> None:
    """With a queue elsewhere nobody else has made the data directory before."""
    path = tmp_path / "not" / "there" / "media.db"
    async with open_store(path) as store:
        assert (await store.totals()).pages == 0
