"""Which workers are alive, on whatever machine, and what each says of itself.

A worker writes one key that expires unless it is written again; a set names the keys. Clocks do not
matter: the server forgets a worker that fell silent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mediascrape.errors import QueueUnavailableError
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.wire import decode_json, encode_json

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
#: A worker that said nothing for so long is gone.
_ALIVE_S: Final = 15


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """What a worker says of itself.

    name: as in CLIENT LIST and in the `processedBy` of its jobs. limit: jobs it may have in flight, and
    why not more. memory: resident bytes of its process. started_at: Unix time by its own clock.
    """

    id: str
    name: str
    version: str
    started_at: float
    in_flight: int
    limit: int
    why: str
    memory: int
    completed: int
    failed: int


class Presences:
    """Writes and reads them. `base` is the queue's key prefix with its trailing colon."""

    def __init__(self, redis: Redis, keys: QueueKeys) -> None:
        self._redis = redis
        self._prefix = f"{keys.base}ms:worker:"
        self._index = f"{keys.base}ms:workers"

    async def announce(self, describe: Callable[[], WorkerPresence]) -> None:
        """Say what `describe` says, again and again, until cancelled; then the worker is gone at once."""
        worker = describe().id
        try:
            while True:
                try:
                    await self._write(describe())
                except (RedisError, OSError) as error:
                    log.debug("the worker cannot say that it is alive: %s", error)
                await asyncio.sleep(EVERY_S)
        finally:
            try:
                async with asyncio.timeout(1):
                    await self._forget([worker])
            except (RedisError, OSError, TimeoutError):
                log.debug("the worker's presence is left to expire")

    async def alive(self) -> list[WorkerPresence]:
        """The longest running first. Raises QueueUnavailableError."""
        try:
            ids = sorted(map(str, await self._redis.smembers(self._index)))
            if not ids:
                return []
            texts = await self._redis.mget([self._prefix + worker for worker in ids])
            silent = [worker for worker, text in zip(ids, texts, strict=True) if text is None]
            if silent:
                await self._redis.srem(self._index, *silent)
        except (RedisError, OSError) as error:
            raise QueueUnavailableError(str(error)) from error
        found = [presence for text in texts if text is not None and (presence := _read(str(text)))]
        return sorted(found, key=lambda presence: (presence.started_at, presence.id))

    async def _write(self, presence: WorkerPresence) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.sadd(self._index, presence.id)
            pipe.set(self._prefix + presence.id, encode_json(asdict(presence)), ex=_ALIVE_S)
            await pipe.execute()

    async def _forget(self, ids: list[str]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.srem(self._index, *ids)
            pipe.delete(*(self._prefix + worker for worker in ids))
            await pipe.execute()


def _read(text: str) -> WorkerPresence | None:
    """None for what another release wrote in another shape."""
    try:
        return WorkerPresence(**decode_json(text))
    except (TypeError, ValueError):
        return None
