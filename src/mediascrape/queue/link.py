"""One connection, many commands per round trip.

redis-py's pipelines cost 30 to 60 microseconds per command and resend scripts by themselves. This
takes a connection of the client's pool (so TLS, credentials, database and Sentinel stay redis-py's
business), writes all commands at once, and reads the replies. It resends nothing but scripts the
server did not know (which therefore had no effect).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from mediascrape.errors import ConfigurationError, QueueUnavailableError
from mediascrape.queue.lua import Call, command, pack_calls, script_of, spread


class LinkLostError(QueueUnavailableError):
    """The connection broke, or the server stayed silent, before all replies were there.

    replies: those that did arrive, in order; whether the other commands took effect is unknown.
    """

    def __init__(self, message: str, replies: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.replies = list(replies)


def require_text_replies(redis: Redis) -> None:
    """Raises ConfigurationError unless the client decodes replies to str, as this package needs."""
    if not redis.connection_pool.connection_kwargs.get("decode_responses"):
        raise ConfigurationError("the Redis client must be made with decode_responses=True")


class Link:
    """Runs batches of packed commands, one batch at a time, connecting when needed.

    timeout_s: how long the server may stay silent within a batch.
    name: CLIENT SETNAME of the connection.
    """

    def __init__(self, redis: Redis, *, name: str | None = None, timeout_s: float = 30.0) -> None:
        require_text_replies(redis)
        self._pool = redis.connection_pool
        self._name = name
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._lock = asyncio.Lock()

    async def execute(self, commands: Sequence[bytes], *, timeout_s: float | None = None) -> list[Any]:
        """Replies in the order of the commands; an error of one stands in its place.

        Raises LinkLostError when the connection is or gets lost; never resends on its own.
        """
        if not commands:
            return []
        async with self._lock:
            replies = await self._round_trip(commands, timeout_s)
            missing = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if missing:
                await self._resend_unknown_scripts(commands, replies, missing)
            return replies

    async def run(self, calls: Sequence[Call | bytes]) -> list[Any]:
        """As `execute`, for calls of scripts that are run many times in one command."""
        commands, sizes = pack_calls(calls)
        try:
            return spread(await self.execute(commands), sizes)
        except LinkLostError as error:
            error.replies = spread(error.replies, sizes)
            raise

    async def call(self, packed: bytes, *, timeout_s: float | None = None) -> Any:
        """One command. Raises LinkLostError, or the server's error."""
        reply = (await self.execute((packed,), timeout_s=timeout_s))[0]
        if isinstance(reply, RedisError):
            raise reply
        return reply

    async def load_scripts(self, sources: Sequence[bytes]) -> None:
        """Make scripts known to the server beforehand."""
        await self.execute([command("SCRIPT", "LOAD", source) for source in sources])

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)

    async def _connected(self) -> AbstractConnection:
        if self._connection is None:
            connection: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
            try:
                if self._name is not None:
                    await connection.send_command("CLIENT", "SETNAME", self._name)
                    await connection.read_response()
            except BaseException:
                await connection.disconnect(nowait=True)
                await self._pool.release(connection)
                raise
            self._connection = connection
        return self._connection

    async def _round_trip(self, commands: Sequence[bytes], timeout_s: float | None) -> list[Any]:
        replies: list[Any] = []
        complete = False
        task = asyncio.current_task()
        cancels = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                connection = await self._connected()
                await connection.send_packed_command(b"".join(commands), check_health=False)
                # redis-py sends within asyncio.wait_for, which before Python 3.12 can swallow a cancel.
                if task and task.cancelling() > cancels:
                    raise asyncio.CancelledError
                read = connection.read_response
                for _ in commands:
                    try:
                        replies.append(await read(timeout=math.inf, disconnect_on_error=False))
                    except RedisConnectionError:
                        raise
                    except RedisError as error:
                        replies.append(error)
            complete = True
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise LinkLostError(str(error) or type(error).__name__, replies) from error
        finally:
            if not complete:  # also when cancelled: replies may still be under way
                await self.aclose()
        return replies

    async def _resend_unknown_scripts(
        self, commands: Sequence[bytes], replies: list[Any], missing: Sequence[int]
    ) -> None:
        again = [commands[index] for index in missing]
        scripts = {script.sha: script for script in map(script_of, again) if script is not None}
        loads = [command("SCRIPT", "LOAD", script.source) for script in scripts.values()]
        try:
            fresh = (await self._round_trip([*loads, *again], None))[len(loads) :]
        except LinkLostError as error:
            arrived = iter(error.replies[len(loads) :])
            raise LinkLostError(str(error), _until_gap(replies, missing, arrived)) from error
        for index, reply in zip(missing, fresh, strict=True):
            replies[index] = reply


def _until_gap(replies: Sequence[Any], missing: Sequence[int], arrived: Any) -> list[Any]:
    """The replies up to the first one that is in doubt."""
    known: list[Any] = []
    gaps = set(missing)
    for index, reply in enumerate(replies):
        if index in gaps:
            try:
                reply = next(arrived)
            except StopIteration:
                break
        known.append(reply)
    return known
