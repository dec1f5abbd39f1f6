"""What one call submitted together: how many jobs it has, and how far they are.

What ended is counted by the store (`batch_progress`); how many jobs a batch has is kept here, in
Valkey beside the jobs, and expires with them. A call with one URL, by far the most frequent, keeps
nothing: its batch id says that there is one job.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from redis.asyncio import Redis

from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.queue import Queue
from mediascrape.store import Store
from mediascrape.submission import Submission

#: How long a batch is known after it was submitted, like a failed job.
KEEP_S = 7 * 86_400
#: Beginnings of the ids of batches of one URL: queued, a duplicate, rejected; and what the ids tell.
_SINGLE, _DUPLICATE, _REJECTED = "one-", "dup-", "rej-"
_FACTS = {_SINGLE: "1 0 0", _DUPLICATE: "0 1 0", _REJECTED: "0 0 1"}
#: Ids need to differ, not to be secret; a call of the system for each would be a thirtieth of a request.
_random = random.Random()  # noqa: S311
#: Active jobs that are looked at to tell a batch's active from its queued.
_LOOK_AT = 1000
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch's jobs by what became of them; `total` is their sum.

    `missing` jobs were removed from the queue by somebody. `found` and `new` count media items.
    """

    batch_id: str
    created_at: float
    total: int
    queued: int
    active: int
    done: int
    failed: int
    missing: int
    found: int
    new: int
    duplicates: int = 0
    rejected: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.queued == 0 and self.active == 0


def new_batch_id(urls: int, now: float) -> str:
    """A batch's id: time-sortable, and telling when the batch is of one URL."""
    stamp = f"{int(now * 1000):012x}{_random.getrandbits(48):012x}"
    return f"{_SINGLE}{stamp}" if urls == 1 else stamp


def duplicate_batch_id(batch_id: str) -> str:
    """The id by which a batch of one URL is known when another batch's job answers for the URL."""
    return _DUPLICATE + batch_id[4:]


def created_at(batch_id: str) -> float | None:
    """When one of our ids was made; None for a foreign one."""
    stamp = batch_id[4:] if batch_id[:4] in _FACTS else batch_id
    if len(stamp) != 24 or not set(stamp) <= set("0123456789abcdef"):
        return None
    return int(stamp[:12], 16) / 1000


class Batches:
    """Remembers batches and tells how far they are."""

    def __init__(
        self, redis: Redis, queue: Queue, store: Store, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._queue = queue
        self._store = store
        self._clock = clock
        self._prefix = f"{queue.keys.base}ms:batch:"
        self._active: Counter[str] = Counter()
        self._pending = 0
        self._looked = 0.0
        self._looking = asyncio.Lock()

    async def remember(self, submission: Submission) -> Submission:
        """Keep how many jobs the batch has. Gives the submission with the id it is known by: that of a
        single URL tells what became of it, and nothing is kept."""
        if submission.batch_id.startswith(_SINGLE):
            if submission.rejected:
                return replace(submission, batch_id=_REJECTED + submission.batch_id[4:])
            if submission.duplicates:
                return replace(submission, batch_id=duplicate_batch_id(submission.batch_id))
            return submission
        key = self._prefix + submission.batch_id
        facts = (submission.queued, submission.duplicates, len(submission.rejected))
        await self._redis.set(key, " ".join(map(str, facts)), ex=KEEP_S)
        return submission

    async def get(self, batch_id: str) -> BatchState | None:
        """A batch's state; None when it is not known, or no longer."""
        created = created_at(batch_id)
        kept = _FACTS.get(batch_id[:4]) if created and 0 <= self._clock() - created < KEEP_S else None
        if kept is None:
            kept = cast("str | None", await self._redis.get(self._prefix + batch_id))
        total, duplicates, rejected = map(int, (kept or "0 0 0").split())
        ended = await self._store.batch_progress(batch_id)
        failed = sum(ended.failed.values())
        total = max(total, ended.done + failed)
        if kept is None and not total:
            return None
        rest = total - ended.done - failed
        active = min(rest, await self._active_of(batch_id)) if rest else 0
        missing = rest if rest and not self._pending else 0
        return BatchState(
            batch_id=batch_id,
            created_at=created or 0.0,
            total=total,
            queued=rest - active - missing,
            active=active,
            done=ended.done,
            failed=failed,
            missing=missing,
            found=ended.found,
            new=ended.new,
            duplicates=duplicates,
            rejected=rejected,
            failures=ended.failed,
        )

    async def _active_of(self, batch_id: str) -> int:
        """Running jobs of a batch; one look at the queue serves everybody for half a second."""
        async with self._looking:
            now = self._clock()
            if now - self._looked > _LOOK_EVERY_S:
                counts = await self._queue.counts()
                jobs = await self._queue.list_jobs(["active"], limit=_LOOK_AT) if counts["active"] else []
                self._active = Counter(
                    str(job.data.get("batch")) for job in jobs if isinstance(job.data, dict)
                )
                self._pending = sum(
                    counts[state] for state in ("waiting", "active", "prioritized", "delayed")
                )
                self._looked = now
        return self._active[batch_id]


def idempotency_key(keys: QueueKeys, digest: str) -> str:
    """Key of a remembered answer to an Idempotency-Key."""
    return f"{keys.base}ms:idempotency:{digest}"
