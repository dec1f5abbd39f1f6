"""Text and values of queries built with SQLAlchemy Core, for the drivers to run.

Imported when first something is read: SQLAlchemy costs 0.2 s and 20 MB, which a worker that only saves
need not pay.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Executable
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

_SQLITE = sqlite.dialect(paramstyle="qmark")
_POSTGRESQL = asyncpg.dialect()  # type: ignore[no-untyped-call]


def sqlite_text(query: Executable) -> tuple[str, tuple[Any, ...]]:
    """A statement with `?` for its values."""
    return _compile(query, _SQLITE)


def postgresql_text(query: Executable) -> tuple[str, tuple[Any, ...]]:
    """A statement with `$1`, `$2`, … for its values."""
    return _compile(query, _POSTGRESQL)


@lru_cache(maxsize=16)
def _compile(query: Executable, dialect: Dialect) -> tuple[str, tuple[Any, ...]]:
    compiled = cast("ClauseElement", query).compile(
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    assert isinstance(compiled, SQLCompiler)
    values = compiled.params
    return str(compiled), tuple(values[name] for name in compiled.positiontup or ())
