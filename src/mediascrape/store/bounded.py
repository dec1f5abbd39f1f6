"""A dictionary that forgets its oldest entries."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Keeps the last `size` keys put in; an entry in steady use comes back by being looked up anew."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: dict[K, V] = {}
        self.get = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def update(self, entries: Mapping[K, V]) -> None:
        """Put entries in, dropping the oldest beyond the size."""
        self._entries.update(entries)
        excess = len(self._entries) - self._size
        if excess > 0:
            for key in list(islice(self._entries, excess)):
                del self._entries[key]
