"""Small texts with expiry that all workers of a queue share."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mediascrape.errors import QueueUnavailableError


class SharedCache:
    """Texts by key under `{base}ms:{name}:`; `base` is the queue's key prefix with its trailing colon.

    Every method raises QueueUnavailableError when the server is out of reach.
    """

    def __init__(self, redis: Redis, base: str, name: str) -> None:
        self._redis = redis
        self._prefix = f"{base}ms:{name}:"

    async def get(self, key: str) -> str | None:
        try:
            value = await self._redis.get(self._prefix + key)
        except (RedisError, OSError) as error:
            raise QueueUnavailableError(str(error)) from error
        return value.decode() if isinstance(value, bytes) else value

    async def put(self, key: str, value: str, ttl_ms: int) -> None:
        try:
            await self._redis.set(self._prefix + key, value, px=max(1, ttl_ms))
        except (RedisError, OSError) as error:
            raise QueueUnavailableError(str(error)) from error

    async def claim(self, key: str, ttl_ms: int) -> bool:
        """True for the one caller, of all workers, who finds `key` unset and so sets it."""
        try:
            return bool(await self._redis.set(self._prefix + key, "", px=max(1, ttl_ms), nx=True))
        except (RedisError, OSError) as error:
            raise QueueUnavailableError(str(error)) from error
