"""A PostgreSQL server of one's own for tests, from Debian's packages, on a Unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def binaries() -> Path | None:
    """The newest installed PostgreSQL, or None."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


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
        command = ("-h", str(self._directory), "-U", "mediascrape", "-d", "postgres", "-qc")
        self._run("psql", *command, f"CREATE SCHEMA {schema}")
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
        server = PostgreSQLServer(bin_, Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
