"""From one database to another, and on from there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mediascrape.errors import ConfigurationError, StoreRejectedError
from mediascrape.store import MediaQuery, Saved, ScrapeQuery, Store, copying, open_store, schema
from mediascrape.store.backend import TABLES
from mediascrape.store.copying import copy_store

Make = Callable[..., Any]


async def everything(store: Store) -> list[object]:
    media = [media async for media in store.iter_media(MediaQuery())]
    return [
        media,
        [await store.get_media(one.id) for one in media],
        (await store.list_media(MediaQuery(batch_id="b"))).items,
        (await store.list_media(MediaQuery(q="cat"))).items,
        (await store.list_scrapes(ScrapeQuery())).items,
        await store.totals(),
        await store.batch_progress("b"),
        await store.validators("https://site.example/1"),
    ]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, empty_database: Callable[[str], str]) -> str:
    return empty_database(request.param)


@pytest.fixture(params=["sqlite", "newest_postgresql"])
def target(request: pytest.FixtureRequest, empty_database: Callable[[str], str]) -> str:
    return empty_database(request.param)


async def test_a_copy_is_the_same_and_goes_on(
    database: str, target: str, record: Make, item: Make, failure: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_CHUNK", 4)
    async with open_store(database) as store:
        cats = [item(f"cat{n}.png", alt="A cat", width=n, flags=frozenset({"icon"})) for n in range(9)]
        await store.save(record("1", items=cats, batch_id="b"))
        await store.save(record("2", "cat1.png", "https://other.example/x", batch_id="b"))
        await store.save(failure("3", batch_id="b"))
        original = await everything(store)
    seen: list[tuple[str, int, int]] = []
    done = await copy_store(database, target, on_progress=lambda *progress: seen.append(progress))
    copied = done.rows
    assert done.before == 0
    assert (copied["pages"], copied["media"], copied["page_media"], copied["scrapes"]) == (2, 10, 11, 3)
    assert ("media", 8, 10) in seen
    async with open_store(target) as store:
        assert await everything(store) == original
        assert await store.save(record("4", "cat0.png", "new.png")) == Saved(found=2, new=1)
        assert await store.save(record("1", items=cats, batch_id="b")) == Saved(found=9, new=9)


async def test_only_into_an_empty_database(database: str, target: str, record: Make) -> None:
    for url, page in ((database, "1"), (target, "2")):
        async with open_store(url) as store:
            await store.save(record(page, "a"))
    with pytest.raises(ConfigurationError, match="not empty, and its pages"):
        await copy_store(database, target)


async def test_a_copy_that_is_used_since_is_left_alone(database: str, target: str, record: Make) -> None:
    async with open_store(database) as store:
        await store.save(record("1", "a"))
    await copy_store(database, target)
    async with open_store(target) as store:
        await store.save(record("2", "a"))
        kept = await everything(store)
    with pytest.raises(ConfigurationError, match="not a part of this copy"):
        await copy_store(database, target)
    async with open_store(target) as store:
        assert await everything(store) == kept


_COPIER = """
import asyncio, sys
from mediascrape.store import copying
copying._CHUNK = 20
def tell(table, rows, total):
    print(table, rows, total, flush=True)
    sys.stdin.readline()  # else it might be done before it is killed
asyncio.run(copying.copy_store(sys.argv[1], sys.argv[2], on_progress=tell))
"""


async def test_a_copy_that_is_killed_goes_on_where_it_was(
    database: str, target: str, record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in one table after another; what is there in the end is the same, and nothing came twice."""
    async with open_store(database) as store:
        for job in range(60):
            await store.save(record(str(job), *(f"cat{job}-{n}" for n in range(10)), batch_id=f"b{job}"))
            await store.save(record(f"{job}x", *(f"{job}.example/{n}" for n in range(2)), batch_id="b"))
        original = await everything(store)
    for table in ("pages", "page_media", "tallies"):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _COPIER, database, target, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            name, rows, total = (await process.stdout.readline()).decode().split()
            process.stdin.write(b"\n")
            if name == table and 0 < int(rows) < int(total):
                break
        process.kill()
        await process.communicate()
        assert process.returncode == -9
    monkeypatch.setattr(copying, "_CHUNK", 20)
    last = await copy_store(database, target)
    assert sum(last.rows.values()) > last.before > 0
    assert (last.rows["pages"], last.rows["scrapes"], last.rows["media"]) == (120, 120, 720)
    async with open_store(target) as store:
        assert await everything(store) == original
        assert await store.save(record("new", "a", "b")) == Saved(found=2, new=2)


async def test_what_is_saved_meanwhile_is_missed_and_said(
    database: str, target: str, record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(database) as store:
        await store.save(record("1", "a"))
        real = copying._copy_table

        async def slow(source: Any, into: Any, name: str, *rest: Any) -> int:
            before = await real(source, into, name, *rest)
            if name == "scrapes":
                await store.save(record("2", "b"))
            return before

        monkeypatch.setattr(copying, "_copy_table", slow)
        with pytest.raises(StoreRejectedError, match="stop all workers"):
            await copy_store(database, target)


async def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no store to copy"):
        await copy_store(tmp_path / "none.db", tmp_path / "copy.db")
    assert not (tmp_path / "none.db").exists()


def test_all_tables_are_copied() -> None:
    assert sorted(TABLES) == sorted(schema.metadata.tables)
