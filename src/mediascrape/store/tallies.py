"""Running counts, kept in the commit that changes them.

Counting a hundred million rows takes minutes; the table `tallies` holds the sums instead, per scope
(everything of a kind, or one batch) and name (a media kind, an outcome).
"""

from __future__ import annotations

from .records import Saved

PAGES, MEDIA, SCRAPES = "pages", "media", "scrapes"
"""Scopes that count all there is; a batch has a scope of its own."""


def batch_scope(batch_id: str) -> str:
    """Scope under which a batch's scrapes are counted."""
    return f"batch:{batch_id}"


class Tallies:
    """What one commit adds to the counts."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[int]] = {}

    def add(self, scope: str, name: str, count: int, found: int = 0, new: int = 0) -> None:
        """Add to one sum."""
        sums = self._sums.setdefault((scope, name), [0, 0, 0])
        sums[0] += count
        sums[1] += found
        sums[2] += new

    def add_scrape(self, batch_id: str | None, outcome: str, saved: Saved, sign: int = 1) -> None:
        """Count a scrape in all sums it belongs to; `sign` -1 takes it out again."""
        self.add(SCRAPES, outcome, sign, sign * saved.found, sign * saved.new)
        if batch_id is not None:
            self.add(batch_scope(batch_id), outcome, sign, sign * saved.found, sign * saved.new)

    def rows(self) -> list[tuple[str, str, int, int, int]]:
        """(scope, name, count, found, new) of the sums that change, in one order everywhere."""
        return sorted(
            (scope, name, sums[0], sums[1], sums[2])
            for (scope, name), sums in self._sums.items()
            if any(sums)
        )
