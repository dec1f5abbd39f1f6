"""What the store asks of a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .prepare import Prepared
from .records import MediaQuery, Saved, Validators
from .search import Term

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from .queries import Select

Row = tuple[Any, ...]

#: All tables with rows of ours, in the order in which they may be filled.
TABLES = ("hosts", "pages", "media", "page_media", "scrapes", "tallies")


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """What the database is.

    bytes: what it takes on the disk, indexes and logs included. connections: how many of the server's
    are taken, and how many it allows; None where there is no server.
    """

    product: str
    version: str
    bytes: int
    connections: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.product} {self.version}"


class Backend(Protocol):
    """One kind of database, opened. Every method raises StoreUnavailableError when it is out of reach."""

    async def has_word(self, word: str) -> bool:
        """Whether any media item has a word."""
        ...

    async def search(self, query: MediaQuery, terms: Sequence[Term]) -> Select:
        """How to list the media that have all the terms, newest first, from the query's cursor on."""
        ...

    async def write(self, batch: Sequence[Prepared]) -> list[Saved]:
        """Commit all records of the batch, or none and raise."""
        ...

    async def fetch(self, query: Executable) -> list[Row]:
        """All rows of a query built from `schema`'s tables."""
        ...

    async def validators(self, urls: Sequence[str]) -> dict[str, Validators]:
        """Validators of those of the pages that are known."""
        ...

    async def index_search(self, limit: int) -> int:
        """Make up to `limit` more media findable by their words; how many."""
        ...

    async def prune(self, finished_before: int, limit: int) -> int:
        """Delete up to `limit` of the oldest scrapes, if they ended before that millisecond."""
        ...

    async def optimize(self) -> None:
        """Bring the planner's statistics and the search index up to date; others go on meanwhile."""
        ...

    async def vacuum(self) -> None:
        """Make the room of deleted rows usable again."""
        ...

    async def info(self) -> DatabaseInfo:
        """What it is and how large."""
        ...

    async def count(self, table: str) -> int:
        """Rows of a table, counted one by one: minutes where there are a hundred million."""
        ...

    async def load(self, table: str, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows as they are, all or none, into a database that is being filled from another.

        Raises StoreRejectedError when some are there already.
        """
        ...

    async def loaded(self) -> None:
        """All rows are there: numbers go on after theirs."""
        ...

    async def close(self) -> None:
        """Let go of the database."""
        ...
