"""The store on every backend, and records to save."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mediascrape.store import PageRecord, ScrapeRecord, Store, StoreOptions, open_store
from postgresql_server import PostgreSQLServer, binaries, newest_binaries, running_postgresql


@dataclass(frozen=True, slots=True)
class Item:
    """A media item such as the extractor gives."""

    url: str
    kind: str = "image"
    via: str = "img.src"
    places: Sequence[str] = ("img.src",)
    alt: str | None = None
    title: str | None = None
    width: int | None = None
    height: int | None = None
    mime_type: str | None = None
    flags: frozenset[str] = frozenset()
    provider: str | None = None
    provider_id: str | None = None


@pytest.fixture(scope="session")
def item() -> Callable[..., Any]:
    """Makes an item of a file name or a URL."""

    def make(name: str, **fields: Any) -> Item:
        return Item(name if "//" in name else f"https://cdn.example/{name}", **fields)

    return make


@pytest.fixture(scope="session")
def record(item: Callable[..., Any]) -> Callable[..., ScrapeRecord]:
    """Makes the record of a successful scrape with items of these names; `items=None`: as before."""

    def make(job_id: str, *names: str, **fields: Any) -> ScrapeRecord:
        defaults: dict[str, Any] = {
            "url": f"https://site.example/{job_id}",
            "started_at": 1000.0,
            "finished_at": 1001.0,
            "page": PageRecord(title=f"Page {job_id}", status=200),
            "items": [item(name) for name in names],
        }
        return ScrapeRecord(job_id, **(defaults | fields))

    return make


@pytest.fixture(scope="session")
def failure() -> Callable[..., ScrapeRecord]:
    """Makes the record of a failed scrape."""

    def make(job_id: str, outcome: str = "timeout", **fields: Any) -> ScrapeRecord:
        defaults: dict[str, Any] = {
            "url": f"https://site.example/{job_id}",
            "started_at": 1000.0,
            "finished_at": 1001.0,
            "error": f"{outcome}: too bad",
        }
        return ScrapeRecord(job_id, outcome=outcome, **(defaults | fields))

    return make


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    with running_postgresql(binaries()) as server:
        yield server


@pytest.fixture(scope="session")
def newest_postgresql() -> Iterator[PostgreSQLServer]:
    with running_postgresql(newest_binaries()) as server:
        yield server


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Gives the URL of another empty database at each call: "sqlite", or a server's fixture."""
    numbers = count()

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / f'media{next(numbers)}.db'}"
        server: PostgreSQLServer = request.getfixturevalue(kind)
        return server.new_url()

    return make


@pytest.fixture(params=["sqlite", "postgresql", "newest_postgresql"])
def database(request: pytest.FixtureRequest, empty_database: Callable[[str], str]) -> str:
    """URL of an empty database."""
    return empty_database(request.param)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """A store that commits without waiting for company."""
    async with open_store(database, StoreOptions(linger=0.0)) as opened:
        yield opened
