"""A small HTTP/2 origin over TLS, on the `h2` state machine."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events


@dataclass
class H2Origin:
    """Answers every stream with `body`; counts connections, and streams open at once."""

    body: bytes
    port: int = 0
    connections: int = 0
    streams: int = 0
    most_streams: int = 0
    resets: int = 0
    #: Streams wait for this before their bodies are sent.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self, path: str = "/") -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await _Connection(self, reader, writer).run()


class _Connection:
    def __init__(self, origin: H2Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.origin = origin
        self.reader = reader
        self.writer = writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.window = asyncio.Condition()
        self.dead: set[int] = set()

    async def run(self) -> None:
        self.h2.initiate_connection()
        self.flush()
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            while data := await self.reader.read(65536):
                for event in self.h2.receive_data(data):
                    await self.on_event(event)
                self.flush()
        self.writer.close()

    async def on_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            assert event.stream_id is not None
            task = asyncio.create_task(self.answer(event.stream_id))
            self.origin.tasks.add(task)
            task.add_done_callback(self.origin.tasks.discard)
        elif isinstance(event, h2.events.StreamReset):
            assert event.stream_id is not None
            self.dead.add(event.stream_id)
            self.origin.resets += 1
        async with self.window:
            self.window.notify_all()

    async def answer(self, stream: int) -> None:
        self.origin.streams += 1
        self.origin.most_streams = max(self.origin.most_streams, self.origin.streams)
        try:
            await self.origin.gate.wait()
            await self.send(stream)
        finally:
            self.origin.streams -= 1

    async def send(self, stream: int) -> None:
        body = memoryview(self.origin.body)
        fields = [(":status", "200"), ("content-type", "text/html"), ("content-length", str(len(body)))]
        if stream in self.dead:
            return
        self.h2.send_headers(stream, fields)
        while body and stream not in self.dead:
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if size:
                self.h2.send_data(stream, bytes(body[:size]))
                body = body[size:]
                self.flush()
            else:
                async with self.window:
                    await self.window.wait()
        if stream not in self.dead:
            self.h2.end_stream(stream)
        self.flush()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.writer.write(data)


@contextlib.asynccontextmanager
async def h2_origin(context: ssl.SSLContext, body: bytes) -> AsyncIterator[H2Origin]:
    context.set_alpn_protocols(["h2", "http/1.1"])
    origin = H2Origin(body)
    origin.gate.set()
    server = await asyncio.start_server(origin.handle, "127.0.0.1", 0, ssl=context)
    origin.port = server.sockets[0].getsockname()[1]
    try:
        yield origin
    finally:
        server.close()
        for task in list(origin.tasks):
            task.cancel()
        await asyncio.gather(*origin.tasks, return_exceptions=True)
