"""The store on every backend, and records to save."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mediascrape.store import PageRecord, ScrapeRecord, Store, StoreOptions, open_store
from postgresql_server import PostgreSQLServer, binaries, running_postgresql


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
    bin_ = binaries()
    if bin_ is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed (Debian: apt-get install postgresql)")
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with running_postgresql(bin_) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'media.db'}"
    server: PostgreSQLServer = request.getfixturevalue("postgresql")
    return server.new_url()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """A store that commits without waiting for company."""
    async with open_store(database, StoreOptions(linger=0.0)) as opened:
        yield opened
