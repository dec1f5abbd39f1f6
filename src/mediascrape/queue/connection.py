"""Clients for Valkey and Redis with the settings the queue needs, and what a server must offer.

redis-py resends a command when its reply is lost. A script that has run and is sent again adds a
job twice, orphans a claim or reports a lost lock, so every client made here resends nothing: the
caller knows what may be done again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from mediascrape.errors import ConfigurationError, QueueUnavailableError
from mediascrape.queue.address import is_cluster, pool_of

#: The oldest versions whose commands the scripts of BullMQ 6 use.
OLDEST = {"redis": (6, 2), "valkey": (7, 2)}


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Times in seconds.

    connect_timeout: for the connection, TLS and login included.
    command_timeout: for the reply to any command that does not block on the server.
    health_check_interval: a connection that was idle longer is tried with PING before it is used.
    max_connections: of one client; a caller beyond it gets an error, so leave room.
    client_name: shown by CLIENT LIST.
    """

    connect_timeout: float = 5.0
    command_timeout: float = 30.0
    health_check_interval: int = 30
    max_connections: int = 64
    client_name: str | None = None


def connect(url: str, options: ConnectionOptions | None = None) -> Redis:
    """A client for commands that return at once. No connection is made before its first command.

    Raises ConfigurationError for a URL that names no server.
    """
    options = options or ConnectionOptions()
    times = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": options.command_timeout,
        "socket_connect_timeout": options.connect_timeout,
    }
    replies = {"decode_responses": True, "protocol": 2}  # the scripts' replies are read in RESP2's shapes
    pool = {
        "health_check_interval": options.health_check_interval,
        "max_connections": options.max_connections,
        "client_name": options.client_name,
    }
    try:
        return Redis.from_pool(pool_of(url, times | replies, pool))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{redact(url)} is not a usable Redis URL: {error}") from None


def redact(url: str) -> str:
    """The URL without its password, for messages and logs. Never raises."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    if "://" not in url:  # no URL: what stands before the address may be a password
        return url.rpartition("@")[2]
    login, at, place = parts.netloc.rpartition("@")
    if at and ":" in login:
        login = f"{login.partition(':')[0]}:***"
    query = "&".join(
        f"{item.partition('=')[0]}=***" if "password" in item.lower() else item
        for item in parts.query.split("&")
    )
    return f"{parts.scheme}://{login}{at}{place}{parts.path}{'?' if query else ''}{query}"


@contextmanager
def queue_errors(url: str) -> Iterator[None]:
    """Turn a client's errors about the server into ours, naming the server.

    QueueUnavailableError where waiting may help (gone, loading, full), ConfigurationError where the
    user must change something (login, rights, replica). Other replies of the server pass through:
    they are about the command.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        ours = explain(error, url)
        if ours is None:
            raise
        raise ours from error


def explain(error: BaseException, url: str) -> QueueUnavailableError | ConfigurationError | None:
    """Our error for one of the client's, or None where it is not about the server's state."""
    if isinstance(error, RedisConnectionError) and isinstance(error.__cause__, RedisError):
        error = error.__cause__  # what the server said to the login is wrapped up
    text = str(error) or type(error).__name__
    for kinds, prefixes, ours, sentence in _EXPLANATIONS:
        if isinstance(error, kinds) or text.startswith(prefixes):
            return ours(sentence.format(where=redact(url), text=text))
    return None


OurErrorType = type[QueueUnavailableError] | type[ConfigurationError]
#: (classes, beginnings of the reply, our error, its words); the first that fits is taken.
_EXPLANATIONS: tuple[tuple[tuple[type[BaseException], ...], tuple[str, ...], OurErrorType, str], ...] = (
    (
        (AuthenticationError,),
        ("NOAUTH", "WRONGPASS"),
        ConfigurationError,
        "{where} refuses the login ({text}); check user name and password",
    ),
    (
        (NoPermissionError,),
        ("NOPERM",),
        ConfigurationError,
        "{where} does not allow a command of the queue ({text}); widen the user's ACL",
    ),
    (
        (),
        ("DB index is out of range", "invalid DB index", "SELECT is not allowed in cluster mode"),
        ConfigurationError,
        "{where} has no database of that number ({text}); name another at the end of the URL, or in REDIS_DB",
    ),
    (
        (InvalidResponse,),
        (),
        ConfigurationError,
        "{where} is no Valkey or Redis: something else listens there ({text})",
    ),
    (
        (),
        ("DENIED",),
        ConfigurationError,
        "{where} has no password, so it takes nobody from elsewhere (protected-mode); set a password there",
    ),
    (
        (ReadOnlyError,),
        ("READONLY",),
        ConfigurationError,
        "{where} is a read-only replica; use the URL of its primary",
    ),
    (
        (BusyLoadingError,),
        ("LOADING",),
        QueueUnavailableError,
        "{where} is loading its data; try again in a moment",
    ),
    (
        (ClusterDownError, MasterDownError),
        ("NOREPLICAS",),
        QueueUnavailableError,
        "{where} takes nothing at the moment ({text}); look at its replicas or its cluster",
    ),
    (
        (OutOfMemoryError,),
        ("OOM ",),
        QueueUnavailableError,
        "{where} is out of memory; raise its maxmemory or drain the queue",
    ),
    (
        (),
        ("MISCONF",),
        QueueUnavailableError,
        "{where} cannot write to its disk; free some space there ({text})",
    ),
    (
        (RedisTimeoutError, TimeoutError),
        (),
        QueueUnavailableError,
        "{where} does not answer in time",
    ),
    (
        (RedisConnectionError, OSError),
        (),
        QueueUnavailableError,
        "{where} is out of reach: {text}",
    ),
)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server is; `warnings` are sentences for the operator."""

    product: str
    version: str
    eviction: str
    persistent: bool
    cluster: bool
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.product} {self.version}"


async def check_server(redis: Redis, url: str) -> ServerInfo:
    """Look whether the server can carry the queue.

    Raises ConfigurationError for one that evicts keys (it would drop jobs and locks), is too old or
    a replica, QueueUnavailableError for one that does not answer.
    """
    with queue_errors(url):
        info: dict[str, Any] = await redis.info()
        saves = await _snapshot_rules(redis)
    server = read_info(info, saves)
    where = redact(url)
    if info.get("role") == "slave":
        raise ConfigurationError(f"{where} is a read-only replica; use the URL of its primary")
    oldest = OLDEST.get(server.product)
    if oldest and _numbers(server.version) < oldest:
        raise ConfigurationError(
            f"{where} runs {server}; the queue needs Redis 6.2 or later, or Valkey 7.2 or later"
        )
    if server.cluster and not is_cluster(url):
        raise ConfigurationError(
            f"{where} is a node of a cluster; name the cluster as redis+cluster://HOST:PORT,HOST:PORT and give "
            "the queue a prefix in braces (MEDIASCRAPE_QUEUE_PREFIX={bull}), which keeps its keys on one node"
        )
    if server.eviction != "noeviction":
        raise ConfigurationError(
            f"{where} may evict jobs (maxmemory-policy is {server.eviction}); "
            "set it with: CONFIG SET maxmemory-policy noeviction, and in the server's configuration file"
        )
    return server


def read_info(info: dict[str, Any], snapshot_rules: str | None) -> ServerInfo:
    """ServerInfo from the reply to INFO and `save` (None where the server does not tell it)."""
    if "valkey_version" in info:
        product, version = "valkey", str(info["valkey_version"])
    elif "dragonfly_version" in info:
        product, version = "dragonfly", str(info["dragonfly_version"]).removeprefix("df-v")
    else:
        product, version = "redis", str(info.get("redis_version", "0"))
    append_only = bool(info.get("aof_enabled"))
    warnings = []
    if not append_only and snapshot_rules == "":
        warnings.append(
            "the server keeps nothing on disk: all jobs are lost when it ends; set appendonly yes"
        )
    elif not append_only:
        warnings.append("the server's append-only file is off: a crash loses recent jobs; set appendonly yes")
    return ServerInfo(
        product=product,
        version=version,
        eviction=str(info.get("maxmemory_policy", "noeviction")),
        persistent=append_only or snapshot_rules != "",
        cluster=bool(info.get("cluster_enabled")),
        warnings=tuple(warnings),
    )


async def _snapshot_rules(redis: Redis) -> str | None:
    try:
        return str((await redis.config_get("save")).get("save", ""))
    except ResponseError:  # managed services do not allow CONFIG
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
