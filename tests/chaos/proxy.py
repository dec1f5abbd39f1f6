"""A proxy in front of the queue's server that delays, or carries out and then says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Proxy:
    """`delay_s` is added to every request. While `cuts` is above 0, a request that holds `needle`
    is carried out, and the connection closed with its reply withheld."""

    upstream: Path
    path: Path
    needle: bytes = b"\0never"
    cuts: int = 0
    cut: int = 0
    delay_s: float = 0.0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self.upstream)
        withheld = asyncio.Event()
        replies = asyncio.create_task(self._replies(server_reader, writer, withheld))
        self.tasks.add(replies)
        try:
            while chunk := await reader.read(1 << 20):
                await asyncio.sleep(self.delay_s)
                doomed = self.cuts > 0 and self.needle in chunk
                if doomed:
                    self.cuts -= 1
                    self.cut += 1
                    withheld.set()
                server_writer.write(chunk)
                await server_writer.drain()
                if doomed:
                    await replies  # ends once the server has answered: it has carried the request out
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            replies.cancel()
            self.tasks.discard(replies)
            for each in (writer, server_writer):
                each.close()

    async def _replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, withheld: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(1 << 20):
                if withheld.is_set():
                    return
                writer.write(chunk)


@asynccontextmanager
async def proxy_before(upstream: Path, path: Path) -> AsyncIterator[Proxy]:
    proxy = Proxy(upstream, path)
    server = await asyncio.start_unix_server(proxy.serve, path, limit=1 << 20)
    try:
        yield proxy
    finally:
        server.close()
        for task in list(proxy.tasks):
            task.cancel()
        await asyncio.sleep(0.05)
