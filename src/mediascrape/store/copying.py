"""All that one database holds, into another: from SQLite to PostgreSQL when one machine is outgrown, or
back. Rows keep their ids, so cursors and links to items stay good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mediascrape.errors import ConfigurationError, StoreRejectedError

from .backend import TABLES, Backend, Row
from .options import StoreOptions
from .schema import metadata
from .store import open_backend, sqlite_path

_CHUNK = 5_000

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are copied so far, and how many there are."""


async def copy_store(
    source: str | Path, target: str | Path, *, on_progress: Progress = lambda _table, _rows, _total: None
) -> dict[str, int]:
    """Copy everything and count it again in the target; how many rows of each table.

    Nothing may be saved in the source meanwhile. Raises ConfigurationError when the target is not empty
    (a copy that was cut off leaves it so: make it anew), StoreRejectedError when the two do not hold as
    many rows in the end, StoreUnavailableError when one is out of reach.
    """
    options = StoreOptions()
    if (path := sqlite_path(source)) is not None and not path.exists():
        raise ConfigurationError(f"there is no store to copy at {path}")
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
    for name in TABLES:
        if await target.fetch(sa.select(sa.literal(1)).select_from(metadata.tables[name]).limit(1)):
            raise ConfigurationError(
                f"the database to copy into is not empty, it has {name}; copy into a new one "
                "(a copy that was cut off begins again that way, too)"
            )
    for name in TABLES:
        await _copy_table(source, target, name, on_progress)
    await target.loaded()
    return {name: await _verified(source, target, name) for name in TABLES}


async def _copy_table(source: Backend, target: Backend, name: str, on_progress: Progress) -> None:
    table = metadata.tables[name]
    names = [column.name for column in table.columns]
    total, copied = await source.count(name), 0
    on_progress(name, copied, total)
    async for rows in _chunks(source, table):
        await target.load(name, names, rows)
        copied += len(rows)
        on_progress(name, copied, total)


async def _verified(source: Backend, target: Backend, name: str) -> int:
    there, here = await source.count(name), await target.count(name)
    if there != here:
        raise StoreRejectedError(
            f"{name}: {there} rows to copy, {here} copied. Something was saved meanwhile: stop all workers, "
            "then copy into a new database"
        )
    return here


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
