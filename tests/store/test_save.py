"""What saving leaves behind, on every backend."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from mediascrape.errors import StoreRejectedError
from mediascrape.store import (
    MediaQuery,
    PageRecord,
    Saved,
    ScrapeQuery,
    Store,
    StoreOptions,
    Validators,
    open_store,
)
from mediascrape.store.items import ItemRows, Rows
from mediascrape.store.tallies import Tallies

Make = Callable[..., Any]


async def names(store: Store, query: MediaQuery | None = None) -> list[str]:
    return [media.url.rpartition("/")[2] for media in (await store.list_media(query or MediaQuery())).items]


async def on_page(store: Store, job_id: str) -> list[str]:
    return await names(store, MediaQuery(page_url=f"https://site.example/{job_id}"))


async def everything(store: Store) -> object:
    media = (await store.list_media(MediaQuery())).items
    details = [await store.get_media(m.id) for m in media]
    scrapes = (await store.list_scrapes(ScrapeQuery())).items
    return details, scrapes, await store.totals(), await store.batch_progress("batch")


async def test_found_and_new(store: Store, record: Make) -> None:
    assert await store.save(record("1", "a", "b")) == Saved(found=2, new=2)
    assert await store.save(record("2", "b", "c")) == Saved(found=2, new=1)
    assert await store.save(record("3")) == Saved(found=0, new=0)


async def test_a_commit_leaves_nothing_to_the_garbage_collector(store: Store, record: Make) -> None:
    """A commit's rows are megabytes in few objects, so the collector would come by only after many of them."""
    await store.save(record("1", "a"))
    gc.collect()
    gc.disable()
    try:
        await store.save(record("2", "a", "b"))
        left = [type(o).__name__ for o in gc.get_objects() if type(o) in (ItemRows, Rows, Tallies)]
    finally:
        gc.enable()
    assert left == []


async def test_the_same_job_twice_leaves_the_same_rows(store: Store, record: Make) -> None:
    first = await store.save(record("1", "a", "b", batch_id="batch"))
    before = await everything(store)
    assert await store.save(record("1", "a", "b", batch_id="batch")) == first
    assert await everything(store) == before


async def test_a_job_counts_what_all_its_runs_brought(store: Store, record: Make) -> None:
    await store.save(record("1", "a"))
    assert await store.save(record("1", "a", "b")) == Saved(found=2, new=2)


async def test_changed_content_replaces_what_the_page_shows_and_keeps_the_media(
    store: Store, record: Make
) -> None:
    await store.save(record("1", "a", "b"))
    assert await store.save(record("2", "b", "c", "d", url="https://site.example/1")) == Saved(3, 2)
    assert await on_page(store, "1") == ["b", "c", "d"]
    assert sorted(await names(store)) == ["a", "b", "c", "d"]
    listed = {media.url: media for media in (await store.list_media(MediaQuery())).items}
    gone = await store.get_media(listed["https://cdn.example/a"].id)
    assert gone is not None
    assert gone.seen_on == []


async def test_another_order_is_another_content(store: Store, record: Make) -> None:
    await store.save(record("1", "a", "b"))
    await store.save(record("1", "b", "a"))
    assert await on_page(store, "1") == ["b", "a"]


async def test_a_page_that_lost_all_its_media(store: Store, record: Make) -> None:
    await store.save(record("1", "a"))
    assert await store.save(record("1")) == Saved(found=0, new=1)
    assert await on_page(store, "1") == []


async def test_not_modified_keeps_items_and_title(store: Store, record: Make) -> None:
    await store.save(record("1", "a", "b"))
    saved = await store.save(record("1", items=None, page=PageRecord(status=304, etag='"2"')))
    assert saved == Saved(found=2, new=2)
    assert await on_page(store, "1") == ["a", "b"]
    assert (await store.list_media(MediaQuery())).items[0].page_title == "Page 1"
    assert await store.validators("https://site.example/1") == Validators('"2"', None, None)


async def test_not_modified_of_a_page_never_seen(store: Store, record: Make) -> None:
    assert await store.save(record("1", items=None)) == Saved(0, 0)
    assert await store.save(record("1", "a")) == Saved(1, 1)


async def test_a_failure_leaves_the_page_as_it_is(store: Store, record: Make, failure: Make) -> None:
    await store.save(record("1", "a"))
    assert await store.save(failure("2", url="https://site.example/1")) == Saved(0, 0)
    assert await on_page(store, "1") == ["a"]
    assert (await store.totals()).scrapes == {"ok": 1, "timeout": 1}


async def test_a_failure_of_an_unknown_page_makes_no_page(store: Store, failure: Make) -> None:
    await store.save(failure("1"))
    assert (await store.totals()).pages == 0
    assert await store.validators("https://site.example/1") is None


async def test_an_item_given_twice_counts_once(store: Store, record: Make, item: Make) -> None:
    saved = await store.save(record("1", items=[item("a", alt="first"), item("b"), item("a", alt="second")]))
    assert saved == Saved(found=2, new=2)
    listed = await store.list_media(MediaQuery(page_url="https://site.example/1"))
    assert [(media.url[-1], media.alt) for media in listed.items] == [("a", "first"), ("b", None)]


@pytest.mark.parametrize("seen_before", [True, False], ids=["two commits", "one commit"])
async def test_each_page_says_its_own_of_an_item(
    database: str, record: Make, item: Make, seen_before: bool
) -> None:
    pages = [
        record("1", items=[item("a", alt="A dog", title="Rex", via="img.src")]),
        record("2", items=[item("a", alt=None, via="meta.og:image", places=("meta.og:image", "img.src"))]),
        record("3", items=[item("a", alt="Hund", title=None)]),
    ]
    async with open_store(database, StoreOptions(linger=0.0 if seen_before else 0.2)) as store:
        if seen_before:
            for page in pages:
                await store.save(page)
        else:
            await asyncio.gather(*map(store.save, pages))
        media = (await store.list_media(MediaQuery())).items[0]
        assert (media.alt, media.title, media.page_url) == ("A dog", "Rex", "https://site.example/1")
        detail = await store.get_media(media.id)
        assert detail is not None
        said = {seen.page_url[-1]: (seen.alt, seen.title, seen.via, seen.places) for seen in detail.seen_on}
        assert said == {
            "1": ("A dog", "Rex", "img.src", ("img.src",)),
            "2": (None, None, "meta.og:image", ("meta.og:image", "img.src")),
            "3": ("Hund", None, "img.src", ("img.src",)),
        }
        on_2 = await store.list_media(MediaQuery(page_url="https://site.example/2"))
        assert [(m.alt, m.title, m.via) for m in on_2.items] == [(None, None, "meta.og:image")]


async def test_all_fields_come_back(store: Store, record: Make, item: Make) -> None:
    full = item(
        "https://v.example:8443/x?y=1",
        kind="embed",
        via="iframe.src",
        places=("iframe.src", "meta.og:video"),
        alt="é ☃ 𝄞",
        title="T",
        width=640,
        height=0,
        mime_type="text/html",
        flags=frozenset({"in_noscript", "best"}),
        provider="youtube",
        provider_id="abc",
    )
    await store.save(record("1", items=[full]))
    media = (await store.list_media(MediaQuery())).items[0]
    assert media.to_record() == {
        "url": "https://v.example:8443/x?y=1",
        "kind": "embed",
        "via": "iframe.src",
        "page_url": "https://site.example/1",
        "alt": "é ☃ 𝄞",
        "title": "T",
        "width": 640,
        "height": 0,
        "mime_type": "text/html",
    }
    assert (media.host, media.flags, media.provider, media.provider_id, media.first_seen) == (
        "v.example:8443",
        ("best", "in_noscript"),
        "youtube",
        "abc",
        1001.0,
    )


async def test_sizes_that_are_none_are_left_out(store: Store, record: Make, item: Make) -> None:
    await store.save(record("1", items=[item("a", width=2**40, height=-1)]))
    media = (await store.list_media(MediaQuery())).items[0]
    assert (media.width, media.height) == (None, None)


async def test_a_very_long_url(store: Store, record: Make, item: Make) -> None:
    url = "https://cdn.example/" + "x%20y" * 3000
    await store.save(record("1", items=[item(url)]))
    assert await store.save(record("2", items=[item(url)])) == Saved(found=1, new=0)
    assert (await store.list_media(MediaQuery())).items[0].url == url


async def test_concurrent_saves_share_commits_and_count_each_item_once(database: str, record: Make) -> None:
    shared = [f"shared-{n}" for n in range(5)]
    async with open_store(database, StoreOptions(linger=0.05, max_batch=64)) as store:
        records = [record(str(n), *shared, f"own-{n}", batch_id="batch") for n in range(300)]
        saved = await asyncio.gather(*map(store.save, records))
        assert {result.found for result in saved} == {6}
        assert sum(result.new for result in saved) == 305
        assert (await store.totals()).media == {"image": 305}
        progress = await store.batch_progress("batch")
        assert (progress.done, progress.found, progress.new) == (300, 1800, 305)
        assert store.commit_stats.records == 300
        assert store.commit_stats.commits <= 7


async def test_two_stores_on_one_database(database: str, record: Make) -> None:
    """Ids given out by one are not given out by the other, nor are items doubled."""
    async with open_store(database) as one, open_store(database) as two:
        records = [record(str(n), "shared", f"own-{n // 2}") for n in range(100)]
        saved = await asyncio.gather(*((one, two)[n % 2].save(r) for n, r in enumerate(records)))
        assert sum(result.new for result in saved) == 51
        assert (await one.totals()).media == {"image": 51}
        assert sorted(await names(two, MediaQuery(limit=1000))) == sorted(
            ["shared", *(f"own-{n}" for n in range(50))]
        )


@pytest.mark.parametrize(
    "broken",
    [{"items": [object()]}, {"job_id": None}, {"outcome": None}, {"attempts": 2**70}],
    ids=lambda broken: next(iter(broken)),
)
async def test_a_record_that_cannot_be_stored_fails_alone(
    database: str, record: Make, broken: dict[str, Any]
) -> None:
    bad = record("bad")._replace(**broken)
    async with open_store(database, StoreOptions(linger=0.2)) as store:
        await store.save(record("first", "a"))
        records = [record(str(n), f"x{n}") for n in range(9)]
        records.insert(5, bad)
        results = await asyncio.gather(*map(store.save, records), return_exceptions=True)
        assert [type(result) for result in results].count(StoreRejectedError) == 1
        assert isinstance(results[5], StoreRejectedError)
        assert (await store.totals()).scrapes == {"ok": 10}
        assert (await store.totals()).media == {"image": 10}


async def test_a_lone_surrogate_does_not_stop_others(database: str, record: Make, item: Make) -> None:
    async with open_store(database, StoreOptions(linger=0.2)) as store:
        good, bad = record("1", "a"), record("2", items=[item("b", alt="\ud800")])
        results = await asyncio.gather(store.save(good), store.save(bad), return_exceptions=True)
        assert results[0] == Saved(1, 1)
        assert isinstance(results[1], StoreRejectedError)


async def test_nul_characters_do_no_harm(store: Store, record: Make, item: Make, failure: Make) -> None:
    await store.save(record("1", items=[item("a", alt="x\0y")], page=PageRecord(title="a\0b", etag="\0")))
    await store.save(failure("2", error="bad\0luck"))
    media = (await store.list_media(MediaQuery())).items[0]
    assert (media.alt, media.page_title) == ("x\ufffdy", "a\ufffdb")
    assert (await store.scrapes_for(["2"]))["2"].error == "bad\ufffdluck"


async def test_progress_follows_a_job_from_failure_to_success(
    store: Store, record: Make, failure: Make
) -> None:
    await store.save(failure("1", batch_id="batch"))
    await store.save(failure("2", "not_found", batch_id="batch"))
    progress = await store.batch_progress("batch")
    assert (progress.done, progress.failed) == (0, {"not_found": 1, "timeout": 1})
    await store.save(record("1", "a", batch_id="batch"))
    progress = await store.batch_progress("batch")
    assert (progress.done, progress.failed, progress.found, progress.new) == (1, {"not_found": 1}, 1, 1)
    assert (await store.totals()).scrapes == {"not_found": 1, "ok": 1}


async def test_one_job_twice_in_one_commit(database: str, record: Make, failure: Make) -> None:
    async with open_store(database, StoreOptions(linger=0.2)) as store:
        await store.save(record("0"))
        await asyncio.gather(
            store.save(failure("1", batch_id="b")), store.save(record("1", "a", batch_id="b"))
        )
        progress = await store.batch_progress("b")
        assert (progress.done, progress.failed, progress.new) == (1, {}, 1)


async def test_progress_of_an_unknown_batch_is_nothing(store: Store) -> None:
    progress = await store.batch_progress("nobody")
    assert (progress.done, progress.failed, progress.found, progress.new) == (0, {}, 0, 0)


async def test_what_is_being_saved_at_the_end_is_committed(database: str, record: Make) -> None:
    async with open_store(database, StoreOptions(linger=10.0)) as store:
        await store.save(record("0"))
        saving = [asyncio.create_task(store.save(record(str(n), f"x{n}"))) for n in range(1, 20)]
        await asyncio.sleep(0)
    assert [(await task).new for task in saving] == [1] * 19
    async with open_store(database) as store:
        assert (await store.totals()).pages == 20


async def test_cancelled_savers_do_not_disturb_others(database: str, record: Make) -> None:
    async with open_store(database, StoreOptions(linger=0.2)) as store:
        await store.save(record("0"))
        tasks = [asyncio.create_task(store.save(record(str(n), f"x{n}"))) for n in range(1, 11)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == [Saved(1, 1)] * 5


async def test_validators(store: Store, record: Make) -> None:
    page = PageRecord(etag='W/"1"', last_modified="Mon, 01 Jan 2024 00:00:00 GMT", content_hash=b"\x00\x01")
    await store.save(record("1", page=page))
    await store.save(record("2"))
    found = await asyncio.gather(*(store.validators(f"https://site.example/{n}") for n in (1, 2, 3)))
    assert found == [
        Validators('W/"1"', "Mon, 01 Jan 2024 00:00:00 GMT", b"\x00\x01"),
        Validators(None, None, None),
        None,
    ]


async def test_prune_forgets_old_scrapes_only(store: Store, record: Make, failure: Make) -> None:
    for n in range(5):
        await store.save(record(f"old{n}", f"x{n}", batch_id="old", finished_at=100.0 + n))
    await store.save(failure("odd", batch_id="old", finished_at=103.5))
    await store.save(record("new", "x0", batch_id="new", finished_at=500.0))
    assert await store.prune(scrapes_older_than=104.0) == 5
    left = (await store.list_scrapes(ScrapeQuery())).items
    assert [scrape.job_id for scrape in left] == ["new", "old4"]
    assert (await store.totals()).scrapes == {"ok": 2}
    assert (await store.totals()).media == {"image": 5}
    assert (await store.batch_progress("old")).done == 1
    assert await store.prune(scrapes_older_than=104.0) == 0
