"""The other implementations of BullMQ that the tests talk to."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
QUEUE = "conformance"
#: Seconds to wait for anything that must happen.
PATIENCE = 15.0


class NodePeer:
    """A Node process with BullMQ's Queue, Worker, QueueEvents and Bull Board (`peer.mjs`), attached to
    the running loop and to one queue."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.happenings: list[dict[str, Any]] = []
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Condition()

    async def attach(self, socket_path: Path, queue_name: str) -> None:
        """The process outlives the loop, so the loop gets pipes of its own."""
        assert self.process.stdout is not None
        reader = asyncio.StreamReader(limit=1 << 24)
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader),
            os.fdopen(os.dup(self.process.stdout.fileno()), "rb", 0),
        )
        self._reading = asyncio.create_task(self._read(reader))
        await self.call("open", socketPath=str(socket_path), queueName=queue_name)

    async def detach(self) -> None:
        if self.process.poll() is None:
            await self.call("close")
        self._pipe.close()
        await self._reading

    async def call(self, operation: str, **options: Any) -> Any:
        """Raises RuntimeError with Node's message when the operation fails there."""
        number = len(self._replies)
        future = self._replies[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        line = json.dumps({"request": number, "operation": operation, **options})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        async with asyncio.timeout(PATIENCE):
            return await future

    async def happening(self, what: str, count: int = 1, **details: Any) -> list[dict[str, Any]]:
        """Waits until it has happened that often; what is known of each time."""

        def fits(happening: dict[str, Any]) -> bool:
            return all(happening.get(key) == value for key, value in {"happened": what, **details}.items())

        def found() -> list[dict[str, Any]]:
            return [happening for happening in self.happenings if fits(happening)]

        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(lambda: len(found()) >= count)
        except TimeoutError:
            raise AssertionError(f"{what} {details} not {count} times in {self.happenings}") from None
        return found()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        async for line in reader:
            message = json.loads(line)
            if "happened" in message:
                async with self._news:
                    self.happenings.append(message)
                    self._news.notify_all()
            elif "error" in message:
                self._replies[message["request"]].set_exception(RuntimeError(message["error"]))
            else:
                self._replies[message["request"]].set_result(message["result"])
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(RuntimeError("the Node process has ended"))

    def kill(self) -> None:
        """Gone without a word."""
        self.process.kill()
        self.process.wait()


@contextmanager
def node_process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        ["node", HERE / "peer.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def node_peer(
    process: subprocess.Popen[bytes], socket_path: Path, queue_name: str
) -> AsyncIterator[NodePeer]:
    peer = NodePeer(process)
    await peer.attach(socket_path, queue_name)
    try:
        yield peer
    finally:
        await peer.detach()


@asynccontextmanager
async def doomed_peer(socket_path: Path, queue_name: str) -> AsyncIterator[NodePeer]:
    """In a process of its own, to be killed."""
    with node_process() as process:
        async with node_peer(process, socket_path, queue_name) as peer:
            yield peer


async def until(condition: Callable[[], Any]) -> Any:
    """The first true value of a condition (a function, or one that gives an awaitable)."""
    async with asyncio.timeout(PATIENCE):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)
