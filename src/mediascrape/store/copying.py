"""All that one database holds, into another: from SQLite to PostgreSQL when one machine is outgrown, or
back. Rows keep their ids, so cursors and links to items stay good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mediascrape.errors import ConfigurationError

from .backend import Backend, Row
from .options import StoreOptions
from .schema import metadata
from .store import open_backend

_CHUNK = 5_000

Progress = Callable[[str, int], None]
"""Told the table and how many of its rows are copied so far."""


async def copy_store(
    source: str | Path, target: str | Path, *, on_progress: Progress = lambda _table, _rows: None
) -> dict[str, int]:
    """Copy everything; how many rows of each table.

    Nothing may be saved in the source meanwhile. Raises ConfigurationError when the target is not empty
    (a copy that was cut off leaves it so: make it anew), StoreUnavailableError when one is out of reach.
    """
    options = StoreOptions()
    origin = await open_backend(source, options)
    try:
        destination = await open_backend(target, options)
        try:
            return await _copy(origin, destination, on_progress)
        finally:
            await destination.close()
    finally:
        await origin.close()


async def _copy(source: Backend, target: Backend, on_progress: Progress) -> dict[str, int]:
    copied: dict[str, int] = {}
    for table in metadata.tables.values():
        if await target.fetch(sa.select(sa.literal(1)).select_from(table).limit(1)):
            raise ConfigurationError(f"the database to copy into is not empty: it has {table.name}")
    for table in metadata.tables.values():
        names = [column.name for column in table.columns]
        copied[table.name] = 0
        async for rows in _chunks(source, table):
            await target.load(table.name, names, rows)
            copied[table.name] += len(rows)
            on_progress(table.name, copied[table.name])
    await target.loaded()
    return copied


async def _chunks(source: Backend, table: sa.Table) -> AsyncIterator[Sequence[Row]]:
    """The rows in the order of the primary key, some at a time."""
    key = [*table.primary_key]
    places = [table.columns.values().index(column) for column in key]
    after: tuple[Any, ...] | None = None
    while True:
        query = sa.select(table).order_by(*key).limit(_CHUNK)
        if after is not None:
            query = query.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after)))
        rows = await source.fetch(query)
        if rows:
            yield rows
        if len(rows) < _CHUNK:
            return
        after = tuple(rows[-1][place] for place in places)
