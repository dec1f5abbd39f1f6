"""What saving a page costs, beside the bare driver, in one run.

    taskset -c 0 python -m benchmarks.store_save [--pages 500] [--items 60] [--known 0] [--rounds 5]

Prints CPU microseconds per page (all threads) in batches of 50, for pages whose items are all new, for
unchanged pages, for pages with one item more, and for not-modified ones, each the least of the rounds;
and, as limits, the same rows written by `sqlite3` and by APSW with one executemany per table and no
thought. With `--known N` the file first gets N media, to see whether the cost grows with what is stored.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import apsw

from mediascrape.store import PageRecord, ScrapeRecord, Store, StoreOptions, open_store

BATCH = 50


@dataclass(frozen=True, slots=True)
class Item:
    """As the extractor's, in what the store reads."""

    url: str
    kind: str = "image"
    via: str = "img.src"
    places: tuple[str, ...] = ("img.src",)
    alt: str | None = None
    title: str | None = None
    width: int | None = None
    height: int | None = None
    mime_type: str | None = None
    flags: tuple[str, ...] = ()
    provider: str | None = None
    provider_id: str | None = None


def pages(first: int, count: int, items: int) -> list[ScrapeRecord]:
    """Pages of some thousand sites, with pictures of the site's own host and two shared ones."""
    made = []
    for number in range(first, first + count):
        rng = random.Random(number)
        site = f"https://www.site{rng.randrange(5000)}.example"
        folder = f"{site}/wp-content/uploads/20{rng.randrange(10, 26)}/{rng.randrange(1, 13):02}"
        own = [
            Item(
                f"{folder}/{rng.choice(WORDS)}-{rng.choice(WORDS)}-{number}-{k}-1024x768.jpg",
                alt=" ".join(rng.choices(WORDS, k=4)) if k % 2 else None,
                width=1024,
                height=768,
            )
            for k in range(items - 2)
        ]
        shared = [Item(f"{site}/logo.png", alt="Logo"), Item(f"{site}/avatar.png")]
        made.append(
            ScrapeRecord(
                str(number),
                f"{site}/articles/{number}",
                1.7e9,
                1.7e9 + 1,
                batch_id=f"batch{number // 5000}",
                page=PageRecord(title=" ".join(rng.choices(WORDS, k=6)), status=200, etag=f'"{number}"'),
                items=[*shared, *own],
            )
        )
    return made


WORDS = ["".join(random.Random(n).choices("abcdefghijklmnoprstuvw", k=3 + n % 8)) for n in range(20_000)]


async def saved(store: Store, records: Sequence[ScrapeRecord]) -> float:
    """CPU microseconds per page."""
    gc.collect()
    gc.freeze()
    start = time.process_time()
    for at in range(0, len(records), BATCH):
        await asyncio.gather(*map(store.save, records[at : at + BATCH]))
    return (time.process_time() - start) / len(records) * 1e6


def rows(records: Sequence[ScrapeRecord]) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    """The rows of the same pages for the bare drivers, batch by batch, table by table."""
    media_id = 0
    for at in range(0, len(records), BATCH):
        media, page_media, page_rows, scrapes = [], [], [], []
        for number, record in enumerate(records[at : at + BATCH], at):
            page_rows.append((number, record.url, None, "t", 200, '"e"', None, None, b"0" * 16, 60, 1, 1))
            scrapes.append((number, record.job_id, "b", number, record.url, "ok", None, 60, 60, 1, 9, 1, 1))
            for position, item in enumerate(record.items or ()):
                media_id += 1
                url = f"{item.url}#{media_id}"
                about = (
                    item.kind,
                    url,
                    item.via,
                    item.alt,
                    None,
                    item.width,
                    item.height,
                    None,
                    None,
                    None,
                    None,
                )
                media.append((media_id, number % 5000, number, 1, *about))
                page_media.append((number, position, media_id, item.via, None, None, None))
        yield from (("media", media), ("page_media", page_media), ("pages", page_rows), ("scrapes", scrapes))


def bare(execute: Callable[[str], object], executemany: Callable[..., object], data: list[object]) -> float:
    """CPU microseconds of writing the rows with `executemany`, four calls a transaction."""
    gc.collect()
    start = time.process_time()
    for at in range(0, len(data), 4):
        execute("BEGIN IMMEDIATE")
        for table, values in data[at : at + 4]:  # type: ignore[misc]
            marks = ",".join("?" * len(values[0]))
            executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        execute("COMMIT")
    return (time.process_time() - start) * 1e6


def limits(directory: Path, records: Sequence[ScrapeRecord]) -> dict[str, float]:
    """What the bare drivers take for the same tables and rows."""
    schema = files("mediascrape.store.migrations").joinpath("sqlite/0001_first.sql").read_text()
    setup = "PRAGMA journal_mode=wal; PRAGMA synchronous=normal; PRAGMA cache_size=-8192;" + schema
    data: list[object] = list(rows(records))
    plain = sqlite3.connect(directory / "sqlite3.db", isolation_level=None)
    plain.executescript(setup)
    other = apsw.Connection(str(directory / "apsw.db"))
    other.execute(setup).fetchall()
    result = {
        "limit: sqlite3 executemany": bare(plain.execute, plain.executemany, data) / len(records),
        "limit: apsw executemany": bare(other.execute, other.executemany, data) / len(records),
    }
    plain.close()
    other.close()
    return result


async def measure(store: Store, count: int, items: int, known: int, first: int) -> dict[str, float]:
    """The store's figures of one round, for pages from the number `first` on."""
    result: dict[str, float] = {}
    while first * items < known:
        await saved(store, pages(first, 2000, items))
        first += 2000
    records = pages(first, count, items)
    result["all items new"] = await saved(store, records)
    result["unchanged"] = await saved(store, records)
    more = [r._replace(items=[*(r.items or ()), Item(f"{r.url}.jpg")]) for r in records]
    result["one item more"] = await saved(store, more)
    result["not modified (304)"] = await saved(store, [r._replace(items=None) for r in records])
    return result


async def measure_sqlite(directory: Path, options: argparse.Namespace) -> dict[str, float]:
    """All figures of one round, in a new file."""
    path = directory / "store.db"
    async with open_store(path, QUIET) as store:
        result = await measure(store, options.pages, options.items, options.known, 0)
        media = sum((await store.totals()).media.values())
    result["bytes per item on disk"] = path.stat().st_size / media
    return result | limits(directory, pages(0, options.pages, options.items))


async def measure_url(options: argparse.Namespace, round_: int) -> dict[str, float]:
    """The figures of one round in a database that is there."""
    async with open_store(options.url, QUIET) as store:
        first = options.known // options.items + round_ * options.pages
        return await measure(store, options.pages, options.items, options.known, first)


QUIET = StoreOptions(linger=0, search_interval=3600)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--items", type=int, default=60)
    parser.add_argument("--known", type=int, default=0, help="media to save first (SQLite)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--url", help="an empty PostgreSQL database, instead of a file")
    options = parser.parse_args()
    best: dict[str, float] = {}
    for round_ in range(options.rounds):
        if options.url:
            result = asyncio.run(measure_url(options, round_))
        else:
            with tempfile.TemporaryDirectory() as directory:
                result = asyncio.run(measure_sqlite(Path(directory), options))
        best = {name: min(value, best.get(name, value)) for name, value in result.items()}
    for name, value in best.items():
        print(f"{name:28} {value:8.1f}")


if __name__ == "__main__":
    main()
