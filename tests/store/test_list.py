"""What is listed, in which order, and page by page; on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mediascrape.errors import InvalidQueryError
from mediascrape.store import MediaQuery, PageRecord, ScrapeQuery, Store, StoredMedia

Make = Callable[..., Any]


def names(items: list[StoredMedia]) -> list[str]:
    return [media.url.rpartition("/")[2] for media in items]


async def listed(store: Store, **criteria: Any) -> list[str]:
    return names((await store.list_media(MediaQuery(**criteria))).items)


@pytest.fixture
async def filled(store: Store, record: Make, item: Make) -> Store:
    """Three pages in two batches, all kinds, two hosts, one shared logo."""
    dog = item("dog.jpg", alt="A brown dog", title="Rex")
    movie = item("https://video.example/holiday-movie.mp4", kind="video", via="video.src")
    song = item("song.mp3", kind="audio", via="audio.src")
    player = item("https://video.example/player/1", kind="embed", via="iframe.src")
    logo = item("logo.png", alt="Logo")
    zoo = PageRecord(title="Ein Tag im Zoo München")
    await store.save(record("1", items=[logo, dog, movie], batch_id="one", page=zoo))
    await store.save(record("2", items=[song, logo], batch_id="one"))
    await store.save(record("3", items=[player], batch_id="two"))
    return store


async def test_newest_first(filled: Store) -> None:
    assert await listed(filled) == ["1", "song.mp3", "holiday-movie.mp4", "dog.jpg", "logo.png"]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"kind": "image"}, ["dog.jpg", "logo.png"]),
        ({"kind": "video"}, ["holiday-movie.mp4"]),
        ({"kind": "audio"}, ["song.mp3"]),
        ({"host": "video.example"}, ["1", "holiday-movie.mp4"]),
        ({"host": "video.example", "kind": "embed"}, ["1"]),
        ({"host": "nowhere.example"}, []),
        ({"page_url": "https://site.example/1"}, ["logo.png", "dog.jpg", "holiday-movie.mp4"]),
        ({"page_url": "https://site.example/1", "kind": "video"}, ["holiday-movie.mp4"]),
        ({"page_url": "https://site.example/none"}, []),
        ({"batch_id": "one"}, ["logo.png", "dog.jpg", "holiday-movie.mp4", "song.mp3", "logo.png"]),
        ({"batch_id": "one", "kind": "audio"}, ["song.mp3"]),
        ({"batch_id": "one", "host": "cdn.example", "q": "dog"}, ["dog.jpg"]),
        ({"batch_id": "one", "page_url": "https://site.example/2"}, ["song.mp3", "logo.png"]),
        ({"job_ids": ["3", "2"]}, ["song.mp3", "logo.png", "1"]),
        ({"job_ids": []}, []),
    ],
    ids=str,
)
async def test_filters(filled: Store, criteria: dict[str, Any], expected: list[str]) -> None:
    assert await listed(filled, **criteria) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("dog", ["dog.jpg"]),
        ("DOG", ["dog.jpg"]),
        ("rex brown", ["dog.jpg"]),
        ("dog movie", []),
        ("holi", ["holiday-movie.mp4"]),
        ("holiday-movie", ["holiday-movie.mp4"]),
        ("münchen zoo", ["holiday-movie.mp4", "dog.jpg", "logo.png"]),
        ("video.example", ["1", "holiday-movie.mp4"]),
        ("mp4", ["holiday-movie.mp4"]),
        ('"logo" OR *', []),
        ("logo'; DROP TABLE media; --", []),
    ],
)
async def test_search(filled: Store, q: str, expected: list[str]) -> None:
    assert await listed(filled, q=q) == expected


async def test_search_with_kind_and_host(filled: Store) -> None:
    assert await listed(filled, q="example", kind="audio") == ["song.mp3"]
    assert await listed(filled, q="zoo", host="cdn.example") == ["dog.jpg", "logo.png"]
    assert await listed(filled, q="zoo", host="nowhere.example") == []
    assert await listed(filled, q="zoo", host="cdn.example", kind="video") == []


async def test_a_span_of_time_holds_what_was_first_seen_in_it(store: Store, record: Make) -> None:
    day = 86_400.0
    for number in range(40):
        await store.save(record(f"{number}", f"{number}.png", finished_at=number * day))
    assert await listed(store, since=37 * day) == ["39.png", "38.png", "37.png"]
    assert await listed(store, until=2 * day) == ["1.png", "0.png"]
    assert await listed(store, since=20 * day, until=22 * day) == ["21.png", "20.png"]
    assert await listed(store, since=20 * day, until=22 * day, q="21") == ["21.png"]
    assert await listed(store, since=40 * day) == []


async def test_an_item_saved_late_is_still_found_by_its_time(store: Store, record: Make) -> None:
    for number, seen in enumerate([1000.0, 2000.0, 1990.0, 1500.0, 3000.0]):
        await store.save(record(f"{number}", f"{number}.png", finished_at=seen))
    assert await listed(store, since=1995.0) == ["4.png", "1.png"]
    assert await listed(store, until=1600.0) == ["3.png", "0.png"]


async def test_sizes_that_are_not_known_are_not_large_enough(store: Store, record: Make, item: Make) -> None:
    items = [item("s.png", width=10, height=10), item("l.png", width=900, height=50), item("u.png")]
    await store.save(record("1", items=items))
    assert await listed(store, min_width=11) == ["l.png"]
    assert await listed(store, min_height=10) == ["l.png", "s.png"]
    assert await listed(store, min_width=11, min_height=51) == []


async def test_what_was_just_saved_is_found(filled: Store, record: Make, item: Make) -> None:
    assert await listed(filled, q="zebra") == []
    await filled.save(record("4", items=[item("zebra.png")]))
    assert await listed(filled, q="zebra") == ["zebra.png"]


async def test_the_page_named_is_the_one_listed(filled: Store) -> None:
    by_batch = await filled.list_media(MediaQuery(batch_id="one"))
    assert [media.page_url for media in by_batch.items] == [
        "https://site.example/1",
        "https://site.example/1",
        "https://site.example/1",
        "https://site.example/2",
        "https://site.example/2",
    ]


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"kind": "image"},
        {"host": "cdn.example"},
        {"q": "pic"},
        {"batch_id": "b"},
        {"job_ids": ["0", "1", "2"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_cursors_give_everything_once(
    store: Store, record: Make, criteria: dict[str, Any], limit: int
) -> None:
    for n in range(3):
        await store.save(record(str(n), *(f"pic-{n}-{k}" for k in range(4)), "pic-shared", batch_id="b"))
    whole = await listed(store, **criteria, limit=1000)
    assert len(whole) in (13, 15)
    pieces: list[str] = []
    cursor = None
    while True:
        page = await store.list_media(MediaQuery(**criteria, limit=limit, cursor=cursor))
        assert len(page.items) <= limit
        pieces += names(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == limit
    assert pieces == whole
    query = MediaQuery(**criteria)
    assert [media.url.rpartition("/")[2] async for media in store.iter_media(query, chunk=limit)] == whole


async def test_media_saved_while_listing_do_not_shift_the_pages(store: Store, record: Make) -> None:
    await store.save(record("1", *(f"a{n}" for n in range(6))))
    first = await store.list_media(MediaQuery(limit=3))
    await store.save(record("2", "b0", "b1"))
    second = await store.list_media(MediaQuery(limit=3, cursor=first.next_cursor))
    assert names(first.items + second.items) == ["a5", "a4", "a3", "a2", "a1", "a0"]


@pytest.mark.parametrize("cursor", ["", "x", "1.2", "-1", "1; DROP TABLE media", "9" * 40, "١"])
async def test_a_foreign_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidQueryError):
        await store.list_media(MediaQuery(cursor=cursor))


async def test_bad_queries_are_refused(store: Store) -> None:
    for query in (
        MediaQuery(limit=0),
        MediaQuery(limit=10**6),
        MediaQuery(kind="font"),
        MediaQuery(q="?!"),
        MediaQuery(batch_id="b", cursor="17"),
    ):
        with pytest.raises(InvalidQueryError):
            await store.list_media(query)
    with pytest.raises(InvalidQueryError):
        await store.list_scrapes(ScrapeQuery(limit=0))


async def test_one_item_with_the_pages_that_show_it(filled: Store) -> None:
    listing = await filled.list_media(MediaQuery(q="logo"))
    detail = await filled.get_media(listing.items[0].id)
    assert detail is not None
    assert detail.media == listing.items[0]
    assert [(seen.page_url, seen.page_title, seen.position) for seen in detail.seen_on] == [
        ("https://site.example/2", "Page 2", 1),
        ("https://site.example/1", "Ein Tag im Zoo München", 0),
    ]
    assert await filled.get_media(10**9) is None


async def test_scrapes(store: Store, record: Make, failure: Make) -> None:
    await store.save(
        record("1", "a", batch_id="b", attempts=2, duration_ms=350, started_at=1.25, finished_at=1.6)
    )
    await store.save(failure("2", "not_found", batch_id="b"))
    await store.save(failure("3", "timeout"))
    found = await store.scrapes_for(["1", "3", "9"])
    assert sorted(found) == ["1", "3"]
    one = found["1"]
    assert (one.outcome, one.found, one.new, one.attempts, one.duration_ms) == ("ok", 1, 1, 2, 350)
    assert (one.batch_id, one.started_at, one.finished_at, one.error) == ("b", 1.25, 1.6, None)
    assert found["3"].error == "timeout: too bad"

    async def jobs(**criteria: Any) -> list[str]:
        return [scrape.job_id for scrape in (await store.list_scrapes(ScrapeQuery(**criteria))).items]

    assert await jobs() == ["3", "2", "1"]
    assert await jobs(batch_id="b") == ["2", "1"]
    assert await jobs(failed=True) == ["3", "2"]
    assert await jobs(failed=False) == ["1"]
    assert await jobs(outcome="not_found") == ["2"]
    assert await jobs(outcome="ok") == ["1"]
    first = await store.list_scrapes(ScrapeQuery(limit=2))
    assert await jobs(cursor=first.next_cursor) == ["1"]


async def test_scrapes_of_many_jobs(store: Store, record: Make) -> None:
    await store.save(record("1500"))
    assert list(await store.scrapes_for([str(n) for n in range(3000)])) == ["1500"]


async def test_an_empty_store(store: Store) -> None:
    assert await listed(store) == []
    totals = await store.totals()
    assert (totals.pages, totals.media, totals.scrapes) == (0, {}, {})
    assert [media async for media in store.iter_media(MediaQuery())] == []
