"""After a lost connection: which commands took effect, which jobs are still ours.

Two facts make that answerable. A lock holds the token of the slot that claimed the job, and every
claim counts up the job's `ats` (attempts started).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link
from mediascrape.queue.lua import command
from mediascrape.queue.scripts import QueueScripts
from mediascrape.queue.slots import Slot
from mediascrape.queue.wire import flat_fields

_CHUNK = 500


@dataclass(slots=True)
class Findings:
    """resend: finishes that did not take effect. settled: those that did, or whose job is no
    longer ours. adopted: jobs claimed for a slot by a command whose reply was lost."""

    resend: list[Slot] = field(default_factory=list)
    settled: list[Slot] = field(default_factory=list)
    adopted: dict[str, tuple[str, list[str]]] = field(default_factory=dict)


class Recovery:
    """Asks the server; changes nothing but locks that have expired and are still ours to take."""

    def __init__(self, link: Link, keys: QueueKeys, scripts: QueueScripts, lock_duration_ms: int) -> None:
        self._link = link
        self._keys = keys
        self._scripts = scripts
        self._lock_duration_ms = lock_duration_ms

    async def look_into(
        self, finishing: Sequence[Slot], tokens: Collection[str], running: Mapping[str, Slot]
    ) -> Findings:
        """finishing: slots whose finish is in doubt. tokens: of all slots for which a claim is in
        doubt. running: jobs known to run here, by id. Raises LinkLostError."""
        findings = Findings()
        for chunk in _chunks(finishing):
            await self._sort_finishes(chunk, findings)
        resend = {slot.token for slot in findings.resend}
        findings.adopted = await self._find_claims(set(tokens) - resend, running)
        return findings

    async def _sort_finishes(self, slots: Sequence[Slot], findings: Findings) -> None:
        k = self._keys
        asks = []
        for slot in slots:
            assert slot.job is not None
            job_id = slot.job.id
            asks += [
                command("GET", k.lock(job_id)),
                command("HGET", k.job(job_id), "ats"),
                command("LPOS", k.active, job_id),
            ]
        replies = await self._link.execute(asks)
        for slot, (lock, started, position) in zip(slots, _chunks(replies, 3), strict=True):
            assert slot.job is not None
            same_run = started is not None and int(started) == slot.job.attempts_started
            if (same_run and lock == slot.token) or (
                same_run and lock is None and isinstance(position, int) and await self._retake(slot)
            ):
                findings.resend.append(slot)
            else:
                findings.settled.append(slot)

    async def _retake(self, slot: Slot) -> bool:
        """Lock a job of ours again whose lock expired, unless someone else was quicker."""
        assert slot.job is not None
        return await self._link.call(self._lock_if_free(slot.job.id, slot.token)) is not None

    def _lock_if_free(self, job_id: str, token: str) -> bytes:
        return command("SET", self._keys.lock(job_id), token, "NX", "PX", self._lock_duration_ms)

    async def _find_claims(
        self, tokens: Collection[str], running: Mapping[str, Slot]
    ) -> dict[str, tuple[str, list[str]]]:
        if not tokens:
            return {}
        active: list[str] = await self._link.call(command("LRANGE", self._keys.active, 0, -1))
        unknown = [job_id for job_id in active if job_id not in running]
        found: dict[str, tuple[str, list[str]]] = {}
        for chunk in _chunks(unknown):
            locks = await self._link.call(command("MGET", *[self._keys.lock(job_id) for job_id in chunk]))
            for job_id, token in zip(chunk, locks, strict=True):
                if token in tokens:
                    flat = await self._link.call(command("HGETALL", self._keys.job(job_id)))
                    found[token] = (job_id, flat_fields(flat))
        return found

    async def renew(self, slots: Iterable[Slot]) -> list[Slot]:
        """Extend the locks of running jobs; the slots whose job is no longer ours.

        A lock that has merely expired (the server was away, or this process was) is taken again if
        the job still stands in `active` and nobody else has locked it.
        """
        lost: list[Slot] = []
        for chunk in _chunks([slot for slot in slots if slot.job is not None]):
            by_id = {slot.job.id: slot for slot in chunk if slot.job is not None}
            failed = await self._link.call(
                self._scripts.extend_locks(
                    list(by_id), [slot.token for slot in by_id.values()], self._lock_duration_ms
                )
            )
            if failed:
                lost += await self._take_again([(job_id, by_id[job_id]) for job_id in failed])
        return lost

    async def _take_again(self, expired: Sequence[tuple[str, Slot]]) -> list[Slot]:
        asks = []
        for job_id, slot in expired:
            asks += [
                self._lock_if_free(job_id, slot.token),
                command("LPOS", self._keys.active, job_id),
            ]
        lost, undo = [], []
        for (job_id, slot), (locked, position) in zip(
            expired, _chunks(await self._link.execute(asks), 2), strict=True
        ):
            if locked is None or isinstance(locked, RedisError):
                lost.append(slot)
            elif not isinstance(position, int):
                lost.append(slot)
                undo.append(self._scripts.release_lock(job_id, slot.token))
        await self._link.execute(undo)
        return lost


def _chunks(items: Sequence[Any], size: int = _CHUNK) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
