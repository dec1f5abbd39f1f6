"""What happens in a queue, as BullMQ's events stream tells it, whoever's worker it happens in.

The stream is trimmed to about `opts.maxLenEvents` entries, so a reader that stays away longer than
that misses some. For the truth about a job ask the queue or the store; events say when to look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from mediascrape.errors import ConfigurationError
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link, LinkLostError
from mediascrape.queue.lua import command
from mediascrape.queue.wire import json_or_text, to_int

log = logging.getLogger(__name__)

#: Before any entry: everything the stream still holds.
BEGINNING: Final = "0-0"
#: Seconds that one XREAD waits on the server, below what middleboxes let a quiet connection live.
_BLOCK_S = 10.0
#: Entries read at a time.
_BATCH = 512
_LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class QueueEvent:
    """One entry. `kind` is BullMQ's word: added, waiting, active, progress, delayed, completed, failed,
    retries-exhausted, stalled, duplicated, deduplicated, debounced, removed, waiting-children, cleaned,
    drained, paused, resumed, or one of a newer version.

    id: place in the stream, to go on from. job_id: None for an event of the whole queue.
    prev: the state the job was in. value: what a job returned, or its progress.
    reason: why it failed. due_ms: when a delayed job is due. fields: all as they came.
    """

    id: str
    kind: str
    job_id: str | None
    prev: str | None
    value: Any
    reason: str | None
    due_ms: int | None
    fields: Mapping[str, str]

    @property
    def at_ms(self) -> int:
        """When the server took it down, in milliseconds since the epoch."""
        return to_int(self.id.partition("-")[0])

    @classmethod
    def from_wire(cls, entry_id: str, fields: Mapping[str, str]) -> QueueEvent:
        """Never raises: the producer may be anyone."""
        get = fields.get
        kind = get("event", "")
        return cls(
            entry_id,
            kind,
            get("jobId"),
            get("prev"),
            json_or_text(get("data" if kind == "progress" else "returnvalue"), None),
            get("failedReason"),
            to_int(get("delay")) if kind == "delayed" else None,
            fields,
        )


class QueueEvents:
    """Follows a queue's events over a connection of its own:

        async with QueueEvents(redis, "media-scrape") as events:
            async for event in events.follow({"completed", "failed"}):
                ...

    after: the id of the last event seen (`last_id` of an earlier reader), BEGINNING for all that the
    stream still holds, None for those that happen from `start` on.
    """

    def __init__(
        self, redis: Redis, name: str = "media-scrape", prefix: str = "bull", *, after: str | None = None
    ) -> None:
        self._keys = QueueKeys(name, prefix)
        self._link = Link(redis)
        #: The last event that `follow` has given; None before `start`.
        self.last_id = after

    async def start(self) -> None:
        """Fix the place to read from: what happens from now on is seen, however late `follow` is called.

        Raises LinkLostError, a QueueUnavailableError.
        """
        if self.last_id is None:
            self.last_id = await self._newest()

    async def aclose(self) -> None:
        await self._link.aclose()

    async def __aenter__(self) -> QueueEvents:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def follow(self, kinds: Collection[str] | None = None) -> AsyncGenerator[QueueEvent, None]:
        """Events of these kinds (all, if None) in their order, without end. Goes on where it was after
        a lost connection, and waits for a server that is away. Raises ConfigurationError for an
        `after` that is no id of a stream."""
        await self.start()
        pause = 0.05
        while True:
            try:
                entries = await self._read()
            except ResponseError as error:
                if "stream ID" in str(error):
                    raise ConfigurationError(f"{self.last_id!r} is no id of an event") from error
                log.warning("reading events: %s", error)
            except (LinkLostError, RedisError) as error:
                log.debug("reading events: %s", error)
            else:
                pause = 0.05
                for entry_id, flat in entries:
                    self.last_id = entry_id
                    if flat is None:  # deleted
                        continue
                    event = QueueEvent.from_wire(entry_id, dict(zip(flat[::2], flat[1::2], strict=True)))
                    if kinds is None or event.kind in kinds:
                        yield event
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _read(self) -> list[Any]:
        assert self.last_id is not None
        reply = await self._link.call(
            command(
                "XREAD", "COUNT", _BATCH, "BLOCK", int(_BLOCK_S * 1000), "STREAMS", self._keys.events,
                self.last_id,
            ),
            timeout_s=_BLOCK_S + 5,
        )  # fmt: skip
        entries: list[Any] = reply[0][1] if reply else []
        return entries

    async def _newest(self) -> str:
        try:
            info = await self._link.call(command("XINFO", "STREAM", self._keys.events))
        except ResponseError:  # no event yet
            return BEGINNING
        pairs = dict(zip(info[::2], info[1::2], strict=True))
        return str(pairs["last-generated-id"])
