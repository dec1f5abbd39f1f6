"""All that one database holds, into another: from SQLite to PostgreSQL when one machine is outgrown, or
back. Rows keep their ids, so cursors and links to items stay good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mediascrape.errors import ConfigurationError, StoreRejectedError

from .backend import TABLES, Backend, Row
from .options import StoreOptions
from .schema import metadata
from .store import open_backend, sqlite_path

_CHUNK = 5_000

Key = tuple[Any, ...]
"""Values of a row's primary key."""

Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are copied so far, and how many there are."""


@dataclass(frozen=True, slots=True)
class Copied:
    """rows: of each table, in the target now. before: those of them that an earlier copy had brought."""

    rows: dict[str, int]
    before: int


async def copy_store(
    source: str | Path, target: str | Path, *, on_progress: Progress = lambda _table, _rows, _total: None
) -> Copied:
    """Copy everything and count it again in the target.

    A copy that was cut off goes on after the rows it brought: each table is filled in the order of its
    keys, some rows in one transaction. Nothing may be saved in either until it is done.

    Raises ConfigurationError when both are the same database, or the target holds anything but a part of
    this copy, StoreRejectedError
    when the two do not hold as many rows in the end, StoreUnavailableError when one is out of reach.
    """
    options = StoreOptions()
    if (path := sqlite_path(source)) is not None and not path.exists():
        raise ConfigurationError(f"there is no store to copy at {path}")
    if _same(source, target):
        raise ConfigurationError("FROM and TO are the same database; copy into a new one")
    origin = await open_backend(source, options)
    try:
        destination = await open_backend(target, options)
        try:
            return await _copy(origin, destination, on_progress)
        finally:
            await destination.close()
    finally:
        await origin.close()


def _same(source: str | Path, target: str | Path) -> bool:
    one, other = sqlite_path(source), sqlite_path(target)
    if one is not None and other is not None:
        return other.exists() and one.samefile(other)
    return str(source) == str(target)


async def _copy(source: Backend, target: Backend, on_progress: Progress) -> Copied:
    last = {name: await _last_copied(source, target, metadata.tables[name]) for name in TABLES}
    before = 0
    for name in TABLES:
        before += await _copy_table(source, target, name, last[name], on_progress)
    await target.loaded()
    return Copied({name: await _verified(source, target, name) for name in TABLES}, before)


async def _last_copied(source: Backend, target: Backend, table: sa.Table) -> Key | None:
    """The key of the target's last row; None when it has none. Raises ConfigurationError when the source
    has another row there, or none."""
    key = [*table.primary_key]
    newest = sa.select(table).order_by(*(column.desc() for column in key)).limit(1)
    rows = await target.fetch(newest)
    if not rows:
        return None
    last = _key(table, rows[0])
    same = (column == value for column, value in zip(key, last, strict=True))
    if await source.fetch(sa.select(table).where(*same)) != rows:
        raise ConfigurationError(
            f"the database to copy into is not empty, and its {table.name} are not a part of this copy; "
            "copy into a new one"
        )
    return last


async def _copy_table(
    source: Backend, target: Backend, name: str, last: Key | None, on_progress: Progress
) -> int:
    """How many of its rows were there before."""
    table = metadata.tables[name]
    names = [column.name for column in table.columns]
    total = await source.count(name)
    before = copied = 0 if last is None else await target.count(name)
    on_progress(name, copied, total)
    ordered_alike = (
        table.primary_key.columns[0].type.python_type is int
    )  # words each database sorts its own way
    async for rows in _chunks(source, table, last if ordered_alike else None):
        if last is not None and not ordered_alike:
            rows = await _missing(target, table, rows)
        await target.load(name, names, rows)
        copied += len(rows)
        on_progress(name, copied, total)
    return before


async def _missing(target: Backend, table: sa.Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Those of the rows that are not in the target. The first column of the key tells where to look."""
    first = table.primary_key.columns[0]
    values = {_key(table, row)[0] for row in rows}
    there = set(await target.fetch(sa.select(table).where(first.in_(sorted(values)))))
    return [row for row in rows if row not in there]


async def _verified(source: Backend, target: Backend, name: str) -> int:
    there, here = await source.count(name), await target.count(name)
    if there != here:
        raise StoreRejectedError(
            f"{name}: {there} rows to copy, {here} copied. Something was saved meanwhile: stop all workers, "
            "then copy into a new database"
        )
    return here


async def _chunks(source: Backend, table: sa.Table, after: Key | None) -> AsyncIterator[Sequence[Row]]:
    """The rows after a key, in the order of the primary key, some at a time."""
    key = [*table.primary_key]
    while True:
        query = sa.select(table).order_by(*key).limit(_CHUNK)
        if after is not None:
            query = query.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, after)))
        rows = await source.fetch(query)
        if rows:
            yield rows
        if len(rows) < _CHUNK:
            return
        after = _key(table, rows[-1])


def _key(table: sa.Table, row: Row) -> Key:
    columns = table.columns.values()
    return tuple(row[columns.index(column)] for column in table.primary_key)
