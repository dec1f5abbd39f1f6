"""Adding jobs: ids of our own making, concurrent adds in shared round trips, one effect each.

A lost reply leaves open whether an add took effect. Three things make sending it again safe: the
producer chooses the id, so that a job still there is recognised; each batch runs in MULTI/EXEC
together with a receipt key, so that it took effect whole or not at all; and the receipt is looked
for before anything is sent again, so that a job which has meanwhile been done is not done twice.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from mediascrape.errors import JobDataError, QueueUnavailableError
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link, LinkLostError
from mediascrape.queue.lua import Call, batch_scripts, command, pack_calls, spread

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_is_ours = re.compile(f"j[{_ALPHABET}]{{18}}").fullmatch
#: The counter's lower half, of which an id's last two pairs are made.
_LOW_BITS = 20
#: Adds in one MULTI/EXEC: enough to share a round trip, few enough not to hold up the server's other
#: clients (about 5 ms), nor to make it pile up what goes to its append-only file.
BATCH = 128
_RECEIPT_SECONDS = 300
#: Seconds for which a look at the server's memory holds: at full speed it grows by 1 MB meanwhile.
_ROOM_S = 0.1
_ADD_SCRIPTS = ("addStandardJob-9", "addDelayedJob-6", "addPrioritizedJob-9")


class JobIds:
    """Ids that sort by time: `j`, 10 characters of milliseconds, 8 of a counter that starts at
    random in every millisecond. The letter keeps BullMQ from taking one for an integer."""

    __slots__ = ("_head", "_last_ms", "_low", "_random")

    def __init__(self, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._random = random_bits
        self._last_ms = -1
        self._low = 0
        self._head = ""

    def next(self, now_ms: int) -> str:
        """Ids of one object never repeat and never sort backwards, also when the clock does."""
        if now_ms > self._last_ms:
            self._start(now_ms)
        else:
            self._low += 1
            if self._low >> _LOW_BITS:
                self._start(self._last_ms + 1)
        low = self._low
        return self._head + _PAIRS[low >> 10] + _PAIRS[low & 1023]

    def _start(self, ms: int) -> None:
        self._last_ms = ms
        self._head = "j" + _base32(ms, 5) + _base32(self._random(_LOW_BITS), 2)
        self._low = self._random(_LOW_BITS - 1)


def _base32(value: int, pairs: int) -> str:
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(10 * (pairs - 1), -1, -10)])


def id_runs(ids: Iterable[str]) -> str:
    """Ids as one short text: those of one call follow one another, so a first one and a number name many."""
    runs: list[tuple[str, int]] = []
    expected = None
    for job_id in ids:
        if job_id == expected:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((job_id, 1))
        expected = _after(job_id)
    return " ".join(f"{first}+{count}" if count > 1 else first for first, count in runs)


def ids_of(runs: str) -> list[str]:
    """The ids that `id_runs` was given."""
    ids: list[str] = []
    for run in runs.split():
        job_id, _, count = run.partition("+")
        ids.append(job_id)
        for _ in range(int(count or 1) - 1):
            following = _after(ids[-1])
            assert following is not None
            ids.append(following)
    return ids


def made_at(job_id: str) -> float | None:
    """When JobIds made this id, in seconds since the epoch; None for a foreign id."""
    if not _is_ours(job_id):
        return None
    ms = 0
    for start in range(1, 11, 2):
        ms = ms << 10 | _VALUES[job_id[start : start + 2]]
    return ms / 1000


def _after(job_id: str) -> str | None:
    """The id that JobIds gives after this one in the same millisecond; None for a foreign id."""
    if not _is_ours(job_id):
        return None
    low = _VALUES[job_id[-4:-2]] << 10 | _VALUES[job_id[-2:]]
    if low + 1 >> _LOW_BITS:
        return None
    low += 1
    return job_id[:-4] + _PAIRS[low >> 10] + _PAIRS[low & 1023]


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an add. `duplicate`: the deduplication id is taken by job `id`, and nothing
    was added."""

    id: str
    duplicate: bool = False


@dataclass(slots=True)
class _Pending:
    job_id: str
    call: Call
    deduplication_id: str | None
    future: asyncio.Future[Added]


class Adder:
    """Sends adds. Everything added while a round trip is under way shares the next one.

    patience_s: how long an unreachable server is waited for.
    max_memory_bytes: adds are refused while the server uses more; 0 for no limit. The server's own
    `maxmemory` would refuse the claims of workers as well, and a full queue could not be emptied.
    """

    def __init__(self, link: Link, keys: QueueKeys, *, patience_s: float, max_memory_bytes: int = 0) -> None:
        self._link = link
        self._keys = keys
        self._patience_s = patience_s
        self._max_memory_bytes = max_memory_bytes
        self._room_until = 0.0
        self._pending: deque[_Pending] = deque()
        self._flusher: asyncio.Task[None] | None = None
        #: Whether the server of this connection has been given the scripts. One that lacks them would
        #: leave a receipt behind and no job.
        self._loaded = False

    def submit(self, job_id: str, call: Call, deduplication_id: str | None) -> asyncio.Future[Added]:
        """The future ends with Added, JobDataError, or QueueUnavailableError."""
        future: asyncio.Future[Added] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(job_id, call, deduplication_id, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="queue-adder")
        return future

    async def aclose(self) -> None:
        """Waits for what was submitted, then closes the link."""
        while self._flusher is not None:
            await asyncio.wait([self._flusher])
        await self._link.aclose()

    async def _flush(self) -> None:
        try:
            while self._pending:
                batch = [self._pending.popleft() for _ in range(min(len(self._pending), BATCH))]
                try:
                    await self._send(batch)
                except BaseException as error:
                    for item in batch:
                        if not item.future.done():
                            item.future.set_exception(_as_error(error))
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._flusher = None
            while self._pending:  # only when cancelled
                item = self._pending.popleft()
                item.future.set_exception(QueueUnavailableError("the queue was closed before the add"))

    async def _require_room(self) -> None:
        """Raises QueueUnavailableError while the server uses more memory than allowed."""
        loop = asyncio.get_running_loop()
        if not self._max_memory_bytes or loop.time() < self._room_until:
            return
        used = _used_memory(await self._link.call(command("INFO", "memory")))
        if used > self._max_memory_bytes:
            raise QueueUnavailableError(
                f"the queue is full: its server uses {used} bytes of memory, {self._max_memory_bytes} are "
                "allowed (MEDIASCRAPE_QUEUE_MAX_MEMORY_BYTES); add again when jobs are done"
            )
        self._room_until = loop.time() + _ROOM_S

    async def _send(self, batch: Sequence[_Pending]) -> None:
        receipt = self._keys.receipt(secrets.token_hex(8))
        adds, sizes = pack_calls([item.call for item in batch])
        packed = [
            command("MULTI"),
            command("SET", receipt, "1", "EX", _RECEIPT_SECONDS),
            *adds,
            command("EXEC"),
        ]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        in_doubt = False
        pause = 0.02
        replies: list[Any] | RedisError
        while True:
            try:
                if in_doubt and await self._link.call(command("EXISTS", receipt)):
                    replies = await self._replies_after_the_fact(batch)
                    break
                await self._require_room()
                loads = [] if self._loaded else _load_commands()
                replies = (await self._link.execute([*loads, *packed]))[-1]  # of EXEC
                self._loaded = True
                if isinstance(replies, RedisError):
                    raise replies
                replies = spread(replies[1:], sizes)
                break
            except LinkLostError:
                in_doubt = True
                self._loaded = False
                if loop.time() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
        await self._settle(batch, replies)

    async def _replies_after_the_fact(self, batch: Sequence[_Pending]) -> list[Any]:
        """The batch took effect, its replies are lost: ask who holds each deduplication id."""
        holders = [
            command("GET", self._keys.deduplication(item.deduplication_id)) if item.deduplication_id else None
            for item in batch
        ]
        found = iter(await self._link.execute([ask for ask in holders if ask is not None]))
        return [
            (next(found) if ask is not None else None) or item.job_id
            for item, ask in zip(batch, holders, strict=True)
        ]

    async def _settle(self, batch: Sequence[_Pending], replies: Sequence[Any]) -> None:
        unknown = [
            item for item, reply in zip(batch, replies, strict=True) if isinstance(reply, NoScriptError)
        ]
        if unknown:
            self._loaded = False  # somebody has emptied the server's cache of scripts
        for item, reply in zip(batch, replies, strict=True):
            if item.future.done() or isinstance(reply, NoScriptError):
                continue  # the caller went away, or see below
            if isinstance(reply, RedisError):
                item.future.set_exception(_as_error(reply))
            elif isinstance(reply, int) and reply < 0:
                item.future.set_exception(JobDataError(f"the queue refused the job (code {reply})"))
            else:
                item.future.set_result(Added(str(reply), str(reply) != item.job_id))
        if unknown:
            await self._send(unknown)


def _used_memory(info: str) -> int:
    return int(info.partition("\r\nused_memory:")[2].partition("\r\n")[0])


def _load_commands() -> list[bytes]:
    scripts = batch_scripts()
    return [command("SCRIPT", "LOAD", scripts[name].source) for name in _ADD_SCRIPTS]


def _as_error(error: BaseException) -> Exception:
    if isinstance(error, QueueUnavailableError):
        return error
    return QueueUnavailableError(f"the job could not be added: {error}")
