"""What one call submitted together: how many jobs it has, and how far they are.

What ended is counted by the store (`batch_progress`); how many jobs a batch has is kept here, in
Valkey beside the jobs, and expires with them. A call with one URL, by far the most frequent, keeps
nothing: its batch id says that there is one job, and which.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from redis.asyncio import Redis

from mediascrape.queue.adding import id_runs, ids_of, made_at
from mediascrape.queue.connection import queue_errors
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
#: Seconds between two looks for the jobs of a batch one by one, and for the only one of a batch; for how
#: many batches the last one is kept.
_MISSING_EVERY_S = 20.0
_LONE_EVERY_S = 1.0
_MISSING_KEPT = 1000

#: How far our clock may be behind that of the process that made a batch.
_SKEW_S = 60.0

CountMissing = Callable[[Sequence[str]], Awaitable[int]]


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


def new_batch_id(now: float) -> str:
    """A time-sortable id of a batch of several URLs."""
    return f"{int(now * 1000):012x}{_random.getrandbits(48):012x}"


def single_batch_id(job_id: str) -> str:
    """The id of a batch of one URL, which is to be this job's."""
    return _SINGLE + job_id


def duplicate_batch_id(batch_id: str) -> str:
    """The id by which a batch of one URL is known when another batch's job answers for the URL."""
    return _DUPLICATE + batch_id[4:]


def created_at(batch_id: str) -> float | None:
    """When one of our ids was made; None for a foreign one."""
    if batch_id[:4] in _FACTS:
        return made_at(batch_id[4:])
    if len(batch_id) != 24 or not set(batch_id) <= set("0123456789abcdef"):
        return None
    return int(batch_id[:12], 16) / 1000


class Batches:
    """Remembers batches and tells how far they are; both raise QueueUnavailableError.

    count_missing: `Mediascrape.count_missing`. where: the URL of the server behind `redis`.
    """

    def __init__(
        self,
        redis: Redis,
        queue: Queue,
        store: Store,
        count_missing: CountMissing,
        where: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._queue = queue
        self._store = store
        self._count_missing = count_missing
        self._where = where
        self._clock = clock
        self._prefix = f"{queue.keys.base}ms:batch:"
        self._active: Counter[str] = Counter()
        self._pending = 0
        self._looked = 0.0
        self._looking = asyncio.Lock()
        #: When jobs of a batch were last looked for, and how many were missing.
        self._missing: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def remember(self, submission: Submission) -> Submission:
        """Keep how many jobs the batch has, and which. Gives the submission with the id it is known by: that
        of a single URL tells what became of it, and nothing is kept."""
        if submission.batch_id.startswith(_SINGLE):
            if submission.rejected:
                return replace(submission, batch_id=_REJECTED + submission.batch_id[4:])
            if submission.duplicates:
                return replace(submission, batch_id=duplicate_batch_id(submission.batch_id))
            return submission
        facts = f"{submission.queued} {submission.duplicates} {len(submission.rejected)}"
        ids = id_runs(job.id for job in submission.jobs if not job.duplicate)
        with queue_errors(self._where):
            await self._redis.set(self._prefix + submission.batch_id, f"{facts}|{ids}", ex=KEEP_S)
        return submission

    async def get(self, batch_id: str) -> BatchState | None:
        """A batch's state; None when it is not known, or no longer."""
        created = created_at(batch_id) or 0.0
        kept = _FACTS.get(batch_id[:4]) if -_SKEW_S <= self._clock() - created < KEEP_S else None
        if kept is None:
            with queue_errors(self._where):
                kept = cast("str | None", await self._redis.get(self._prefix + batch_id))
        facts, _, ids = (kept or "0 0 0").partition("|")
        if batch_id.startswith(_SINGLE):
            ids = batch_id[4:]
        total, duplicates, rejected = map(int, facts.split())
        # The queue first: a job leaves it when its rows are committed, so none is missed between the two.
        active, pending = await self._look_for(batch_id)
        ended = await self._store.batch_progress(batch_id)
        failed = sum(ended.failed.values())
        total = max(total, ended.done + failed)
        if kept is None and not total:
            return None
        rest = total - ended.done - failed
        missing = min(rest, await self._gone(batch_id, ids, created)) if pending and rest else rest
        active = min(rest - missing, active)
        return BatchState(
            batch_id=batch_id,
            created_at=created,
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

    async def _look_for(self, batch_id: str) -> tuple[int, int]:
        """Running jobs of a batch, and jobs of anybody that have not ended. One look at the queue serves all
        callers for half a second, unless it was empty: jobs may have been added since."""
        async with self._looking:
            now = self._clock()
            if now - self._looked > _LOOK_EVERY_S or not self._pending:
                counts = await self._queue.counts()
                jobs = await self._queue.list_jobs(["active"], limit=_LOOK_AT) if counts["active"] else []
                self._active = Counter(
                    str(job.data.get("batch")) for job in jobs if isinstance(job.data, dict)
                )
                self._pending = sum(
                    counts[state] for state in ("waiting", "active", "prioritized", "delayed")
                )
                self._looked = now
        return self._active[batch_id], self._pending

    async def _gone(self, batch_id: str, ids: str, created: float) -> int:
        """Jobs that somebody removed, or a flushed server lost, while others are still in the queue. They
        are looked for one by one, so seldom, and only when the batch has lasted a while."""
        now = self._clock()
        checked, missing = self._missing.get(batch_id, (created, 0))
        every = _LONE_EVERY_S if batch_id.startswith(_SINGLE) else _MISSING_EVERY_S
        if ids and now - checked > every:
            missing = await self._count_missing(ids_of(ids))
            self._missing[batch_id] = (now, missing)
            self._missing.move_to_end(batch_id)
            if len(self._missing) > _MISSING_KEPT:
                self._missing.popitem(last=False)
        return missing


def idempotency_key(keys: QueueKeys, digest: str) -> str:
    """Key of a remembered answer to an Idempotency-Key."""
    return f"{keys.base}ms:idempotency:{digest}"
