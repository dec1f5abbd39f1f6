"""The clients' settings, seen from the server's side, and what is said of servers that do not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from redis.exceptions import RedisError, ResponseError

from mediascrape.errors import ConfigurationError, QueueUnavailableError
from mediascrape.queue.connection import (
    ConnectionOptions,
    check_server,
    connect,
    queue_errors,
    read_info,
    redact,
)
from mediascrape.queue.embedded import EmbeddedValkey

OLD = {"redis_version": "5.0.14", "maxmemory_policy": "noeviction", "aof_enabled": 1}


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with EmbeddedValkey(tmp_path) as valkey:
        yield valkey.url


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    async with client_of(url) as client:
        yield client


class Server:
    """A TCP server that answers OK to a login and `reply` to all else; None cuts the connection."""

    def __init__(self, reply: bytes | None) -> None:
        self.reply = reply
        self.asked: list[bytes] = []
        self.connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://:secret@127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (count := await reader.readline()).startswith(b"*"):
            words = []
            for _ in range(int(count[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2])
            if words[0] in (b"AUTH", b"CLIENT"):
                writer.write(b"+OK\r\n")
                continue
            self.asked.append(words[0])
            if self.reply is None:  # taken and carried out, the reply lost
                break
            writer.write(self.reply)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def client_of(url: str, options: ConnectionOptions | None = None) -> AsyncIterator[Redis]:
    client = connect(url, options)
    try:
        yield client
    finally:
        await client.aclose()


async def test_a_script_whose_reply_is_lost_is_not_sent_again() -> None:
    server = Server(None)
    async with server as url, client_of(url) as client:
        with pytest.raises(QueueUnavailableError), queue_errors(url):
            await client.evalsha("f" * 40, 0)
    assert server.asked == [b"EVALSHA"]


async def test_replies_are_text_in_the_shapes_of_the_older_protocol(redis: Redis) -> None:
    await redis.hset("job", mapping={"name": "scrape-page"})
    assert await redis.eval("return redis.call('HGETALL', 'job')", 0) == ["name", "scrape-page"]


async def test_a_reply_that_does_not_come_in_time(url: str) -> None:
    async with client_of(url, ConnectionOptions(command_timeout=0.1)) as client:
        with pytest.raises(QueueUnavailableError, match="in time"), queue_errors(url):
            await client.bzpopmin("marker", 0.4)


async def test_the_server_knows_the_client_by_name(url: str) -> None:
    async with client_of(url, ConnectionOptions(client_name="bull:bWVkaWE=")) as client:
        assert await client.client_getname() == "bull:bWVkaWE="


@pytest.mark.parametrize("scheme", ["unix", "UNIX"])
async def test_a_socket_url(url: str, scheme: str) -> None:
    async with client_of(url.replace("unix", scheme, 1)) as client:
        assert await client.ping()


@pytest.mark.parametrize(
    ("url", "host", "tls"),
    [
        ("redis://10.0.0.1:7000/3", "10.0.0.1", False),
        ("valkey://u:p@[::1]:7000/3", "::1", False),
        ("rediss://h:7000/3", "h", True),
        ("valkeys://h:7000/3", "h", True),
    ],
)
def test_url_forms(url: str, host: str, tls: bool) -> None:
    pool = connect(url).connection_pool
    assert (pool.connection_kwargs["host"], pool.connection_kwargs["port"]) == (host, 7000)
    assert pool.connection_kwargs["db"] == 3
    assert issubclass(pool.connection_class, SSLConnection) is tls


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://h", "", "redis://h:secret", "redis://u:secret@h:99x/0"]
)
def test_what_is_not_a_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not a usable Redis URL") as caught:
        connect(url)
    if "@" in url:
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
        ("rediss://me:s%40cret@h/0", "rediss://me:***@h/0"),
        ("redis://h/0?password=secret&db=1", "redis://h/0?password=***&db=1"),
        ("unix:///run/valkey.sock?db=0", "unix:///run/valkey.sock?db=0"),
        ("redis://me:secret@[h", "redis://…"),
        ("nonsense", "nonsense"),
        ("me:secret@h:6379", "h:6379"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


async def test_no_server_there() -> None:
    async with Server(None) as url:
        pass
    async with client_of(url) as client:
        with pytest.raises(QueueUnavailableError, match="out of reach") as caught:
            await check_server(client, url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (b"-LOADING Valkey is loading the dataset in memory\r\n", QueueUnavailableError, "loading its data"),
        (b"-NOAUTH Authentication required.\r\n", ConfigurationError, "refuses the login"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ConfigurationError, "something else listens there"),
        (b"-ERR DB index is out of range\r\n", ConfigurationError, "no database of that number"),
        (b"-NOPERM no permissions to run 'info'\r\n", ConfigurationError, "does not allow"),
        (b"-MISCONF Errors writing to the AOF file: No space\r\n", QueueUnavailableError, "free some space"),
        (b"-OOM command not allowed\r\n", QueueUnavailableError, "out of memory"),
        (b"-READONLY You can't write\r\n", ConfigurationError, "replica"),
        (
            b"-DENIED Running in protected mode because no password is set\r\n",
            ConfigurationError,
            "set a password there",
        ),
        (b"-MASTERDOWN Link with MASTER is down\r\n", QueueUnavailableError, "at the moment"),
        (b"-CLUSTERDOWN The cluster is down\r\n", QueueUnavailableError, "at the moment"),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", QueueUnavailableError, "at the moment"),
    ],
)
async def test_what_a_server_replies_becomes_advice(reply: bytes, kind: type[Exception], words: str) -> None:
    async with Server(reply) as url, client_of(url) as client:
        with pytest.raises(kind, match=words):
            await check_server(client, url)


async def test_replies_about_a_command_pass_through(redis: Redis, url: str) -> None:
    await redis.set("text", "x")
    with pytest.raises(ResponseError), queue_errors(url):
        await redis.incr("text")


async def test_a_wrong_login_is_a_matter_of_configuration(redis: Redis, url: str) -> None:
    await redis.acl_setuser("someone", enabled=True, passwords=["+right"], keys=["*"], categories=["+@all"])
    wrong = url + "?username=someone&password=wrong"
    async with client_of(wrong) as client:
        with pytest.raises(ConfigurationError, match="refuses the login"):
            await check_server(client, wrong)


async def test_a_server_that_evicts_is_refused(redis: Redis, url: str) -> None:
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigurationError, match="CONFIG SET maxmemory-policy noeviction"):
        await check_server(redis, url)


async def test_a_full_server_says_so(redis: Redis, url: str) -> None:
    await redis.config_set("maxmemory", "100kb")  # less than it takes when empty
    with pytest.raises(QueueUnavailableError, match="out of memory"), queue_errors(url):
        await redis.set("text", "x")


async def test_a_server_that_keeps_nothing_is_warned_of(redis: Redis, url: str) -> None:
    await redis.config_set("appendonly", "no")
    server = await check_server(redis, url)
    assert not server.persistent
    assert "nothing on disk" in server.warnings[0]
    await redis.config_set("save", "3600 1")
    server = await check_server(redis, url)
    assert server.persistent
    assert "append-only file is off" in server.warnings[0]


async def test_a_server_without_config_command(redis: Redis, url: str) -> None:
    await redis.acl_setuser(
        "default", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-config"]
    )
    assert (await check_server(redis, url)).product == "valkey"


async def test_an_old_server_is_refused() -> None:
    body = "\r\n".join(f"{name}:{value}" for name, value in OLD.items()).encode()
    async with Server(b"$%d\r\n%s\r\n" % (len(body), body)) as url, client_of(url) as client:
        with pytest.raises((ConfigurationError, RedisError), match=r"5\.0\.14"):
            await check_server(client, url)


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "valkey 9.1.2"),
        ({"redis_version": "8.0.1"}, "redis 8.0.1"),
        ({"redis_version": "7.4.0", "dragonfly_version": "df-v1.30.0"}, "dragonfly 1.30.0"),
    ],
)
def test_products(info: dict[str, object], name: str) -> None:
    assert str(read_info(info, None)) == name
