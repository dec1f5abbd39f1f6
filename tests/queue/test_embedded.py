"""The embedded server against real processes: who keeps it, what ends it, what it says."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from mediascrape.errors import ConfigurationError, QueueUnavailableError
from mediascrape.queue import embedded
from mediascrape.queue.connection import check_server, connect
from mediascrape.queue.embedded import EmbeddedOptions, EmbeddedValkey

HOLDER = """
import asyncio, sys
from pathlib import Path
from mediascrape.queue.embedded import EmbeddedValkey
async def main():
    async with EmbeddedValkey(Path(sys.argv[1])) as valkey:
        print(valkey.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""
PATIENCE = 20.0


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Redis]:
    redis = connect(url)
    try:
        yield redis
    finally:
        await redis.aclose()


@asynccontextmanager
async def holder(
    data_dir: Path, program: str = HOLDER
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Another process that holds the server of the directory, and the URL it got."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, data_dir,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def pid_of(url: str) -> int:
    async with client(url) as redis:
        return int((await redis.info("server"))["process_id"])


def parent_of(pid: int) -> int:
    asked = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(asked.stdout)


def runs(pid: int) -> bool:
    """Whether the process lives; a zombie that nobody has reaped does not."""
    asked = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip() not in ("", "Z", "Zs")


async def until_gone(*pids: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while any(runs(pid) for pid in pids):
            await asyncio.sleep(0.02)


async def until_answers(url: str, *, other_than: int) -> int:
    """The pid of the server once another one than `other_than` answers."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                pid = await pid_of(url)
            except Exception:
                pid = other_than
            if pid != other_than:
                return pid
            await asyncio.sleep(0.02)


async def test_what_was_written_survives_a_restart(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        await redis.set("job", "1")
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        assert await redis.get("job") == "1"


async def test_it_is_fit_for_the_queue(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        server = await check_server(redis, valkey.url)
        fsync = (await redis.config_get("appendfsync"))["appendfsync"]
    assert (server.eviction, server.persistent, server.warnings) == ("noeviction", True, ())
    assert fsync == "everysec"


async def test_options_reach_the_server(tmp_path: Path) -> None:
    options = EmbeddedOptions(appendfsync="always")
    async with EmbeddedValkey(tmp_path, options) as valkey, client(valkey.url) as redis:
        config = await redis.config_get("appendfsync", "maxmemory")
    assert config == {"appendfsync": "always", "maxmemory": "0"}


async def test_nobody_else_can_reach_it(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        assert (await redis.config_get("port"))["port"] == "0"
        assert (tmp_path / "valkey").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "valkey" / "valkey.sock").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "valkey" / "control.sock").stat().st_mode & 0o077 == 0


async def test_a_directory_that_others_could_enter_is_closed(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir(mode=0o755)
    async with EmbeddedValkey(tmp_path):
        assert (tmp_path / "valkey").stat().st_mode & 0o777 == 0o700


async def test_stop_returns_after_the_server_has_ended(tmp_path: Path) -> None:
    valkey = EmbeddedValkey(tmp_path)
    pid = await pid_of(await valkey.start())
    await valkey.stop()
    assert not runs(pid)
    await valkey.stop()


async def test_many_starters_at_once_get_one_server(tmp_path: Path) -> None:
    valkeys = [EmbeddedValkey(tmp_path) for _ in range(8)]
    urls = await asyncio.gather(*(valkey.start() for valkey in valkeys))
    pids = {await pid_of(url) for url in urls}
    await asyncio.gather(*(valkey.stop() for valkey in valkeys))
    assert len(pids) == 1
    await until_gone(*pids)


async def test_starts_and_stops_that_overlap_never_see_a_dead_server(tmp_path: Path) -> None:
    async def come_and_go() -> None:
        for _ in range(6):
            async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
                await redis.incr("visits")

    await asyncio.gather(*(come_and_go() for _ in range(4)))
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        assert await redis.get("visits") == "24"


async def test_two_processes_share_it_until_the_last_one_goes(tmp_path: Path) -> None:
    async with holder(tmp_path) as (process, url):
        valkey = EmbeddedValkey(tmp_path)
        assert await valkey.start() == url
        pid = await pid_of(url)
        process.stdin.close()  # type: ignore[union-attr]
        assert await process.wait() == 0
        assert await pid_of(url) == pid
        await valkey.stop()
    assert not runs(pid)


async def test_it_starts_under_uvloop(tmp_path: Path) -> None:
    program = HOLDER.replace("import asyncio", "import asyncio, uvloop").replace("asyncio.run", "uvloop.run")
    async with holder(tmp_path, program) as (process, url):
        pid = await pid_of(url)
        process.kill()
        await process.wait()
    await until_gone(pid)


async def test_killing_one_of_two_owners_leaves_it_to_the_other(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        pid = await pid_of(valkey.url)
        async with holder(tmp_path) as (process, _):
            process.kill()
            await process.wait()
        async with client(valkey.url) as redis:
            assert await redis.ping()
        assert await pid_of(valkey.url) == pid


async def test_no_server_is_left_when_its_owner_is_killed(tmp_path: Path) -> None:
    async with holder(tmp_path) as (process, url):
        pid = await pid_of(url)
        supervisor = parent_of(pid)
        async with client(url) as redis:
            await redis.set("job", "kept")
        process.kill()
        await process.wait()
    await until_gone(pid, supervisor)
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        assert await redis.get("job") == "kept"


async def test_a_crashed_server_is_run_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        for crash in range(3):
            async with client(valkey.url) as redis:
                await redis.set("job", crash)
            pid = await pid_of(valkey.url)
            os.kill(pid, signal.SIGKILL)
            await until_answers(valkey.url, other_than=pid)
            async with client(valkey.url) as redis:
                assert await redis.get("job") == str(crash)
    assert "is run again" in caplog.text


async def test_a_killed_supervisor_is_replaced(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        pid = await pid_of(valkey.url)
        async with client(valkey.url) as redis:
            await redis.set("job", "kept")
        os.kill(parent_of(pid), signal.SIGKILL)
        successor = await until_answers(valkey.url, other_than=pid)
        async with client(valkey.url) as redis:
            assert await redis.get("job") == "kept"
    await until_gone(pid, successor)


async def test_signals_meant_for_the_owner_do_not_end_the_server(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        pid = await pid_of(valkey.url)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(parent_of(pid), number)
        assert os.getpgid(pid) != os.getpgid(0)  # Ctrl-C goes to the terminal's foreground group
        assert os.getsid(pid) == os.getsid(0)  # Linux shares out the processor by session first
        assert await pid_of(valkey.url) == pid


async def test_a_data_directory_with_a_long_name(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30) / ("name" * 30)
    async with EmbeddedValkey(data_dir) as one, EmbeddedValkey(data_dir) as other:
        assert one.url == other.url
        sockets = Path((data_dir / "valkey" / "sockets").readlink())
        assert sockets.stat().st_mode & 0o777 == 0o700
        async with client(one.url) as redis:
            await redis.set("job", "kept")
    sockets.chmod(0o755)  # no longer private: another one takes its place
    async with EmbeddedValkey(data_dir) as valkey, client(valkey.url) as redis:
        assert await redis.get("job") == "kept"
        assert Path((data_dir / "valkey" / "sockets").readlink()) != sockets


async def test_a_data_directory_with_odd_characters(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "my data #1 'é' %41") as valkey, client(valkey.url) as redis:
        assert await redis.ping()


async def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="MEDIASCRAPE_DATA_DIR"):
        await EmbeddedValkey(tmp_path / "file").start()


async def test_a_directory_without_write_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    me = os.geteuid()
    if me == 0:  # root may write everywhere, nobody may not
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigurationError, match="you may write to"):
            await EmbeddedValkey(tmp_path).start()
    finally:
        os.seteuid(me)
        tmp_path.chmod(0o700)


async def test_a_damaged_file_is_named_and_can_be_mended(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        await redis.set("before", "1")
        await redis.set("after", "1")
    written = next((tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof"))
    written.write_bytes(written.read_bytes().replace(b"*3", b"?3", 2).replace(b"?3", b"*3", 1))

    with pytest.raises(ConfigurationError, match="damaged") as caught:
        await EmbeddedValkey(tmp_path).start()
    command = str(caught.value).partition("with: ")[2]
    subprocess.run(command, shell=True, input=b"y\n", check=True, capture_output=True)

    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        assert (await redis.get("before"), await redis.get("after")) == ("1", None)


async def test_a_file_cut_short_by_a_crash_mends_itself(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        await redis.set("before", "1")
        await redis.set("torn", "1")
    written = next((tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof"))
    written.write_bytes(written.read_bytes()[:-5])
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        assert (await redis.get("before"), await redis.get("torn")) == ("1", None)


async def test_files_of_a_newer_server(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path):
        pass
    base = next((tmp_path / "valkey" / "appendonlydir").glob("*.base.rdb"))
    content = base.read_bytes()
    for magic in (b"REDIS0", b"VALKEY"):
        content = content.replace(magic + content[6:9], magic + b"999", 1)
    base.write_bytes(content)
    with pytest.raises(ConfigurationError, match="newer Valkey or Redis"):
        await EmbeddedValkey(tmp_path).start()


async def test_no_server_for_this_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="install valkey-server"):
        await EmbeddedValkey(tmp_path).start()


async def test_a_server_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(embedded.server_binary())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    async with EmbeddedValkey(tmp_path) as valkey, client(valkey.url) as redis:
        assert await redis.ping()


async def test_a_server_that_never_gets_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(embedded, "server_binary", lambda: program)
    with pytest.raises(QueueUnavailableError, match="was not ready after"):
        await EmbeddedValkey(tmp_path, EmbeddedOptions(start_timeout_s=0.3)).start()


async def test_a_server_that_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\necho '1:M 01 Jan # Fatal: out of luck'\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(embedded, "server_binary", lambda: program)
    with pytest.raises(QueueUnavailableError, match="out of luck"):
        await EmbeddedValkey(tmp_path).start()


async def test_a_cancelled_start_leaves_nothing_running(tmp_path: Path) -> None:
    valkey = EmbeddedValkey(tmp_path)
    starting = asyncio.create_task(valkey.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with EmbeddedValkey(tmp_path) as other:
        pid = await pid_of(other.url)
    assert not runs(pid)


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        ("Can't open or create append-only dir: No space left on device", QueueUnavailableError, "is full"),
        ("Can't open the append-only file x: Permission denied", ConfigurationError, "mend the rights"),
        ("Can't open the append-only file x: Read-only file system", ConfigurationError, "mend the rights"),
        ("Bad file format reading the append only file", ConfigurationError, "valkey-check-aof"),
        ("anything else", QueueUnavailableError, "valkey.log"),
    ],
)
def test_what_a_server_said_becomes_advice(said: str, kind: type[Exception], advice: str) -> None:
    error = embedded._explain(said, Path("/data/valkey"))
    assert isinstance(error, kind)
    assert advice in str(error)
