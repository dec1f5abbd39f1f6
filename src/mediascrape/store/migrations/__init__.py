"""Versions of the tables: `sqlite/NNNN_name.sql` and `postgresql/NNNN_name.sql`, applied in order.

A script is never edited once released. Each backend applies what is missing in one transaction under
its write lock, so that any number of processes may start at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; `version` counts from 1."""

    version: int
    sql: str


def migrations(backend: str) -> list[Migration]:
    """All steps of a backend (`sqlite` or `postgresql`), oldest first."""
    scripts = sorted(
        (entry for entry in files(__name__).joinpath(backend).iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    return [Migration(int(entry.name[:4]), entry.read_text("utf-8")) for entry in scripts]
