"""Whatever is saved in whatever order: the store equals a model of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediascrape.store import MediaQuery, ScrapeRecord, StoreOptions, open_store

Make = Callable[..., Any]

_NAMES = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)
_SCRAPES = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", "4"]),  # job
        st.sampled_from(["p", "q"]),  # page
        st.sampled_from([None, "x", "y"]),  # batch
        st.one_of(st.just("timeout"), st.none(), _NAMES),  # failure, not modified, items
    ),
    max_size=12,
)

_WORDS = st.sampled_from([None, "", "x", "y"])


@dataclass
class Model:
    """What the store should know."""

    pages: dict[str, list[str]] = field(default_factory=dict)
    media: set[str] = field(default_factory=set)
    jobs: dict[str, tuple[str | None, str, int, int]] = field(default_factory=dict)

    def save(self, job: str, page: str, batch: str | None, what: str | list[str] | None) -> tuple[int, int]:
        before = self.jobs[job][3] if job in self.jobs else 0
        if isinstance(what, str):
            self.jobs[job] = (batch, what, 0, before)
            return (0, before)
        if what is None:
            what = self.pages.setdefault(page, [])
        new = before + len(set(what) - self.media)
        self.media |= set(what)
        self.pages[page] = what
        self.jobs[job] = (batch, "ok", len(what), new)
        return (len(what), new)


@pytest.fixture(params=["sqlite", "postgresql", "newest_postgresql"])
def new_database(request: pytest.FixtureRequest, empty_database: Callable[[str], str]) -> Callable[[], str]:
    """Gives the URL of another empty database at each call."""
    return lambda: empty_database(request.param)


@given(scrapes=_SCRAPES, together=st.booleans(), known=st.sampled_from([1, 1000]))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_store_equals_its_model(
    new_database: Callable[[], str],
    record: Make,
    failure: Make,
    scrapes: list[Any],
    together: bool,
    known: int,
) -> None:
    """`together`: in one commit or in many; `known`: with and without memory of known media."""

    async def check() -> None:
        model = Model()
        options = StoreOptions(linger=0.02 if together else 0.0, known_media=known)
        async with open_store(new_database(), options) as store:
            if together:
                await store.save(record("0", url="https://site.example/first"))
            saves = [make(record, failure, *scrape) for scrape in scrapes]
            if together:
                saved = await asyncio.gather(*map(store.save, saves))
            else:
                saved = [await store.save(one) for one in saves]
            expected = [model.save(*scrape) for scrape in scrapes]
            if not together:  # within one commit a page is written once, as it was last
                assert [(result.found, result.new) for result in saved] == expected
                assert (await store.totals()).media == ({"image": len(model.media)} if model.media else {})
                await check_batches(store, model)
            for page, names in model.pages.items():
                listing = await store.list_media(MediaQuery(page_url=f"https://site.example/{page}"))
                assert [media.url[-1] for media in listing.items] == names
            outcomes = Counter(outcome for _, outcome, _, _ in model.jobs.values())
            if together:
                outcomes["ok"] += 1
            assert (await store.totals()).scrapes == outcomes
            listed = [media.url async for media in store.iter_media(MediaQuery())]
            assert len(listed) == len(set(listed)) == sum((await store.totals()).media.values())

    asyncio.run(check())


@given(said=st.lists(st.tuples(_WORDS, _WORDS), max_size=6), together=st.booleans())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_item_is_on_each_page_what_that_page_says_of_it(
    new_database: Callable[[], str],
    record: Make,
    item: Make,
    said: list[tuple[str | None, str | None]],
    together: bool,
) -> None:
    async def check() -> None:
        async with open_store(new_database(), StoreOptions(linger=0.02 if together else 0.0)) as store:
            saves = [
                record(str(page), items=[item("a", alt=alt, title=title)])
                for page, (alt, title) in enumerate(said)
            ]
            if together:
                await asyncio.gather(*map(store.save, [*saves, *saves]))
            else:
                for save in [*saves, *saves]:
                    await store.save(save)
            for page, (alt, title) in enumerate(said):
                query = MediaQuery(page_url=f"https://site.example/{page}")
                listed = [(found.alt, found.title) for found in (await store.list_media(query)).items]
                assert listed == [(alt or None, title or None)]

    asyncio.run(check())


async def check_batches(store: Any, model: Model) -> None:
    for batch in ("x", "y"):
        rows = [row for row in model.jobs.values() if row[0] == batch]
        progress = await store.batch_progress(batch)
        assert progress.done == sum(outcome == "ok" for _, outcome, _, _ in rows)
        assert sum(progress.failed.values()) == sum(outcome != "ok" for _, outcome, _, _ in rows)
        assert (progress.found, progress.new) == (sum(row[2] for row in rows), sum(row[3] for row in rows))


def make(record: Make, failure: Make, job: str, page: str, batch: str | None, what: Any) -> ScrapeRecord:
    url = f"https://site.example/{page}"
    made: ScrapeRecord
    if isinstance(what, str):
        made = failure(job, what, url=url, batch_id=batch)
    elif what is None:
        made = record(job, url=url, batch_id=batch, items=None)
    else:
        made = record(job, *what, url=url, batch_id=batch)
    return made
