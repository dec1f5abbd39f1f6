"""Sudden death of those who save, on every backend."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import apsw

from mediascrape.store import MediaQuery, open_store

_SAVER = """
import asyncio, sys
from dataclasses import dataclass
from mediascrape.store import PageRecord, ScrapeRecord, open_store
@dataclass(frozen=True)
class Item:
    url: str
    kind: str = "image"
    via: str = "img.src"
    places: tuple = ("img.src",)
    alt: None = None
    title: None = None
    width: None = None
    height: None = None
    mime_type: None = None
    flags: tuple = ()
    provider: None = None
    provider_id: None = None
async def saver(store, name):
    for n in range(10**9):
        job = f"{name}.{n}"
        items = [Item(f"https://cdn.example/{job}/{k}") for k in range(10)]
        url = f"https://site.example/{job}"
        await store.save(ScrapeRecord(job, url, 0, 1, page=PageRecord(), items=items))
        print(job, flush=True)
async def main():
    async with open_store(sys.argv[1]) as store:
        await asyncio.gather(*(saver(store, f"{sys.argv[2]}{k}") for k in range(20)))
asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_kill_9(database: str) -> None:
    """Two processes save into one database and are killed in the middle, three times over."""
    acknowledged: set[str] = set()
    for round_ in range(3):
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", _SAVER, database, f"{round_}{name}", stdout=subprocess.PIPE
            )
            for name in "ab"
        ]
        for process in processes:
            assert process.stdout is not None
            for _ in range(200):
                acknowledged.add((await process.stdout.readline()).decode().strip())
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            assert process.stdout is not None
            rest = (await process.stdout.read()).decode()
            acknowledged.update(rest[: rest.rfind("\n") + 1].split())
            await process.wait()
    assert len(acknowledged) >= 1200
    async with open_store(database) as store:
        stored = await store.scrapes_for(sorted(acknowledged))
        assert acknowledged - stored.keys() == set()
        assert {scrape.found for scrape in stored.values()} == {10}
        totals = await store.totals()
        listed = [media.url async for media in store.iter_media(MediaQuery())]
        assert totals.media == {"image": len(listed)} == {"image": 10 * totals.pages}
        assert len(set(listed)) == len(listed)


async def test_a_killed_file_is_sound(tmp_path: Path) -> None:
    """SQLite's own check, after a kill in the middle of saving."""
    path = tmp_path / "media.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SAVER, str(path), "a", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(100):
        await process.stdout.readline()
    process.kill()
    await process.communicate()
    db = apsw.Connection(str(path))
    assert db.pragma("integrity_check") == "ok"
    db.close()
