"""Schedules: BullMQ's job schedulers, which keep one job of each ahead of time in the queue.

A scheduler is a hash `repeat:{id}` and its entry in the sorted set `repeat`, whose score is the time
of the next run; the job of that run is called `repeat:{id}:{time}`. The worker that takes it adds
the one after, before it runs anything, so that a schedule never ends because a worker did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from redis.exceptions import RedisError

from mediascrape.errors import InvalidScheduleError, JobDataError, JobStateError
from mediascrape.queue.job import Job, JobOptions, NewJob
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link
from mediascrape.queue.lua import command
from mediascrape.queue.repeat import Iteration, Repeat, plan
from mediascrape.queue.scripts import QueueScripts
from mediascrape.queue.wire import decode_json, encode_json, json_or_text, now_ms, pack, to_int

_CHUNK = 500
_COLLISIONS = {
    -10: "a job of its next run is there already, running or ended; remove that job first",
    -11: "jobs of its next runs are there already, running or ended; remove those first",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A stored schedule. `next_ms` is when its next run is due, `runs` how many jobs it has made,
    the next one included."""

    id: str
    name: str
    repeat: Repeat
    next_ms: int
    runs: int
    data: Any
    options: JobOptions

    def ended(self, now: int) -> bool:
        """Whether its last run has begun. It stays until it is removed, as with BullMQ."""
        repeat = self.repeat
        over = (repeat.limit is not None and self.runs >= repeat.limit) or (
            repeat.end_ms is not None and now > repeat.end_ms
        )
        return over and self.next_ms < now

    @classmethod
    def from_wire(cls, schedule_id: str, flat: Sequence[str], score: str) -> Schedule:
        """Decode what getJobScheduler gives; tolerant, because the producer may be anyone."""
        wire = dict(zip(flat[::2], flat[1::2], strict=True))
        opts = json_or_text(wire.get("opts"), {})
        return cls(
            schedule_id,
            wire.get("name", ""),
            Repeat.from_wire(wire),
            to_int(score),
            to_int(wire.get("ic")),
            json_or_text(wire.get("data"), {}),
            JobOptions.from_wire(opts if isinstance(opts, dict) else {}),
        )


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule to be written; one with the same id is replaced. `job` is made on each run."""

    id: str
    repeat: Repeat
    job: NewJob


class _Run(Protocol):
    async def __call__(self, commands: Sequence[bytes], *, done: int | None = None) -> list[Any]: ...


class Schedules:
    """The schedules of one queue, as `Queue.schedules`.

    run: sends commands that may be sent again, and raises QueueUnavailableError.
    """

    def __init__(self, run: _Run, keys: QueueKeys, defaults: JobOptions) -> None:
        self._run = run
        self._keys = keys
        self._defaults = defaults
        self._scripts = ScheduleScripts(keys)

    async def upsert(self, schedules: Sequence[NewSchedule]) -> list[str]:
        """Add schedules, or replace those of the same id; the ids of the jobs of their next runs.

        Raises InvalidScheduleError for one that never runs, JobDataError when a job's data are not
        JSON, JobStateError when jobs of its next runs are in the way; those before it stay written.
        """
        job_ids: list[str] = []
        for start in range(0, len(schedules), _CHUNK):
            chunk = schedules[start : start + _CHUNK]
            now = now_ms()
            replies = await self._run([self._upsert(schedule, now) for schedule in chunk])
            for schedule, reply in zip(chunk, replies, strict=True):
                if isinstance(reply, int):
                    raise JobStateError(f"schedule {schedule.id}: {_COLLISIONS.get(reply, f'code {reply}')}")
                job_ids.append(str(reply[0]))
        return job_ids

    def _upsert(self, schedule: NewSchedule, now: int) -> bytes:
        options = schedule.job.options or self._defaults
        template = options.to_wire()
        try:
            data = encode_json(schedule.job.data)
        except (TypeError, ValueError, RecursionError) as error:
            raise JobDataError(f"a job's data must be JSON: {error}") from None
        if not schedule.id:
            raise InvalidScheduleError("a schedule needs an id")
        iteration = plan(schedule.id, schedule.repeat, template, now=now)
        if iteration is None:
            raise InvalidScheduleError(f"schedule {schedule.id} would never run")
        return self._scripts.add_job_scheduler(
            schedule.id,
            {"name": schedule.job.name, **schedule.repeat.to_wire()},
            data,
            template,
            iteration,
            now,
        )

    async def get(self, schedule_id: str) -> Schedule | None:
        return (await self.get_many([schedule_id]))[0]

    async def get_many(self, ids: Sequence[str]) -> list[Schedule | None]:
        """In the order of the ids."""
        found: list[Schedule | None] = []
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            replies = await self._run([self._scripts.get_job_scheduler(one) for one in chunk])
            found += [
                Schedule.from_wire(one, reply[0], reply[1]) if reply and reply[0] else None
                for one, reply in zip(chunk, replies, strict=True)
            ]
        return found

    async def page(self, start: int = 0, limit: int = 50) -> list[Schedule]:
        """Schedules in the order of their next run."""
        ids = (await self._run([command("ZRANGE", self._keys.repeat, start, start + limit - 1)]))[0]
        return [schedule for schedule in await self.get_many(ids) if schedule is not None]

    async def count(self) -> int:
        return int((await self._run([command("ZCARD", self._keys.repeat)]))[0])

    async def remove(self, schedule_id: str) -> bool:
        """Remove a schedule with the job of its next run, unless that runs already. False when there
        is none."""
        packed = self._scripts.remove_job_scheduler(schedule_id)
        return not (await self._run([packed], done=1))[0]


class ScheduleAdvancer:
    """Adds the next run of a schedule when a worker takes one of its jobs."""

    def __init__(self, link: Link, keys: QueueKeys) -> None:
        self._link = link
        self._keys = keys
        self._scripts = ScheduleScripts(keys)

    async def advance(self, job: Job) -> str | None:
        """The id of the next run's job; None when there is none or it was added before. Calling
        again has no second effect: only the schedule's current job may add the next.

        Raises InvalidScheduleError when the schedule cannot be planned, LinkLostError, RedisError.
        """
        schedule_id = job.repeat_job_key
        if schedule_id is None:
            return None
        replies = await self._link.execute([
            command("HGET", self._keys.job(job.id), "opts"),
            command("HEXISTS", f"{self._keys.repeat}:{schedule_id}", "ic"),
        ])  # fmt: skip
        for reply in replies:
            if isinstance(reply, RedisError):
                raise reply
        stored, is_scheduler = replies
        if stored is None or not is_scheduler:
            return None
        options = _options(stored)
        repeat = options.get("repeat")
        if not isinstance(repeat, dict):
            raise InvalidScheduleError(f"job {job.id} has no repeat options")
        now = now_ms()
        iteration = plan(
            schedule_id, Repeat.from_wire(repeat), options, now=now, done=to_int(repeat.get("count"))
        )
        if iteration is None:
            return None
        added = await self._link.call(self._scripts.update_job_scheduler(schedule_id, job.id, iteration, now))
        return None if added is None else str(added)


def _options(stored: str) -> dict[str, Any]:
    try:
        options = decode_json(stored)
    except (ValueError, RecursionError) as error:
        raise InvalidScheduleError(f"its options are not JSON: {error}") from None
    return options if isinstance(options, dict) else {}


class ScheduleScripts(QueueScripts):
    """Calls of the scripts for schedulers."""

    def add_job_scheduler(
        self, schedule_id: str, scheduler: dict[str, Any], data: str, template: dict[str, Any],
        iteration: Iteration, now: int,
    ) -> bytes:  # fmt: skip
        """`[id of the next run's job, its delay]`, or -10 or -11 when such jobs are in the way."""
        k = self.keys
        keys = (
            k.repeat, k.delayed, k.wait, k.paused, k.meta, k.prioritized, k.marker, k.id, k.events, k.pc,
            k.active,
        )  # fmt: skip
        return self._call(
            "addJobScheduler", keys, iteration.at_ms, pack(scheduler), schedule_id, data, pack(template),
            pack(iteration.options), now, k.base, "",
        )  # fmt: skip

    def update_job_scheduler(self, schedule_id: str, job_id: str, iteration: Iteration, now: int) -> bytes:
        """The id of the job added; None unless `job_id` is the schedule's current job."""
        k = self.keys
        keys = (
            k.repeat, k.delayed, k.wait, k.paused, k.meta, k.prioritized, k.marker, k.id, k.events, k.pc,
            k.job(job_id), k.active,
        )  # fmt: skip
        return self._call(
            "updateJobScheduler", keys, iteration.at_ms, schedule_id, "{}", pack(iteration.options), now,
            k.base, job_id,
        )  # fmt: skip

    def get_job_scheduler(self, schedule_id: str) -> bytes:
        """`[flat hash, time of the next run]`, or nothing."""
        return self._call("getJobScheduler", (self.keys.repeat,), schedule_id)

    def remove_job_scheduler(self, schedule_id: str) -> bytes:
        """0 removed, 1 there was none."""
        k = self.keys
        return self._call("removeJobScheduler", (k.repeat, k.delayed, k.events), schedule_id, k.base)
