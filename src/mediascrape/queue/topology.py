"""Servers whose address changes: the master that Sentinel names, the node that owns the queue's slot, what a
managed service's name leads to.

Every connection asks for the address when it is made. One that reaches a server which is no longer the
right one (it answers MOVED, READONLY and the like) is closed as lost, so that whoever used it does what
it does after any lost connection, and the next connection asks anew.

All keys of a queue lie in one slot of a cluster, so one node serves it: nothing is ever routed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import (
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import Sentinel
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

Address = tuple[str, int]
Locate = Callable[[], Awaitable[Address]]

#: Seconds before a server is asked again that has just refused.
_AGAIN_S = 0.25
#: The server is not, or not yet, the one for the queue.
_WRONG_SERVER = (MovedError, AskError, ClusterDownError, TryAgainError, MasterDownError, ReadOnlyError)


def _is_refusal(reply: object) -> bool:
    """NOREPLICAS: a master told to take nothing without a replica (`min-replicas-to-write`), as one that
    Sentinel is about to replace."""
    if isinstance(reply, _WRONG_SERVER):
        return True
    text = str(reply) if isinstance(reply, ResponseError) else ""
    # Redis 6.2 says of a script where in it the refusal was met.
    return text.startswith("NOREPLICAS") or ": -READONLY " in text or ": -NOREPLICAS " in text


class _Refusable:
    """What is mixed into redis-py's connections: a refusal is the loss of the connection."""

    _refused_by: tuple[object, ...] | None = None

    def _place(self) -> tuple[object, ...]:
        return tuple(getattr(self, name, None) for name in ("host", "port", "path"))

    async def _connect(self) -> None:
        if self._place() == self._refused_by:  # those who know have not noticed yet
            await asyncio.sleep(_AGAIN_S)
        await super()._connect()  # type: ignore[misc]

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """A reply. One of many calls in a script counts as lost when any of them was refused."""
        try:
            reply = await super().read_response(*arguments, **options)  # type: ignore[misc]
        except RedisError as error:
            if not _is_refusal(error):
                raise
            refusal: Exception = error
        else:
            refusals = [one for one in reply if _is_refusal(one)] if isinstance(reply, list) else ()
            if not refusals:
                return reply
            refusal = refusals[0]
        self._refused_by = self._place()
        await self.disconnect(nowait=True)  # type: ignore[attr-defined]
        where = ":".join(str(part) for part in self._refused_by if part is not None)
        raise RedisConnectionError(f"{where} is no longer the queue's: {refusal}") from refusal


class _TCP(_Refusable, Connection):
    pass


class _TLS(_Refusable, SSLConnection):
    pass


class _Socket(_Refusable, UnixDomainSocketConnection):
    pass


class _LocatedTCP(_TCP):
    """A connection to wherever `locate` says."""

    def __init__(self, *, locate: Locate, **options: Any) -> None:
        self._locate = locate
        super().__init__(**options)

    async def _connect(self) -> None:
        self.host, self.port = await self._locate()
        await super()._connect()


class _LocatedTLS(_LocatedTCP, _TLS):
    """The same over TLS."""


def fixed_pool(options: dict[str, Any]) -> ConnectionPool:
    """A pool of connections to one address or name. `options` as redis-py's pool takes them."""
    kinds = {SSLConnection: _TLS, UnixDomainSocketConnection: _Socket, Connection: _TCP}
    kind = kinds[options.get("connection_class", Connection)]
    return ConnectionPool(**{**options, "connection_class": kind})


def located_pool(locate: Locate, options: dict[str, Any]) -> ConnectionPool:
    """A pool of connections to wherever `locate` says at the time. `options` as redis-py's pool takes
    them, without host and port."""
    tls = issubclass(options.get("connection_class", Connection), SSLConnection)
    kind = _LocatedTLS if tls else _LocatedTCP
    return ConnectionPool(**{**options, "connection_class": kind, "locate": locate})


class SentinelMaster:
    """The address of the master of this name, as the first sentinel that answers has it.

    options: of the connections to the sentinels, TLS and login included.
    """

    def __init__(self, sentinels: Sequence[Address], name: str, options: dict[str, Any]) -> None:
        self._sentinels = list(sentinels)
        self._name = name
        self._options = options

    async def __call__(self) -> Address:
        sentinel = Sentinel(self._sentinels, sentinel_kwargs=self._options)  # type: ignore[no-untyped-call]
        try:
            host, port = await sentinel.discover_master(self._name)
        finally:
            await sentinel.aclose()
        return host, int(port)


class SlotOwner:
    """The address of the cluster's node that owns the slot of `key`, asked of any node that answers.

    options: of the connections to the nodes, TLS and login included.
    """

    def __init__(self, nodes: Sequence[Address], key: str, options: dict[str, Any]) -> None:
        self._nodes = list(nodes)
        self._slot = int(key_slot(key.encode()))
        self._options = options

    async def __call__(self) -> Address:
        failures = []
        for host, port in self._nodes:
            client = Redis(host=host, port=port, **self._options)
            try:
                ranges = await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
            except (RedisError, OSError) as error:
                failures.append(f"{host}:{port}: {error}")
                continue
            finally:
                await client.aclose()
            for first, last, owner, *replicas in ranges:
                if first <= self._slot <= last:
                    address = owner[0] or host, int(owner[1])
                    self._remember([address, *((node[0] or host, int(node[1])) for node in replicas)])
                    return address
            failures.append(f"{host}:{port}: slot {self._slot} is not served")
        raise RedisConnectionError("; ".join(failures))

    def _remember(self, found: Sequence[Address]) -> None:
        """The nodes that serve the slot are asked before those that were given."""
        self._nodes = [*found, *(node for node in self._nodes if node not in found)][:64]
