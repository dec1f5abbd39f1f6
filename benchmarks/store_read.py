"""How long listings and searches take, and what indexing costs, on a store of many media.

    python -m benchmarks.store_read [--media 1000000] [--keep FILE|URL]

Prints milliseconds: the median and the worst of a listing's calls through the public interface.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.store_save import QUIET, WORDS, pages, saved

from mediascrape.store import MediaQuery, ScrapeQuery, Store, open_store

ITEMS = 60


async def fill(store: Store, media: int) -> None:
    """Save pages until there are so many media."""
    start = time.perf_counter()
    for first in range(0, media // (ITEMS - 2), 2000):
        cost = await saved(store, pages(first, 2000, ITEMS))
        if first % 10_000 == 0:
            print(
                f"  {sum((await store.totals()).media.values()):9} media, {cost:.0f} us CPU/page", flush=True
            )
    print(f"filled in {time.perf_counter() - start:.0f} s")


async def index(store: Store) -> None:
    """Let the search catch up."""
    done, cpu, longest = 0, time.process_time(), 0.0
    while True:
        start = time.perf_counter()
        indexed = await store._backend.index_search(2000)
        longest = max(longest, time.perf_counter() - start)
        done += indexed
        if not indexed:
            break
    if done:
        cpu = time.process_time() - cpu
        print(f"search index: {cpu / done * 1e6:.1f} us CPU/item, longest chunk {longest * 1e3:.0f} ms")


async def timed(name: str, store: Store, query: MediaQuery) -> None:
    """Print the time of the first page and of the pages after it."""
    times, cursor, rows = [], None, 0
    for _ in range(12):
        start = time.perf_counter()
        page = await store.list_media(MediaQuery(**{**_asdict(query), "cursor": cursor}))
        times.append((time.perf_counter() - start) * 1e3)
        rows += len(page.items)
        cursor = page.next_cursor
    print(f"{name:44} median {statistics.median(times):7.2f}  worst {max(times):7.2f}  {rows:5} rows")


def _asdict(query: MediaQuery) -> dict[str, object]:
    return {name: getattr(query, name) for name in query.__dataclass_fields__}


async def read(store: Store) -> None:
    """Time listings."""
    host = "www.site42.example"
    for name, query in {
        "newest": MediaQuery(),
        "kind=video (none)": MediaQuery(kind="video"),
        "host": MediaQuery(host=host),
        "batch of 5000 pages": MediaQuery(batch_id="batch0"),
        "q: in every item": MediaQuery(q="jpg"),
        "q: one word": MediaQuery(q=WORDS[77]),
        "q: three-letter prefix": MediaQuery(q=WORDS[77][:3]),
        "q: two words": MediaQuery(q=f"{WORDS[9]} {WORDS[1234]}"),
        "q: three words": MediaQuery(q=f"uploads 2019 {WORDS[5]}"),
        "q: in every item, rare kind": MediaQuery(q="jpg", kind="video"),
        "q: in every item, one host": MediaQuery(q="jpg", host=host),
        "q: nothing": MediaQuery(q="nothinghasthisword"),
    }.items():
        await timed(name, store, query)
    for name, call in {
        "totals": store.totals,
        "batch progress": lambda: store.batch_progress("batch0"),
        "one item": lambda: store.get_media(77_777),
        "failed scrapes": lambda: store.list_scrapes(ScrapeQuery(failed=True)),
    }.items():
        times = []
        for _ in range(12):
            start = time.perf_counter()
            await call()
            times.append((time.perf_counter() - start) * 1e3)
        print(f"{name:44} median {statistics.median(times):7.2f}  worst {max(times):7.2f}")


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--media", type=int, default=1_000_000)
    parser.add_argument("--keep", help="file or PostgreSQL URL to fill, or to use when it is filled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        where = options.keep or str(Path(directory) / "store.db")
        async with open_store(where, QUIET) as store:
            if not (await store.totals()).pages:
                await fill(store, options.media)
            await index(store)
            print(await store.totals())
            await read(store)


if __name__ == "__main__":
    asyncio.run(main())
