"""Running processors: one task per job, a hard timeout on each, a verdict at the end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count

from redis.exceptions import RedisError

from mediascrape.errors import (
    AttemptTimeoutError,
    ChildFailedError,
    JobCancelledError,
    JobDataError,
    JobStalledError,
    ServiceUnavailableError,
)
from mediascrape.queue import outcome
from mediascrape.queue.clock import AttemptClock
from mediascrape.queue.job import Job
from mediascrape.queue.outcome import Failed, HandedBack, Lost, Verdict
from mediascrape.queue.slots import ClosingError, JobContext, LockLostError, Slot, WorkerCounters

Processor = Callable[[Job, JobContext], Awaitable[object]]
#: Awaited with a job that has failed for good before the queue is told, so that what keeps track
#: elsewhere (a database) never knows less than the queue. Runs at least once per failed job.
FailureRecorder = Callable[[Job, BaseException], Awaitable[None]]
#: Awaited with a job of a schedule before anything else; adds the schedule's next job.
Advance = Callable[[Job], Awaitable[object]]
#: Least time between two looks at the deadlines, so that thousands of attempts that began within
#: one such time share a timer.
_SWEEP_S = 0.02
#: Seconds between two tries to add a schedule's next job, and tries when the server refuses.
_ADVANCE_PAUSE_S = 0.2
_ADVANCE_TRIES = 20
#: Seconds a failure recorder may take.
RECORD_TIMEOUT_S = 10.0
#: Seconds before it is asked again after its service was away.
_RECORD_PAUSE_S = 0.5

log = logging.getLogger(__name__)


class Attempts:
    """Starts attempts and sees to it that each ends in exactly one verdict, whatever it does.

    on_end: called with the slot once its verdict stands.
    """

    def __init__(
        self,
        processor: Processor,
        make_context: Callable[[Slot, Job], JobContext],
        on_end: Callable[[Slot], None],
        counters: WorkerCounters,
        *,
        timeout_ms: int | None,
        cancel_grace_s: float,
        record_failure: FailureRecorder | None = None,
        advance: Advance | None = None,
    ) -> None:
        self._processor = processor
        self._advance = advance
        self._record_failure = record_failure
        self._recording: set[asyncio.Task[None]] = set()
        self._make_context = make_context
        self._on_end = on_end
        self._counters = counters
        self._timeout_s = None if timeout_ms is None else timeout_ms / 1000
        self._timeout_ms = timeout_ms
        self._cancel_grace_s = cancel_grace_s
        #: (when to look, generation, slot) of each attempt's start: in order, as all have one limit.
        self._deadlines: deque[_Deadline] = deque()
        #: A heap of those whose clock was found to have been stopped.
        self._extended: list[tuple[float, int, _Deadline]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        #: Set when the worker closes: jobs that still arrive are handed back unrun.
        self.closing = False

    def start(self, slot: Slot, job: Job) -> None:
        """Begin an attempt, or end the job unrun when it must not be run."""
        slot.job = job
        if self.closing:
            self._end(slot, job, HandedBack())
        elif job.repeat_job_key is not None and self._advance is not None:
            slot.task = asyncio.get_running_loop().create_task(self._after_advance(slot, job, self._advance))
        else:
            self._run(slot, job)

    async def _after_advance(self, slot: Slot, job: Job, advance: Advance) -> None:
        """The schedule goes on before its job can end: a job that ended first, in a worker that then
        dies, would be the schedule's last."""
        generation = slot.generation
        verdict: Verdict | None = None
        try:
            await _until_advanced(job, advance)
        except asyncio.CancelledError:
            verdict = Lost() if isinstance(slot.reason, LockLostError) else HandedBack()
        except Exception as error:  # noqa: BLE001  the page is scraped all the same
            log.error("schedule %s has no next run: %s", job.repeat_job_key, error)
        if slot.generation != generation:
            return
        slot.task = None
        if verdict is None:
            self._run(slot, job)
        else:
            self._end(slot, job, verdict)

    def _run(self, slot: Slot, job: Job) -> None:
        if (failure := _unfit(job)) is not None:
            self._end(slot, job, failure)
            return
        loop = asyncio.get_running_loop()
        slot.started_at = now = loop.time()
        slot.clock = AttemptClock()
        slot.task = loop.create_task(self._attempt(slot, job, slot.generation))
        if self._timeout_s is not None:
            self._deadlines.append((now + self._timeout_s, slot.generation, slot))
            if self._timer is None:
                self._arm(loop)

    def cancel(self, slot: Slot, reason: BaseException) -> None:
        """Cancel a running attempt; `reason` decides its verdict unless it completes after all. A
        processor that does not end within the grace is left behind."""
        if slot.task is None or slot.reason is not None:
            return
        slot.reason = reason
        slot.task.cancel()
        asyncio.get_running_loop().call_later(
            self._cancel_grace_s, self._leave_behind_if_running, slot, slot.generation
        )

    def leave_behind(self, slot: Slot) -> None:
        """End the attempt's job although its task goes on; the task's end will be ignored."""
        if slot.task is None or slot.job is None:
            return
        slot.task = None
        slot.generation += 1
        self._end(slot, slot.job, self._judge(slot, slot.job, asyncio.CancelledError()))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadlines.clear()
        self._extended.clear()

    async def _attempt(self, slot: Slot, job: Job, generation: int) -> None:
        try:
            value = await self._processor(job, self._make_context(slot, job))
            verdict = outcome.judge_result(job, value, random.random)
        except BaseException as error:  # noqa: BLE001  whatever a job does, it hurts only itself
            verdict = self._judge(slot, job, error) if slot.generation == generation else Lost()
        if slot.generation == generation:
            slot.task = None
            self._end(slot, job, verdict)

    def _end(self, slot: Slot, job: Job, verdict: Verdict) -> None:
        """The attempt is over: the verdict goes to the queue, a final failure to the recorder first."""
        if isinstance(verdict, Failed) and self._record_failure is not None:
            task = asyncio.get_running_loop().create_task(self._record(slot, job, verdict))
            self._recording.add(task)
            task.add_done_callback(self._recording.discard)
            return
        slot.verdict = verdict
        self._on_end(slot)

    async def _record(self, slot: Slot, job: Job, failed: Failed) -> None:
        """While the recorder's own service is away the job stays ours, its lock renewed; a worker that
        closes then hands it back."""
        verdict: Verdict = failed
        while not await self._recorded(job, failed.error):
            if self.closing:
                verdict = HandedBack()
                break
            await asyncio.sleep(_RECORD_PAUSE_S)
        slot.verdict = verdict
        self._on_end(slot)

    async def _recorded(self, job: Job, error: BaseException) -> bool:
        """One try; False when another can help."""
        assert self._record_failure is not None
        try:
            async with asyncio.timeout(RECORD_TIMEOUT_S):
                await self._record_failure(job, error)
        except (ServiceUnavailableError, TimeoutError) as away:
            log.warning("the failure of job %s waits to be recorded: %s", job.id, str(away) or "no answer")
            return False
        except Exception:
            # The queue keeps the failed job with its reason; holding it back would lose more.
            log.exception("the failure of job %s could not be recorded", job.id)
        return True

    def _judge(self, slot: Slot, job: Job, error: BaseException) -> Verdict:
        reason = slot.reason
        if isinstance(reason, LockLostError):
            return Lost()
        if isinstance(reason, ClosingError):
            return HandedBack()
        return outcome.judge_error(job, error if reason is None else reason, random.random)

    def _leave_behind_if_running(self, slot: Slot, generation: int) -> None:
        if slot.generation == generation:
            self.leave_behind(slot)

    # --- deadlines ----------------------------------------------------------------------------

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        heads = [waiting[0][0] for waiting in (self._deadlines, self._extended) if waiting]
        self._timer = loop.call_at(max(min(heads), loop.time() + _SWEEP_S), self._sweep)

    def _sweep(self) -> None:
        """Cancel what is overdue; look again later at what has stopped its clock meanwhile; forget,
        without cost to anyone, what has ended."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        overdue: list[_Deadline] = []
        deadlines, extended = self._deadlines, self._extended
        while deadlines and (deadlines[0][0] <= now or not _runs(deadlines[0])):
            overdue.append(deadlines.popleft())
        while extended and (extended[0][0] <= now or not _runs(extended[0][2])):
            overdue.append(heappop(extended)[2])
        for deadline in overdue:
            if _runs(deadline):
                self._judge_time(deadline[2], now)
        if deadlines or extended:
            self._arm(loop)

    def _judge_time(self, slot: Slot, now: float) -> None:
        assert self._timeout_s is not None
        left = self._timeout_s - slot.clock.used_s()
        if left > 0:
            when = now + max(left, _SWEEP_S)
            heappush(self._extended, (when, next(self._numbers), (when, slot.generation, slot)))
            return
        self._counters.timed_out += 1
        self.cancel(slot, AttemptTimeoutError(f"the attempt took longer than {self._timeout_ms} ms"))


_Deadline = tuple[float, int, Slot]


def _runs(deadline: _Deadline) -> bool:
    _, generation, slot = deadline
    return slot.generation == generation and slot.task is not None


def cancelled_by_request() -> JobCancelledError:
    """The reason of a cancel that someone asked for."""
    return JobCancelledError("cancelled on request")


async def _until_advanced(job: Job, advance: Advance) -> None:
    """Try for as long as the queue is out of reach: the job could not end before that either.

    Raises InvalidScheduleError, or RedisError when the server refused too often."""
    refused = 0
    while True:
        try:
            await advance(job)
            return
        except ServiceUnavailableError as error:
            log.warning("schedule %s: %s", job.repeat_job_key, error)
        except RedisError:
            refused += 1
            if refused >= _ADVANCE_TRIES:
                raise
        await asyncio.sleep(_ADVANCE_PAUSE_S)


def _unfit(job: Job) -> Failed | None:
    """BullMQ leaves it to the worker to fail a job that stalled too often, or a parent whose child
    failed (`defa` tells which)."""
    if job.deferred_failure is not None:
        why = ChildFailedError if job.deferred_failure.startswith("child ") else JobStalledError
        return outcome.fail_unrun(job, why(job.deferred_failure))
    if job.malformed is not None:
        return outcome.fail_unrun(job, JobDataError(job.malformed))
    return None
