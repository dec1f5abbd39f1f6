"""How many jobs of one group run at once, and how far apart they start, across all workers.

A group is any name; the queue knows nothing of what it stands for. Its state lives in Valkey and is
changed only by `gate.lua`, which a worker calls at most once at a time for all its groups and
jobs together: what its jobs ask for and report while one call is under way goes into the next one.

A job that must wait is told how long, by its place in the group's line, so that it can go back to the
queue as a delayed job instead of asking again and again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha1
from importlib.resources import files
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.link import Link
from mediascrape.queue.lua import command
from mediascrape.queue.wire import pack

logger = logging.getLogger(__name__)

#: Groups served by one call of the script, which holds up the server meanwhile.
MAX_GROUPS_PER_CALL: Final = 200
#: Seconds that a report may wait to go with the next request for its group, which would else cost the
#: server the same again; where another worker may be waiting for what it tells, much less.
REPORT_LINGER_S: Final = 0.1
NEWS_LINGER_S: Final = 0.01
#: Seconds before the next try after the server could not be reached.
RETRY_S: Final = 0.5


class GroupLimits(NamedTuple):
    """concurrent: slots across all workers. gap_ms: least time between two starts."""

    concurrent: int = 8
    gap_ms: int = 0


@dataclass(frozen=True, slots=True)
class GateOptions:
    """lease_ms: slots of a worker that is silent this long are free again.
    failures_before_rest: failures in a row after which a group rests.
    rest_ms, rest_max_ms: the first rest, and the longest; each one in a row is twice the one before,
    and after it one job at a time is let through until one succeeds.
    horizon_ms: nobody is given a place in line that is farther off.
    hold_guess_ms: how long a slot is taken to be held before the group has shown it.
    overbook: how much faster than slots come free the line moves up.
    """

    lease_ms: int = 30_000
    failures_before_rest: int = 5
    rest_ms: int = 10_000
    rest_max_ms: int = 600_000
    horizon_ms: int = 120_000
    hold_guess_ms: int = 20
    overbook: float = 1.15


@dataclass(slots=True, eq=False)
class Granted:
    """A slot of `group`, to be given back with `GroupGate.release`. shared: other workers hold some, too."""

    group: str
    limits: GroupLimits
    since: float
    shared: bool = False
    released: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back in `delay_ms`.

    why: `slots` (all taken), `gap` (too soon after the last start), `refused` (the group asked for a
    pause), `resting` (it failed too often), `probing` (after a rest, one job tries whether it is well).
    rests: how many rests in a row, without a success between, the group has had. A pause it asked for
    counts as the part of such a rest that it took.
    """

    delay_ms: int
    why: str
    rests: int


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """What a dashboard shows of a group that keeps jobs waiting. Times in ms from now."""

    group: str
    held: int
    paused_ms: int
    line_ms: int
    why: str
    mean_hold_ms: int
    gap_ms: int
    failures: int
    rests: int


@dataclass(slots=True, eq=False)
class _Pending:
    """What one group's next entry in a call will say."""

    limits: GroupLimits
    askers: deque[asyncio.Future[Granted | Wait]] = field(default_factory=deque)
    ok: int = 0
    failed: int = 0
    refused: int = 0
    pause_ms: int = 0
    hold_ms: float = 0.0
    holds: int = 0

    def packable(self, group: str, held: int) -> tuple[str | float, ...]:
        """The entry as `gate.lua` takes it."""
        limits = self.limits
        usual = (
            group, len(self.askers), held, limits.concurrent, limits.gap_ms, self.ok, self.hold_ms, self.holds
        )  # fmt: skip
        if self.failed or self.refused or self.pause_ms:
            return (*usual, self.failed, self.refused, self.pause_ms)
        return usual


class GroupGate:
    """Admission of this worker's jobs to their groups. One per worker; call `close` at the end.

    base: the queue's key prefix with its trailing colon, `bull:media-scrape:`.
    clock: milliseconds since any epoch, for tests that make their own time; by default the server's
    clock decides, so that workers whose clocks differ agree.
    """

    def __init__(
        self,
        redis: Redis,
        base: str,
        options: GateOptions | None = None,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._options = options = options or GateOptions()
        self._link = Link(redis)
        self._clock = clock
        self._worker = uuid4().hex[:12]
        self._prefix = f"{base}ms:gate:"
        self._packed_options = pack(
            [
                options.lease_ms, options.rest_ms, options.rest_max_ms, options.failures_before_rest,
                options.hold_guess_ms, options.horizon_ms, options.overbook,
            ]
        )  # fmt: skip
        #: What the next call says, and reports that wait to go with a request for their group.
        self._next: dict[str, _Pending] = {}
        self._reports: dict[str, _Pending] = {}
        self._held: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._linger: asyncio.TimerHandle | None = None
        self._lingers_s = 0.0
        self._heartbeat: asyncio.TimerHandle | None = None
        self._loop: asyncio.Task[None] | None = None
        self._closing = False

    # --- for jobs ----------------------------------------------------------------------------

    async def acquire(self, group: str, limits: GroupLimits) -> Granted | Wait:
        """A slot now, or how long to wait for one.

        The limits of the latest call hold. Raises QueueUnavailableError when the server is out of reach.
        """
        pending = self._next_entry(group, limits)
        pending.limits = limits
        answer: asyncio.Future[Granted | Wait] = asyncio.get_running_loop().create_future()
        pending.askers.append(answer)
        self._wake.set()
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                granted = answer.result()
                if isinstance(granted, Granted):  # granted in the very tick of the cancellation
                    self.release(granted)
            raise

    def release(self, granted: Granted, effect: str = "none", pause_ms: int = 0) -> None:
        """Give the slot back and say how the job's dealings with the group ended.

        effect: `ok`, `failed` (counts towards a rest), `refused` (the group asked for less: it pauses,
        and later starts are farther apart), `none` (says nothing of the group). pause_ms: the pause
        that the group asked for; 0 leaves its length to the gate.
        Nothing is awaited: the report goes out with the next request for the group, or a little later.
        """
        if granted.released:
            return
        granted.released = True
        group = granted.group
        pending = self._report_entry(group, granted.limits)
        if effect == "ok":
            pending.ok += 1
        elif effect == "failed":
            pending.failed += 1
        elif effect == "refused":
            pending.refused += 1
        pending.pause_ms = max(pending.pause_ms, pause_ms)
        if effect != "none":
            pending.hold_ms += self._now_ms() - granted.since
            pending.holds += 1
        left = self._held.get(group, 0) - 1
        if left > 0:
            self._held[group] = left
        else:
            self._held.pop(group, None)
        self._report_within(NEWS_LINGER_S if granted.shared or effect != "ok" else REPORT_LINGER_S)

    # --- for operators -----------------------------------------------------------------------

    async def snapshot(self, limit: int = 100) -> list[GroupStatus]:
        """Groups that keep jobs waiting, the longest wait first. Raises QueueUnavailableError."""
        now = "" if self._clock is None else str(int(self._clock()))
        key = f"{self._prefix}waiting"
        names = await self._call(_script("gate_waiting"), [key], [now, str(limit)])
        if not names:
            return []
        keys = [f"{self._prefix}workers", *(f"{self._prefix}group:{name}" for name in names)]
        rows = await self._call(_script("gate_status"), keys, [now])
        return [GroupStatus(name, *row) for name, row in zip(names, rows, strict=True) if row]

    async def close(self) -> None:
        """Send the last reports and give up this worker's slots."""
        self._closing = True
        self._send_reports()
        if self._loop is not None:
            await asyncio.gather(self._loop, return_exceptions=True)
        for timer in (self._linger, self._heartbeat):
            if timer is not None:
                timer.cancel()
        await self._link.aclose()

    # --- the calls ---------------------------------------------------------------------------

    def _next_entry(self, group: str, limits: GroupLimits) -> _Pending:
        """What the next call says of the group, its report included."""
        pending = self._next.get(group)
        if pending is None:
            waiting = self._reports.pop(group, None)
            pending = self._next[group] = _Pending(limits) if waiting is None else waiting
        self._start()
        return pending

    def _report_entry(self, group: str, limits: GroupLimits) -> _Pending:
        """The same, but it may wait."""
        pending = self._next.get(group) or self._reports.get(group)
        if pending is None:
            pending = self._reports[group] = _Pending(limits)
        self._start()
        return pending

    def _start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.create_task(self._run())
            self._beat()

    def _now_ms(self) -> float:
        return monotonic() * 1000 if self._clock is None else self._clock()

    def _report_within(self, seconds: float) -> None:
        if self._linger is not None:
            if self._lingers_s <= seconds:
                return
            self._linger.cancel()
        self._lingers_s = seconds
        self._linger = asyncio.get_running_loop().call_later(seconds, self._send_reports)

    def _send_reports(self) -> None:
        self._linger = None
        self._next.update(self._reports)
        self._reports.clear()
        self._wake.set()

    def _beat(self) -> None:
        """Renew the lease; say again what is held, in case the server has lost it."""
        for group in self._held:
            self._next_entry(group, GroupLimits())
        self._wake.set()
        self._heartbeat = asyncio.get_running_loop().call_later(self._options.lease_ms / 3000, self._beat)

    async def _run(self) -> None:
        while not (self._closing and not self._next):
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._flush()
            except QueueUnavailableError as error:
                logger.warning("the groups' gate is out of reach: %s", error)
                if self._closing:
                    return  # the slots come free when the lease ends
                await asyncio.sleep(RETRY_S)

    async def _flush(self) -> None:
        while self._next:
            batch = [self._next.popitem() for _ in range(min(len(self._next), MAX_GROUPS_PER_CALL))]
            try:
                replies = await self._serve(batch)
            except (QueueUnavailableError, RedisError) as error:
                self._answer_failure(batch, error)
                raise QueueUnavailableError(str(error)) from error
            for (group, pending), reply in zip(batch, replies, strict=True):
                self._answer(group, pending, reply)

    async def _serve(self, batch: Sequence[tuple[str, _Pending]]) -> list[int | list[Any]]:
        prefix = f"{self._prefix}group:"
        keys = [f"{self._prefix}workers", f"{self._prefix}waiting", *(prefix + group for group, _ in batch)]
        now = "" if self._clock is None else str(self._clock())
        held = self._held.get
        entries = [entry.packable(group, held(group, 0)) for group, entry in batch]
        arguments: list[str | bytes] = [self._worker, now, self._packed_options, pack(entries)]
        replies: list[int | list[Any]] = await self._call(_script("gate"), keys, arguments)
        return replies

    async def _call(self, script: _Script, keys: Sequence[str], arguments: Sequence[str | bytes]) -> Any:
        packed = command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        try:
            return await self._link.call(packed)
        except NoScriptError:
            await self._link.load_scripts([script.source])
            return await self._link.call(packed)

    def _answer(self, group: str, pending: _Pending, reply: int | list[Any]) -> None:
        if isinstance(reply, int):
            reply = [len(pending.askers), "", 0, reply]
        granted, why, rests, others = reply[:4]
        now = self._now_ms()
        for index, asker in enumerate(pending.askers):
            if index < granted:
                if asker.done():  # cancelled meanwhile: the next call says that the slot is free
                    self._report_entry(group, pending.limits)
                    self._report_within(NEWS_LINGER_S)
                    continue
                self._held[group] = self._held.get(group, 0) + 1
                asker.set_result(Granted(group, pending.limits, now, others > 0))
            elif not asker.done():
                asker.set_result(Wait(reply[4 + index - granted], why, rests))

    def _answer_failure(self, batch: Sequence[tuple[str, _Pending]], error: Exception) -> None:
        """Tell those who asked. What was held stays held: it is said again, reports are not."""
        for group, pending in batch:
            for asker in pending.askers:
                if not asker.done():
                    asker.set_exception(QueueUnavailableError(str(error)))
            self._next_entry(group, pending.limits)
        self._wake.set()


@dataclass(frozen=True, slots=True)
class _Script:
    source: bytes
    sha: str


@cache
def _script(name: str) -> _Script:
    source = files("mediascrape.queue").joinpath(f"{name}.lua").read_bytes()
    return _Script(source, sha1(source, usedforsecurity=False).hexdigest())
