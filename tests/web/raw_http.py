"""An HTTP client that shows what is on the wire: real sockets, bytes in, status, headers and body out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from mediascrape import Mediascrape
from mediascrape.web.app import open_app
from mediascrape.web.server import serving


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection, kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    async def open(cls, url: str) -> Self:
        host, port = urlsplit(url).netloc.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        return cls(reader, writer, f"{host}:{port}")

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        """Keyword names stand for header names, `_` for `-`; an empty value leaves a header out."""
        lines = {"host": self._host, "content-length": str(len(body)), "content-type": "application/json"}
        lines |= {name.replace("_", "-"): text for name, text in headers.items()}
        head = "".join(f"{name}: {text}\r\n" for name, text in lines.items() if text)
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)

    def send_raw(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): text.strip() for name, _, text in (line.partition(":") for line in head[1:] if line)
        }
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self._reader.readline(), 16):
                body += await self._reader.readexactly(size)
                await self._reader.readline()
            await self._reader.readline()
        else:
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, body)

    async def ended(self) -> bool:
        """Waits for the server to close."""
        return await self._reader.read() == b""

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        self.send(method, path, body, **headers)
        async with asyncio.timeout(20):
            return await self.receive()

    def close(self) -> None:
        self._writer.close()


async def call(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """One request on a connection of its own."""
    connection = await Connection.open(url)
    try:
        return await connection.call(method, path, body, **headers)
    finally:
        connection.close()


@asynccontextmanager
async def served(service: Mediascrape) -> AsyncIterator[str]:
    """The service's web application on a port of loopback."""
    async with open_app(service) as app, serving(app, "127.0.0.1", 0) as url:
        yield url
