"""An origin on loopback that misbehaves on request: raw sockets, one handler a path."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Handler = Callable[["Request"], Awaitable[None]]

PAGE = b"<!doctype html><title>a page</title><p>and its text"


@dataclass
class Request:
    """One request as it came, and the means to answer it byte by byte."""

    path: str
    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep_open: bool = False

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self, status: str = "200 OK", body: bytes = PAGE, **headers: str) -> None:
        """A whole and honest answer; header names are given with underscores."""
        fields = {"content_type": "text/html; charset=utf-8", "content_length": str(len(body))} | headers
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
        await self.send("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body)
        self.keep_open = True

    async def redirect(self, to: str, status: str = "302 Found") -> None:
        await self.answer(status, b"moved", location=to)

    async def hold(self, gate: asyncio.Event) -> None:
        """Waits for the gate, or for the client to hang up."""
        waits = [asyncio.create_task(gate.wait()), asyncio.create_task(self.reader.read(1))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not gate.is_set():
            raise ConnectionError

    def reset(self) -> None:
        """Ends the connection with RST, as a crash of the host would."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class HostileOrigin:
    """`handlers[path]` answers; `requests` and `connections` say what came."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    port: int = 0
    scheme: str = "http"
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def on(self, path: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.handlers[path] = handler
            return handler

        return register

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                keep_open = True
                while keep_open:
                    keep_open = await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._tasks.discard(task)
            self.open_connections -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        request = Request(path, head, reader, writer)
        self.requests.append(request)
        handler = self.handlers.get(path) or self.handlers.get("*")
        await (handler(request) if handler else request.answer())
        return request.keep_open

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def hostile_origin(
    *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[HostileOrigin]:
    origin = HostileOrigin(scheme="https" if tls else "http")
    server = await asyncio.start_server(origin.handle, host, 0, ssl=tls, backlog=4096)
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
    finally:
        server.close()
        await origin.stop()
        await server.wait_closed()
