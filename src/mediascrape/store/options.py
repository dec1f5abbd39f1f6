"""How the store behaves; the defaults suit a machine with 1 GB of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Times in seconds.

    linger: how long a busy store gathers records for one commit; an idle one commits at once.
    max_batch: records of one commit at most.
    synchronous: SQLite only; `full` also survives power loss, at one fsync per commit.
    search_interval: how often media saved meanwhile are made findable by words.
    busy_timeout: SQLite only; how long to wait for another process's write.
    cache_kib: SQLite only; page cache of each connection.
    readers: SQLite only; threads that read.
    connections: PostgreSQL only; most connections of this process.
    known_media: URLs of stored media remembered in memory, with their alt and title (some 400 bytes each).
    """

    linger: float = 0.05
    max_batch: int = 200
    synchronous: Literal["normal", "full"] = "normal"
    search_interval: float = 1.0
    busy_timeout: float = 5.0
    cache_kib: int = 8192
    readers: int = 2
    known_media: int = 20_000
    connections: int = 4
