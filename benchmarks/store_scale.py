"""Does an operation of the store cost the same at 1, 10 and 100 million media?

    python -m benchmarks.store_scale FILE|URL MEDIA [MEDIA ...]

Fills an empty database with generated rows by its own bulk load up to each size, and there times saves,
listings, searches and counts through the public interface. The database is left filled: remove it. One that
is filled already is only timed, a smaller one is filled further; with `--fill` nothing is timed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator

import psutil
from benchmarks.store_save import QUIET, WORDS, pages

from mediascrape.store import MediaQuery, ScrapeQuery, Store, open_store

SITES, ITEMS, CHUNK, SAVED = 5_000, 60, 500, 500
OWN = ITEMS - 2
Rows = dict[str, list[tuple[object, ...]]]


def columns(table: str) -> list[str]:
    from mediascrape.store.schema import metadata

    return [column.name for column in metadata.tables[table].columns]


def site_of(page: int) -> int:
    """Pages of all sites come in turn, as politeness has it."""
    return page * 2_654_435_761 % SITES


def generated(first: int, count: int) -> Rows:
    """Rows of pages with 58 pictures of their own and the two that all pages of the site share."""
    rng = random.Random(first)
    word, now = WORDS.__getitem__, 1_700_000_000_000
    rows: Rows = {"pages": [], "media": [], "page_media": [], "scrapes": []}
    for page in range(first, first + count):
        site = site_of(page)
        base, seen = f"https://www.site{site}.example", now + page * 100
        title = " ".join([word(n) for n in rng.choices(range(len(WORDS)), k=6)])
        rows["pages"].append((page, f"{base}/pages/{page}", None, title, 200, f'"{page}"', None, None,
                              b"12345678", ITEMS, seen, seen))  # fmt: skip
        folder, media = f"{base}/wp-content/uploads/20{10 + page % 16}/{1 + page % 12:02}", page * OWN
        picks = rng.choices(range(len(WORDS)), k=6 * OWN)
        for k in range(OWN):
            a, b, *alt = picks[6 * k : 6 * k + 6]
            rows["media"].append((
                media + k, site + 1, page, seen, "video" if k == 57 and page % 20 == 0 else "image",
                f"{folder}/{word(a)}-{word(b)}-{page}-{k}-1024x768.jpg", "img.src",
                " ".join([word(n) for n in alt]) if k % 2 else None, None, 1024, 768, None, None, None, None,
            ))  # fmt: skip
            rows["page_media"].append((page, k, media + k, "img.src", None, None, None))
        rows["scrapes"].append((page, f"g{page}", f"batch{page // 5000}", page, f"{base}/pages/{page}", "ok",
                                None, ITEMS, OWN, 1, 900, seen - 900, seen))  # fmt: skip
    return rows


async def next_page(store: Store) -> int:
    """The first number that is free, 0 in an empty database.

    What measurements saved took numbers, too: one a page, and no more for media than a generated page takes.
    """
    scrapes = await store._backend.count("scrapes")
    return scrapes + 1 if scrapes else 0


async def fill(store: Store, have: int, want: int) -> int:
    """Load up to page `want`, unless there are as many; the number of pages."""
    if have >= want:
        return have
    backend, started = store._backend, time.perf_counter()
    if not have:
        await backend.load("hosts", columns("hosts"), [(n + 1, f"www.site{n}.example") for n in range(SITES)])
        have = 1
    for first in range(have, want, CHUNK):
        for table, rows in generated(first, min(CHUNK, want - first)).items():
            await backend.load(table, columns(table), rows)
        if first // CHUNK % 100 == 0:
            print(f"  {first * OWN:10} media after {time.perf_counter() - started:.0f} s", flush=True)
    await backend.loaded()
    while await backend.index_search(20_000):
        pass
    return want


def servers_cpu() -> float:
    """CPU seconds of all PostgreSQL processes of this machine so far."""
    total = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if process.info["name"] == "postgres" and process.info["cpu_times"]:
            times = process.info["cpu_times"]
            total += times.user + times.system
    return total


async def saves(store: Store, first: int) -> None:
    for name, start in ((f"new page of {OWN} items", first), ("the same page again", first)):
        records = pages(start, SAVED, OWN)
        cpu, server, wall = time.process_time(), servers_cpu(), time.perf_counter()
        for at in range(0, len(records), 50):
            await asyncio.gather(*(store.save(record) for record in records[at : at + 50]))
        count = len(records)
        print(
            f"{name:34} {(time.process_time() - cpu) / count * 1e6:8.0f} us CPU"
            f" {(servers_cpu() - server) / count * 1e6:8.0f} us in the server"
            f" {(time.perf_counter() - wall) / count * 1e6:8.0f} us",
            flush=True,
        )


def reads(
    store: Store, rng: random.Random, last: int
) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Each call asks for something else, so that not one row is read twice."""

    def media(**query: object) -> Callable[[], Awaitable[object]]:
        return lambda: store.list_media(MediaQuery(**query))  # type: ignore[arg-type]

    yield "newest", media()
    yield "rare kind", media(kind="video")
    yield "one host", media(host=f"www.site{rng.randrange(SITES)}.example")
    yield "one batch", media(batch_id=f"batch{rng.randrange(last // 5000 + 1)}")
    yield "one page", media(page_url=_page_url(rng.randrange(1, last)))
    yield "search: one word", media(q=rng.choice(WORDS))
    yield "search: two words", media(q=f"{rng.choice(WORDS)} {rng.choice(WORDS)}")
    yield "search: word and host", media(q=rng.choice(WORDS), host=f"www.site{rng.randrange(SITES)}.example")
    yield "search: a word that nothing has", media(q=f"nothing{rng.randrange(10**9)}")
    yield "one item and its pages", lambda: store.get_media(rng.randrange(OWN, last * OWN))
    yield "totals", store.totals
    yield "batch progress", lambda: store.batch_progress(f"batch{rng.randrange(last // 5000 + 1)}")
    yield "failed scrapes", lambda: store.list_scrapes(ScrapeQuery(failed=True))


def _page_url(page: int) -> str:
    return f"https://www.site{site_of(page)}.example/pages/{page}"


async def measure(store: Store, last: int) -> None:
    info = await store.info()
    print(
        f"{info}: {last * OWN} media, {info.bytes / 1e9:.2f} GB, {info.bytes / (last * OWN):.0f} bytes an item"
    )
    await saves(store, 10_000_000 + last)
    rng = random.Random(1)
    rounds = [list(reads(store, rng, last)) for _ in range(20)]
    for kind in range(len(rounds[0])):
        taken, cpu, server = [], time.process_time(), servers_cpu()
        for calls in rounds:
            started = time.perf_counter()
            await calls[kind][1]()
            taken.append((time.perf_counter() - started) * 1e3)
        print(
            f"{rounds[0][kind][0]:34} {(time.process_time() - cpu) / 20 * 1e3:8.2f} ms CPU"
            f" {(servers_cpu() - server) / 20 * 1e3:8.2f} ms in the server, median {statistics.median(taken):8.2f} ms",
            flush=True,
        )


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", metavar="FILE|URL")
    parser.add_argument("media", nargs="+", type=int)
    parser.add_argument("--fill", action="store_true", help="only fill, do not measure")
    options = parser.parse_args()
    async with open_store(options.where, QUIET) as store:
        for media in options.media:
            have = await fill(store, await next_page(store), media // OWN)
            if not options.fill:
                await measure(store, have)


if __name__ == "__main__":
    asyncio.run(main())
