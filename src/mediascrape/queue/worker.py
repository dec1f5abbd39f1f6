"""The worker: a pump, and the small loops beside it.

Each loop has one duty: `_watch` waits for work while the queue is empty, `_renew` keeps locks,
`_check_stalled` puts the jobs of vanished workers back, `_listen` takes requests to cancel.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mediascrape.queue.attempts import Attempts, FailureRecorder, Processor, cancelled_by_request
from mediascrape.queue.cancelling import cancel_and_wait
from mediascrape.queue.job import Job
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link, LinkLostError
from mediascrape.queue.lua import command
from mediascrape.queue.pump import Pump
from mediascrape.queue.recovery import Recovery
from mediascrape.queue.schedules import ScheduleAdvancer
from mediascrape.queue.scripts import QueueScripts
from mediascrape.queue.slots import (
    ClosingError,
    JobContext,
    LockLostError,
    Observer,
    Slot,
    WorkerCounters,
    WorkerOptions,
)
from mediascrape.queue.wire import now_ms

log = logging.getLogger(__name__)

#: A worker that must wait for a rate limit still looks this often, so that delayed jobs are moved
#: when due (BullMQ's maximumRateLimitDelay).
_MAX_LIMIT_WAIT_S = 30.0
#: BullMQ's longest BZPOPMIN: a connection blocked longer may be dropped unnoticed.
_MAX_BLOCK_S = 10.0


class Worker:
    """Processes the jobs of one queue. Needs a client with `decode_responses=True` and uses up to
    four of its connections.

    `processor(job, context)` returns JSON (or None), or raises: an error of mediascrape that knows
    whether a retry can help, `Postpone`, or anything else (retried while attempts are left).
    `record_failure(job, error)` is awaited for a job that failed for good, also unrun, before the
    queue is told.
    """

    def __init__(
        self,
        redis: Redis,
        name: str,
        processor: Processor,
        options: WorkerOptions | None = None,
        *,
        prefix: str = "bull",
        observer: Observer | None = None,
        record_failure: FailureRecorder | None = None,
    ) -> None:
        self.options = options = options or WorkerOptions()
        self.keys = QueueKeys(name, prefix)
        self.counters = WorkerCounters()
        self.id = secrets.token_hex(6)
        self._scripts = QueueScripts(self.keys)
        self._observer = observer
        self._redis = redis
        suffix = f":w:{options.worker_name}" if options.worker_name else ""
        self._link = Link(redis, name=self.keys.client_name + suffix)
        self._watch_link = Link(redis)
        self._side_link = Link(redis)
        self._recovery = Recovery(self._side_link, self.keys, self._scripts, options.lock_duration_ms)
        self._pump = Pump(
            self._link, self._scripts, self._recovery, options, self.counters,
            worker_id=self.id, observer=observer,
        )  # fmt: skip
        self._pump.attempts = self._attempts = Attempts(
            processor, self._context, self._pump.ended, self.counters,
            timeout_ms=options.job_timeout_ms, cancel_grace_s=options.cancel_grace_s,
            record_failure=record_failure, advance=ScheduleAdvancer(self._side_link, self.keys).advance,
        )  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = asyncio.Event()
        self._death: BaseException | None = None

    def _context(self, slot: Slot, job: Job) -> JobContext:
        return JobContext(slot, job, self._side_link, self._scripts)

    @property
    def concurrency(self) -> int:
        """Jobs in flight at once; set it at any time. Lowering it lets running jobs end."""
        return self._pump.concurrency

    @concurrency.setter
    def concurrency(self, value: int) -> None:
        self._pump.concurrency = value

    @property
    def running(self) -> int:
        """Jobs in flight now."""
        return len(self._pump.running)

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to work in the background. The server need not be there yet."""
        if self._tasks:
            return
        options = self.options
        loops = {
            "pump": self._pump.run(),
            "watch": self._watch(),
            "renew": _every(options.lock_duration_ms / 3000, self._renew),
            "stalled": _every(options.stalled_interval_ms / 1000, self._check_stalled, at_once=True),
            "cancels": self._listen(),
        }
        self._tasks = [asyncio.create_task(loop, name=f"worker-{name}") for name, loop in loops.items()]
        self._tasks[0].add_done_callback(self._on_pump_end)

    async def run(self) -> None:
        """Work until `close` has ended. Raises what the pump died of, should it ever."""
        await self.start()
        await self._closed.wait()
        if self._death is not None:
            raise self._death

    def _on_pump_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("the worker's pump died", exc_info=error)
            self._death = error
            self._closed.set()

    async def close(self, grace_s: float | None = None, *, force: bool = False) -> None:
        """Claim no more, let jobs end within the grace period, hand the others back at once (no
        attempt used). force: no grace. A second call may cut short the grace of the first."""
        self._attempts.closing = True
        self._pump.stop()
        grace = 0.0 if force else self.options.grace_s if grace_s is None else grace_s
        if self._tasks:
            log.info("stopping: %d jobs in flight have %g s to end", self.running, grace)
        if self._tasks and not await self._drained_within(grace):
            for slot in list(self._pump.running.values()):
                self._attempts.cancel(slot, ClosingError())
            if not await self._drained_within(self.options.cancel_grace_s + 1):
                log.warning("%d jobs are left to be recovered by other workers", self.running)
        if self._tasks:
            log.info("stopped: %d jobs were handed back", self.counters.handed_back)
        await self._end()

    async def __aenter__(self) -> Worker:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _drained_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pump.drained.wait()
        return self._pump.drained.is_set()

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, []
        await cancel_and_wait(tasks)
        self._attempts.close()
        if tasks:
            # `_watch` may have consumed the marker that would have woken another worker.
            with suppress(RedisError, LinkLostError):
                await self._side_link.call(command("ZADD", self.keys.marker, 0, "0"), timeout_s=1)
        for link in (self._link, self._watch_link, self._side_link):
            await link.aclose()
        self._closed.set()

    # --- loops ------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """While claims find nothing: wait for the marker, the next due time, or the drain delay,
        whichever comes first. The marker is a hint; a lost one costs at most the drain delay."""
        loop = asyncio.get_running_loop()
        pump = self._pump
        while True:
            await pump.empty.wait()
            limit = pump.limited_until - loop.time()
            if limit > 0:
                await asyncio.sleep(min(limit, _MAX_LIMIT_WAIT_S))
            else:
                try:
                    await self._wait_for_marker()
                except (LinkLostError, RedisError) as error:
                    log.debug("waiting for work: %s", error)
                    await asyncio.sleep(0.1)
            pump.limited_until = 0.0
            pump.look()

    async def _wait_for_marker(self) -> None:
        pump = self._pump
        loop = asyncio.get_running_loop()
        until = loop.time() + self.options.drain_delay_s
        while True:
            left = until - loop.time()
            if pump.due_ms:
                left = min(left, (pump.due_ms - now_ms()) / 1000)
            if left <= 0:
                return
            block = min(max(left, 0.001), _MAX_BLOCK_S)
            reply = await self._watch_link.call(
                command("BZPOPMIN", self.keys.marker, f"{block:.3f}"), timeout_s=block + 5
            )
            if reply is None:
                continue
            score = float(reply[2])
            if score <= now_ms():
                return
            pump.due_ms = int(score)

    async def _renew(self) -> None:
        """Extend the locks that are older than half the interval between two renewals."""
        now = asyncio.get_running_loop().time()
        old = now - self.options.lock_duration_ms / 6000
        slots = [slot for slot in self._pump.running.values() if slot.locked_at <= old]
        generations = [slot.generation for slot in slots]
        lost = set(await self._recovery.renew(slots))
        for slot, generation in zip(slots, generations, strict=True):
            if slot.generation != generation:
                continue
            if slot not in lost:
                slot.locked_at = now
            elif slot.verdict is None:
                log.warning("job %s is no longer ours; its task is cancelled", slot.job and slot.job.id)
                self.counters.lost += 1
                self._attempts.cancel(slot, LockLostError())

    async def _check_stalled(self) -> None:
        stalled = await self._side_link.call(
            self._scripts.move_stalled_jobs_to_wait(
                self.options.max_stalled_count, self.options.stalled_interval_ms, now_ms()
            )
        )
        self.counters.stalled += len(stalled)
        if stalled:  # one line, however many: a worker that was killed leaves thousands
            log.warning("%d jobs had stalled and were put back to wait", len(stalled))
        for job_id in stalled:
            log.debug("job %s had stalled", job_id)
            if self._observer is not None:
                self._observer.on_stalled(job_id)

    async def _listen(self) -> None:
        """Requests to cancel, from `Queue.cancel_job` of any process."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(self.keys.cancel)
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=30)
                        if message is not None:
                            self.cancel(message["data"])
            except (RedisError, OSError) as error:
                log.debug("listening for cancels: %s", error)
                await asyncio.sleep(1)

    def cancel(self, job_id: str) -> bool:
        """Cancel a job that runs here; it fails without another attempt. False when it does not."""
        slot = self._pump.running.get(job_id)
        if slot is None:
            return False
        self._attempts.cancel(slot, cancelled_by_request())
        return True


async def _every(seconds: float, duty: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
    """Run a duty again and again; an error of one run is logged and does not end it."""
    name = getattr(duty, "__name__", "a duty").strip("_")
    if not at_once:
        await asyncio.sleep(seconds)
    while True:
        try:
            await duty()
        except (LinkLostError, RedisError) as error:
            log.warning("%s: %s", name, error)
            await asyncio.sleep(min(seconds, 1.0))
            continue
        except Exception:
            log.exception("%s failed", name)
        await asyncio.sleep(seconds)
