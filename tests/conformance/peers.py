"""The other implementations of BullMQ that the tests talk to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
QUEUE = "conformance"
#: Seconds to wait for anything that must happen.
PATIENCE = 15.0


class NodePeer:
    """A Node process with BullMQ's Queue, Worker, QueueEvents and Bull Board (`peer.mjs`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.happenings: list[dict[str, Any]] = []
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def call(self, operation: str, **options: Any) -> Any:
        """Raises RuntimeError with Node's message when the operation fails there."""
        number = len(self._replies)
        future = self._replies[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        line = json.dumps({"request": number, "operation": operation, **options})
        self.process.stdin.write(line.encode() + b"\n")
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

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
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

    async def kill(self) -> None:
        """Gone without a word."""
        self.process.kill()
        await self.process.wait()

    async def aclose(self) -> None:
        if self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self._reading


@asynccontextmanager
async def node_peer(socket_path: Path, queue_name: str) -> AsyncIterator[NodePeer]:
    process = await asyncio.create_subprocess_exec(
        "node", HERE / "peer.mjs", socket_path, queue_name,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    peer = NodePeer(process)
    try:
        yield peer
    finally:
        await peer.aclose()


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
