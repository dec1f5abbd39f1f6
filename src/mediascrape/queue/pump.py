"""Round trips of a worker: claims and finishes, many at a time, each with exactly one effect.

A slot goes round: idle -> claiming -> running -> done -> finishing, and from there, when the
finish brought the next job along, straight to running again. Nothing here costs more when more
jobs are in flight: a round trip touches only the slots it is about.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from mediascrape.errors import JobStateError
from mediascrape.queue.attempts import Attempts
from mediascrape.queue.finishing import Finishes
from mediascrape.queue.job import Job
from mediascrape.queue.link import Link, LinkLostError
from mediascrape.queue.lua import Call, claimed_job
from mediascrape.queue.outcome import Completed, Failed, HandedBack, Lost, Postponed, Retry, judge_error
from mediascrape.queue.recovery import Recovery
from mediascrape.queue.scripts import ClaimOptions, QueueScripts
from mediascrape.queue.slots import Observer, Slot, WorkerCounters, WorkerOptions
from mediascrape.queue.wire import now_ms

log = logging.getLogger(__name__)

#: A finish the server refuses this often (out of memory, read-only) is given up; the lock then
#: expires and another worker takes the job.
_MAX_TRIES = 20
_REFUSED_PAUSE_S = 0.25
#: What a script answers when nobody holds the job's lock.
_NO_LOCK = -2
#: Codes with which a flow's parent is kept from completing.
_CHILDREN = {-4: "pending children", -9: "a failed child"}


def _kind(slot: Slot) -> str:
    return type(slot.verdict).__name__


class Pump:
    """Holds the slots and keeps as many busy as `concurrency` allows.

    Whoever watches for work is told by `empty` that claims found nothing, with `due_ms` and
    `limited_until` saying when to look again, and calls `look` then.
    """

    def __init__(
        self,
        link: Link,
        scripts: QueueScripts,
        recovery: Recovery,
        options: WorkerOptions,
        counters: WorkerCounters,
        *,
        worker_id: str,
        observer: Observer | None,
    ) -> None:
        self._link = link
        self._scripts = scripts
        self._recovery = recovery
        self._options = options
        self._counters = counters
        self._observer = observer
        self._worker_id = worker_id
        self._claim = ClaimOptions(
            options.lock_duration_ms, options.worker_name, options.limiter_max, options.limiter_duration_ms
        )
        self._finishes = Finishes(scripts, options, self._claim)
        self._concurrency = options.concurrency
        self._slot_count = 0
        self._idle: list[Slot] = []
        self._done: deque[Slot] = deque()
        self._unlocked: list[Slot] = []
        self._busy = 0
        self._refused = False
        #: How many claims the next round trip may hold: doubles while all hit, 0 after a miss.
        self._want = 1
        self._wake = asyncio.Event()

        self.running: dict[str, Slot] = {}
        self.attempts: Attempts | None = None
        #: Set while claims find nothing; `look` clears it.
        self.empty = asyncio.Event()
        #: When the next delayed job is due (ms since the epoch), 0 when none is known.
        self.due_ms = 0
        #: Until when (loop time) the queue's rate limit forbids claims.
        self.limited_until = 0.0
        self.stopping = False
        #: Set when stopping and every job has been reported.
        self.drained = asyncio.Event()

    @property
    def concurrency(self) -> int:
        return self._concurrency

    @concurrency.setter
    def concurrency(self, value: int) -> None:
        self._concurrency = max(value, 1)
        if not self.empty.is_set():
            self._want = max(self._want, 1)
            self._wake.set()

    def look(self) -> None:
        """There may be work: try a claim."""
        self.empty.clear()
        self._want = max(self._want, 1)
        self._wake.set()

    def ended(self, slot: Slot) -> None:
        """A slot's verdict stands: report it with the next round trip."""
        self._done.append(slot)
        self._wake.set()

    def stop(self) -> None:
        """Claim no more; `drained` is set once nothing is in flight."""
        self.stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until stopped and drained."""
        while True:
            claims = self._claims()
            if not claims and not self._done:
                if self.stopping and not self._busy:
                    self.drained.set()
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            finishing = [self._done.popleft() for _ in range(min(len(self._done), self._options.batch))]
            claiming = [self._take_slot() for _ in range(claims)]
            await self._round_trip(finishing, claiming)
            if self._unlocked:
                await self._take_back()
            if self._refused:
                self._refused = False
                await asyncio.sleep(_REFUSED_PAUSE_S)

    # --- composing ----------------------------------------------------------------------------

    def _claims(self) -> int:
        if self.stopping or not self._want or self._busy >= self._concurrency:
            return 0
        if self._is_limited():
            self._want = 0
            self.empty.set()
            return 0
        return min(self._concurrency - self._busy, self._want, self._options.batch)

    def _is_limited(self) -> bool:
        return self.limited_until > 0 and self.limited_until > asyncio.get_running_loop().time()

    def _take_slot(self) -> Slot:
        self._busy += 1
        if self._idle:
            return self._idle.pop()
        self._slot_count += 1
        token = f"{self._worker_id}:{self._slot_count}"
        return Slot(token, self._scripts.claim_options(token, self._claim))

    def _free(self, slot: Slot) -> None:
        slot.clear()
        self._busy -= 1
        self._idle.append(slot)

    # --- one round trip -----------------------------------------------------------------------

    async def _round_trip(self, finishing: list[Slot], claiming: list[Slot]) -> None:
        lost = [slot for slot in finishing if isinstance(slot.verdict, Lost)]
        for slot in lost:
            self._settle(slot)
        now = now_ms()
        spare = self._concurrency - self._busy  # negative after the limit was lowered
        # Those whose script is the same go together in one call.
        finishing = sorted((slot for slot in finishing if slot.verdict is not None), key=_kind)
        calls: list[Call | bytes] = []
        for slot in finishing:
            fetch_next = not self.stopping and spare >= 0 and not self._is_limited()
            spare += not fetch_next
            calls.append(self._finishes.call(slot, now, fetch_next=fetch_next))
        calls += [self._scripts.move_to_active(now, slot.claim_options) for slot in claiming]
        try:
            replies = await self._link.run(calls)
        except LinkLostError as error:
            known = len(error.replies)
            self._apply(finishing, claiming, error.replies)
            await self._recover(finishing[known:], claiming[max(known - len(finishing), 0) :])
        else:
            self._apply(finishing, claiming, replies)
        self._counters.round_trips += 1

    def _apply(self, finishing: Sequence[Slot], claiming: Sequence[Slot], replies: Sequence[Any]) -> None:
        """Replies in the order of the commands; there may be fewer."""
        for slot, reply in zip(finishing, replies, strict=False):
            self._on_finish(slot, reply)
        hits = 0
        claims = list(zip(claiming, replies[len(finishing) :], strict=False))
        for slot, reply in claims:
            hits += self._on_claim(slot, reply)
        if claims:
            if hits == len(claims):
                self._want = min(max(self._want, 1) * 2, self._options.batch)
            else:
                self._nothing_there()

    def _nothing_there(self) -> None:
        self._want = 0
        self.empty.set()

    def _on_claim(self, slot: Slot, reply: Any) -> bool:
        claimed = claimed_job(reply)
        if claimed is not None:
            self._start(slot, *claimed)
            return True
        self._free(slot)
        if isinstance(reply, RedisError):
            log.warning("the queue refused a claim: %s", reply)
        elif isinstance(reply, list):
            self._note(reply)
        return False

    def _note(self, reply: Sequence[Any]) -> None:
        """`[0, 0, ms the limit lasts, ms when the next delayed job is due]`."""
        if len(reply) > 3:
            if reply[2] and reply[2] > 0:
                self.limited_until = asyncio.get_running_loop().time() + reply[2] / 1000
            self.due_ms = int(float(reply[3] or 0))

    def _on_finish(self, slot: Slot, reply: Any) -> None:
        if isinstance(reply, RedisError):
            self._on_refused(slot, reply)
            return
        code = reply if isinstance(reply, int) else 0
        fetching = slot.fetching
        if code in _CHILDREN and isinstance(slot.verdict, Completed):
            self._fail_parent(slot, code)
            return
        if code == _NO_LOCK:
            self._unlocked.append(slot)
            return
        if code < 0:
            self._lose(slot, f"code {code}")
            return
        self._report(slot)
        next_job = claimed_job(reply)
        if next_job is None:
            self._settle(slot)
            if isinstance(reply, list):
                self._note(reply)
            if fetching:
                self._nothing_there()
            elif not self.empty.is_set():
                self._want = max(self._want, 1)
        else:
            self._forget(slot)
            slot.clear()
            self._start(slot, *next_job)

    async def _take_back(self) -> None:
        """Locks expired before the ends of their jobs arrived: whose job nobody took is still ours."""
        unlocked, self._unlocked = self._unlocked, []
        try:
            findings = await self._recovery.look_into(unlocked, (), self.running)
        except (LinkLostError, RedisError) as error:
            for slot in unlocked:
                self._on_refused(slot, error)
            return
        self._done.extend(findings.resend)
        for slot in findings.settled:
            self._lose(slot, "its lock expired")

    def _lose(self, slot: Slot, why: str) -> None:
        self._counters.lost += 1
        log.warning("job %s was no longer ours when it ended: %s", slot.job and slot.job.id, why)
        self._settle(slot)
        if not self.empty.is_set():
            self._want = max(self._want, 1)

    def _fail_parent(self, slot: Slot, code: int) -> None:
        """A flow's parent cannot complete before its children; like Node, fail it then."""
        assert slot.job is not None
        error = JobStateError(f"the job cannot complete: it has {_CHILDREN[code]}")
        slot.verdict = judge_error(slot.job, error, random.random)
        self._done.append(slot)

    def _on_refused(self, slot: Slot, error: Exception) -> None:
        slot.tries += 1
        log.warning("the queue refused the end of job %s: %s", slot.job and slot.job.id, error)
        if slot.tries < _MAX_TRIES:
            self._refused = True
            self._done.append(slot)
        else:
            self._counters.lost += 1
            self._settle(slot)

    def _start(self, slot: Slot, job_id: str, flat: Sequence[str]) -> None:
        job = Job.from_wire(job_id, flat)
        slot.locked_at = asyncio.get_running_loop().time()
        self._counters.claimed += 1
        self.running[job_id] = slot
        assert self.attempts is not None
        self.attempts.start(slot, job)

    def _settle(self, slot: Slot) -> None:
        self._forget(slot)
        self._free(slot)

    def _forget(self, slot: Slot) -> None:
        if slot.job is not None and self.running.get(slot.job.id) is slot:
            del self.running[slot.job.id]

    def _report(self, slot: Slot) -> None:
        job, verdict, counters = slot.job, slot.verdict, self._counters
        assert job is not None
        seconds = asyncio.get_running_loop().time() - slot.started_at if slot.started_at else 0.0
        try:
            match verdict:
                case Completed():
                    counters.completed += 1
                    if self._observer is not None:
                        self._observer.on_completed(job, seconds)
                case Failed():
                    counters.failed += 1
                    if self._observer is not None:
                        self._observer.on_failed(job, verdict.error, seconds)
                case Retry():
                    counters.retried += 1
                    if self._observer is not None:
                        self._observer.on_retry(job, verdict.error, verdict.delay_ms)
                case Postponed():
                    counters.postponed += 1
                case HandedBack():
                    counters.handed_back += 1
        except Exception:
            log.exception("an observer failed")

    # --- after a lost connection --------------------------------------------------------------

    async def _recover(self, finishing: Sequence[Slot], claiming: Sequence[Slot]) -> None:
        """Find out what took effect, however long the server is away."""
        self._counters.reconnects += 1
        tokens = {slot.token: slot for slot in claiming}
        tokens |= {slot.token: slot for slot in finishing if slot.fetching}
        pause = 0.05
        while True:
            try:
                findings = await self._recovery.look_into(finishing, tokens.keys(), self.running)
                break
            except (LinkLostError, RedisError) as error:
                log.warning("the queue cannot be reached: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
        for slot in findings.resend:
            self._done.append(slot)
        for slot in findings.settled:
            self._report(slot)
            if slot.token in findings.adopted:
                self._forget(slot)
                slot.clear()
            else:
                self._settle(slot)
        for token, (job_id, flat) in findings.adopted.items():
            self._start(tokens[token], job_id, flat)
        for slot in claiming:
            if slot.token not in findings.adopted:
                self._free(slot)
        self.look()
