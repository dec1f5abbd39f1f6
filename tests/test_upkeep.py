"""Old scrapes are forgotten by one of all workers."""

from __future__ import annotations

from pathlib import Path

from mediascrape.queue.cache import SharedCache
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.store import PageRecord, ScrapeRecord, StoreOptions, open_store
from mediascrape.upkeep import Upkeep

DAY = 86_400


async def test_one_worker_forgets_what_is_old(tmp_path: Path) -> None:
    async with (
        EmbeddedValkey(tmp_path / "valkey") as valkey,
        open_store(tmp_path / "media.db", StoreOptions(linger=0.0)) as store,
    ):
        for day in range(1, 5):
            await store.save(
                ScrapeRecord(
                    str(day), url=f"https://site.example/{day}", started_at=day * DAY, finished_at=day * DAY,
                    page=PageRecord(status=200), items=[],
                )
            )  # fmt: skip
        client = connect(valkey.url)
        turns = SharedCache(client, "bull:media-scrape:", "upkeep")
        assert await Upkeep(store, turns, 0, lambda: 9 * DAY).turn() == 0
        assert await Upkeep(store, turns, 2 * DAY, lambda: 4.5 * DAY).turn() == 2
        assert await Upkeep(store, turns, 1, lambda: 9 * DAY).turn() == 0, "one turn of all workers"
        await turns.aclose()
        await client.aclose()
        assert sorted(await store.scrapes_for(["1", "2", "3", "4"])) == ["3", "4"]
        assert (await store.totals()).pages == 4
