"""The producer's and the operator's side of the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis

from mediascrape.errors import JobDataError, JobNotFoundError, JobStateError
from mediascrape.queue.adding import Added, Adder, JobIds
from mediascrape.queue.events import QueueEvents
from mediascrape.queue.job import Job, JobOptions, NewJob
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link
from mediascrape.queue.lua import command
from mediascrape.queue.schedules import Schedules
from mediascrape.queue.scripts import QueueScripts
from mediascrape.queue.sharing import PatientLink, SharedLink
from mediascrape.queue.wire import encode_json, flat_fields, now_ms, to_int

State = Literal["waiting", "active", "prioritized", "delayed", "completed", "failed", "waiting-children"]
STATES: tuple[State, ...] = (
    "waiting", "active", "prioritized", "delayed", "completed", "failed", "waiting-children",
)  # fmt: skip
#: Jobs are packed and sent this many at a time, so that a huge list is never in memory twice.
_CHUNK = 2048
#: Seconds that a call waits for a server that is away: long enough for one that starts again.
PATIENCE_S = 10.0
#: What Node's Queue writes down about itself: the length of the events stream, and who it is.
_META = {"opts.maxLenEvents": "10000", "version": "mediascrape"}
#: The scripts' code for a job that is not (or no longer) in the state asked for.
_NOT_IN_STATE = -3


@dataclass(frozen=True, slots=True)
class Metrics:
    """Finished jobs per minute, newest first; `count` is the total ever."""

    count: int
    points: list[int]


@dataclass(frozen=True, slots=True)
class Limits:
    """Over all workers: jobs running at once, and jobs started per `per_ms`; None for no limit.
    held_ms: how long no job will be started, because the limit is used up or a client said so."""

    concurrency: int | None = None
    jobs: int | None = None
    per_ms: int | None = None
    held_ms: int = 0


class Queue:
    """One BullMQ queue. Needs a client with `decode_responses=True`; uses one connection of it.

    defaults: options of jobs that are added without any.
    patience_s: how long a call waits for an unreachable server before QueueUnavailableError.
    max_memory_bytes: adds are refused while the server uses more; 0 for no limit.
    """

    def __init__(
        self,
        redis: Redis,
        name: str = "media-scrape",
        prefix: str = "bull",
        defaults: JobOptions | None = None,
        *,
        patience_s: float = PATIENCE_S,
        max_memory_bytes: int = 0,
    ) -> None:
        self.keys = QueueKeys(name, prefix)
        self.defaults = defaults or JobOptions()
        self._scripts = QueueScripts(self.keys)
        self._redis = redis
        self._link = PatientLink(SharedLink(Link(redis)), patience_s)
        self._adder = Adder(Link(redis), self.keys, patience_s=patience_s, max_memory_bytes=max_memory_bytes)
        self._ids = JobIds()
        self.schedules = Schedules(self._link.run, self.keys, self.defaults)

    @property
    def name(self) -> str:
        return self.keys.name

    async def open(self) -> None:
        """Write the queue's description, as Node's Queue does; one already there stays."""
        await self._link.run(
            [command("HSETNX", self.keys.meta, field, value) for field, value in _META.items()]
        )

    async def aclose(self) -> None:
        await self._adder.aclose()
        await self._link.aclose()

    # --- adding -----------------------------------------------------------------------------

    async def add(self, name: str, data: Any, options: JobOptions | None = None) -> Added:
        """Add one job; concurrent calls share round trips.

        Raises JobDataError when `data` is not JSON, QueueUnavailableError when the server cannot
        be reached in time (the job may or may not be in the queue then).
        """
        return await self._submit(NewJob(name, data, options), now_ms())

    def add_soon(self, job: NewJob) -> asyncio.Future[Added]:
        """As `add`, for a caller that has no task to wait in. JobDataError is raised at once."""
        return self._submit(job, now_ms())

    def new_id(self) -> str:
        """An id that no other job has, for one that must know it before it is added."""
        return self._ids.next(now_ms())

    async def add_many(self, jobs: Iterable[NewJob]) -> list[Added]:
        """Add jobs, many per round trip. The results stand in the order of the jobs.

        Raises as `add`, on the first job that fails; those before it stay added.
        """
        added: list[Added] = []
        waiting: list[asyncio.Future[Added]] = []
        now = now_ms()
        for job in jobs:
            waiting.append(self._submit(job, now))
            if len(waiting) >= _CHUNK:
                added.extend(await _all(waiting))
                waiting.clear()
                now = now_ms()
        added.extend(await _all(waiting))
        return added

    def _submit(self, job: NewJob, now: int) -> asyncio.Future[Added]:
        options = job.options or self.defaults
        try:
            data = encode_json(job.data)
        except (TypeError, ValueError, RecursionError) as error:
            raise JobDataError(f"a job's data must be JSON: {error}") from None
        job_id = job.job_id or options.job_id or self._ids.next(now)
        timestamp = now if options.timestamp is None else options.timestamp
        call = self._scripts.add_job(job_id, job, data, options, timestamp)
        deduplication_id = job.deduplication_id
        if deduplication_id is None and options.deduplication is not None:
            deduplication_id = options.deduplication.id
        return self._adder.submit(job_id, call, deduplication_id)

    # --- reading ----------------------------------------------------------------------------

    async def counts(self) -> dict[State, int]:
        """Jobs by state. Jobs of a paused queue count as waiting."""
        names = ("wait", "paused", "active", "prioritized", "delayed", "completed", "failed",
                 "waiting-children")  # fmt: skip
        wait, paused, *rest = (await self._link.run([self._scripts.get_counts(names)]))[0]
        return dict(zip(STATES, (wait + paused, *rest), strict=True))

    async def get_job(self, job_id: str) -> Job | None:
        """A job with its state, or None when it is not (or no longer) in the queue."""
        flat, state = await self._link.run([
            command("HGETALL", self.keys.job(job_id)), self._scripts.get_state(job_id),
        ])  # fmt: skip
        fields = flat_fields(flat)
        if not fields:
            return None
        job = Job.from_wire(job_id, fields)
        job.state = state
        return job

    async def job_state(self, job_id: str) -> State | None:
        """None when the job is not in the queue."""
        state = (await self._link.run([self._scripts.get_state(job_id)]))[0]
        return None if state == "unknown" else state

    async def existing(self, job_ids: Sequence[str]) -> set[str]:
        """Those of the jobs that are in the queue, in whatever state."""
        found: set[str] = set()
        for start in range(0, len(job_ids), _CHUNK):
            chunk = job_ids[start : start + _CHUNK]
            replies = await self._link.run([command("EXISTS", self.keys.job(job_id)) for job_id in chunk])
            found.update(job_id for job_id, exists in zip(chunk, replies, strict=True) if exists)
        return found

    async def list_jobs(
        self,
        states: Sequence[State] = STATES,
        *,
        start: int = 0,
        limit: int = 50,
        oldest_first: bool = False,
    ) -> list[Job]:
        """One page of the jobs in `states`, which follow one another in the order given.

        Within a state the order is that in which jobs came into it (for `waiting` the order of
        adding, for `delayed` of their due time). Pages move when jobs change state in between.
        """
        # Of one state the page is asked for at once: what is beyond its end is empty.
        counts = await self.counts() if len(states) > 1 else dict.fromkeys(states, start + limit)
        asks: list[tuple[State, bytes]] = []
        skip, left = start, limit
        for state in states:
            size = counts[state]
            if skip >= size:
                skip -= size
                continue
            if left <= 0:
                break
            take = min(left, size - skip)
            wire = "wait" if state == "waiting" else state
            asks.append((
                state, self._scripts.get_jobs(wire, skip, skip + take - 1, oldest_first=oldest_first),
            ))  # fmt: skip
            skip, left = 0, left - take
        replies = await self._link.run([ask for _, ask in asks])
        jobs: list[Job] = []
        for (state, _), reply in zip(asks, replies, strict=True):
            for job_id, flat in reply[0]:
                job = Job.from_wire(job_id, flat_fields(flat))
                job.state = state
                jobs.append(job)
        return jobs

    async def get_logs(self, job_id: str, start: int = 0, end: int = -1) -> list[str]:
        """Rows a job logged, oldest first."""
        rows: list[str] = (await self._link.run([command("LRANGE", self.keys.logs(job_id), start, end)]))[0]
        return rows

    async def metrics(self, outcome: Literal["completed", "failed"], points: int = 60) -> Metrics:
        """What workers with metrics switched on have counted."""
        meta, data, _ = (await self._link.run([self._scripts.get_metrics(outcome, 0, points - 1)]))[0]
        return Metrics(int(meta[0] or 0), [int(float(point)) for point in data])

    def events(self, *, after: str | None = None) -> QueueEvents:
        """A reader of what happens in the queue; see QueueEvents. Close it before the client."""
        return QueueEvents(self._redis, self.name, self.keys.prefix, after=after)

    async def workers(self) -> list[dict[str, str]]:
        """The connections of all workers of this queue, Node's included, as CLIENT LIST tells."""
        listing = (await self._link.run([command("CLIENT", "LIST")]))[0]
        rows = listing if isinstance(listing, list) else _client_list(str(listing))
        name = self.keys.client_name
        return [
            row for row in rows if row.get("name") == name or row.get("name", "").startswith(f"{name}:w:")
        ]

    # --- one job ----------------------------------------------------------------------------

    async def retry_job(self, job_id: str, *, state: Literal["failed", "completed"] = "failed") -> None:
        """Put a finished job back to wait with all its attempts.

        Raises JobNotFoundError, or JobStateError when it is not in `state`.
        """
        job = await self.get_job(job_id)
        if job is None:
            raise JobNotFoundError(f"job {job_id} is not in the queue")
        packed = self._scripts.reprocess_job(
            job_id, failed=state == "failed", lifo=job.opts.lifo, reset_attempts=True
        )
        await self._change(packed, job_id, f"is {job.state}, not {state}")

    async def retry_all(self, state: Literal["failed", "completed"] = "failed", batch: int = 1000) -> None:
        """Put all finished jobs of a state back to wait."""
        before = now_ms()
        while (await self._link.run([self._scripts.move_jobs_to_wait(state, batch, before)]))[0] == 1:
            pass

    async def remove_job(self, job_id: str) -> None:
        """Raises JobNotFoundError, or JobStateError while the job runs or belongs to a scheduler."""
        if not (await self._link.run([command("EXISTS", self.keys.job(job_id))]))[0]:
            raise JobNotFoundError(f"job {job_id} is not in the queue")
        reply = (await self._link.run([self._scripts.remove_job(job_id)]))[0]
        if reply == 0:
            raise JobStateError(f"job {job_id} is running; cancel it first")
        if reply < 0:
            raise JobStateError(f"job {job_id} belongs to a schedule; remove the schedule")

    async def promote(self, job_id: str) -> None:
        """Make a delayed job wait no longer. Raises JobStateError when it is not delayed."""
        await self._change(self._scripts.promote(job_id), job_id, "is not delayed")

    async def change_delay(self, job_id: str, delay_ms: int) -> None:
        """Set a delayed job's delay, counted from now."""
        await self._change(self._scripts.change_delay(job_id, delay_ms, now_ms()), job_id, "is not delayed")

    async def change_priority(self, job_id: str, priority: int, *, lifo: bool = False) -> None:
        """Set the priority (1 is the most urgent, 0 none, which goes before all)."""
        priority = JobOptions(priority=priority).priority
        await self._change(
            self._scripts.change_priority(job_id, priority, lifo=lifo), job_id, "cannot change"
        )

    async def update_progress(self, job_id: str, progress: Any) -> None:
        await self._change(self._scripts.update_progress(job_id, encode_json(progress)), job_id, "is gone")

    async def add_log(self, job_id: str, row: str, keep: int | None = None) -> None:
        """Append a row to a job's log, keeping the last `keep`."""
        await self._change(self._scripts.add_log(job_id, row, keep), job_id, "is gone")

    async def cancel_job(self, job_id: str) -> bool:
        """Ask whichever worker of ours runs the job to cancel it; the attempt fails for good.
        False when no worker was listening (Node's workers cannot be asked)."""
        return bool((await self._link.run([command("PUBLISH", self.keys.cancel, job_id)]))[0])

    # --- the queue ------------------------------------------------------------------------------

    async def pause(self) -> None:
        """No worker claims jobs until `resume`; running ones go on."""
        await self._link.run([self._scripts.pause()])

    async def resume(self) -> None:
        emit = True
        while (await self._link.run([self._scripts.resume(emit=emit)]))[0]:
            emit = False

    async def is_paused(self) -> bool:
        return bool((await self._link.run([command("HEXISTS", self.keys.meta, "paused")]))[0])

    async def drain(self, *, delayed: bool = False) -> None:
        """Remove all jobs that wait; with `delayed` those not yet due too."""
        await self._link.run([self._scripts.drain(delayed=delayed)])

    async def clean(self, state: State, *, grace_ms: int = 0, limit: int = 0) -> list[str]:
        """Remove jobs that came into a state longer than `grace_ms` ago; the ids removed."""
        wire = "wait" if state == "waiting" else state
        before = now_ms() - grace_ms
        removed: list[str] = (await self._link.run([self._scripts.clean(wire, before, limit)]))[0]
        return removed

    async def obliterate(self, *, force: bool = False, batch: int = 1000) -> None:
        """Remove the queue with all its jobs. Raises JobStateError while jobs are active, unless
        `force`."""
        await self.pause()
        while reply := (await self._link.run([self._scripts.obliterate(batch, force=force)]))[0]:
            if reply < 0:
                raise JobStateError("the queue has active jobs" if reply == -2 else "the queue is not paused")

    async def set_global_concurrency(self, limit: int | None) -> None:
        """Jobs running at once over all workers; None for no limit."""
        await self._set_meta({"concurrency": limit})

    async def set_rate_limit(self, jobs: int | None, duration_ms: int = 1000) -> None:
        """Jobs started per `duration_ms` over all workers; None for no limit."""
        await self._set_meta({"max": jobs, "duration": None if jobs is None else duration_ms})

    async def limits(self) -> Limits:
        """What `set_global_concurrency` and `set_rate_limit` of any client have set."""
        fields, held_ms = await self._link.run([
            command("HMGET", self.keys.meta, "concurrency", "max", "duration"),
            self._scripts.get_rate_limit_ttl(),
        ])  # fmt: skip
        concurrency, jobs, per_ms = (None if field is None else to_int(field) for field in fields)
        if jobs is None:  # then nothing else of the limit counts
            return Limits(concurrency)
        return Limits(concurrency, jobs, per_ms, max(held_ms, 0))

    async def _set_meta(self, fields: dict[str, int | None]) -> None:
        await self._link.run([
            command("HDEL", self.keys.meta, field) if value is None
            else command("HSET", self.keys.meta, field, value)
            for field, value in fields.items()
        ])  # fmt: skip

    async def _change(self, packed: bytes, job_id: str, wrong_state: str) -> None:
        reply = (await self._link.run([packed], done=_NOT_IN_STATE))[0]
        if reply == -1:
            raise JobNotFoundError(f"job {job_id} is not in the queue")
        if isinstance(reply, int) and reply < 0:
            raise JobStateError(f"job {job_id} {wrong_state}")


async def _all(futures: Sequence[asyncio.Future[Added]]) -> list[Added]:
    """All results, or the first error after every future has ended."""
    added: list[Added] = []
    failure: Exception | None = None
    try:
        for future in futures:
            try:
                added.append(await future)
            except Exception as error:  # noqa: BLE001  the first is raised below
                failure = failure or error
    except asyncio.CancelledError:
        for future in futures:
            future.cancel()
        raise
    if failure is not None:
        raise failure
    return added


def _client_list(text: str) -> list[dict[str, str]]:
    return [dict(pair.partition("=")[::2] for pair in line.split(" ")) for line in text.splitlines() if line]
