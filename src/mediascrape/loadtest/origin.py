"""A simulated origin: many hosts in one process, cheap enough never to be what limits a test.

    python -m mediascrape.loadtest.origin --hosts 640 --latency 4 --fault 404=0.01

It answers prebuilt bytes from a raw `asyncio.Protocol`, one listening socket per host, and counts
what it was asked. Its first line on stdout is JSON: `{"pid": …, "bases": ["http://127.1.0.1:PORT", …]}`.
It ends when its parent does.

Paths: `/p/N/` page N (with the faults of the mix); `/KIND/N/` page N with that fault, KIND one of
`options.FAULTS`; `/private/N/` page N, forbidden by the default robots.txt; `/redirect/N/` to `/p/N/`;
`/robots.txt`; `/__stats` the counts as JSON (`/__stats?paths` with requests by path as well).
Anything else is 404.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import socket
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

from mediascrape.loadtest.answers import Answer, Answers, build, fault_of
from mediascrape.loadtest.options import OriginOptions, parse_arguments, parse_latency

_PARENT_CHECK_S: Final = 0.5
_HUGE_CHUNK: Final = b"<p>" + b"without an end " * 1024 + b"</p>\n"
_HUGE_LIMIT: Final = 1 << 30
_MAX_HEAD: Final = 64 * 1024


@dataclass(slots=True)
class HostCount:
    """One host's requests; `in_flight` runs from the request's arrival until its answer left the process."""

    base: str
    requests: int = 0
    in_flight: int = 0
    max_in_flight: int = 0


@dataclass(slots=True)
class Counts:
    """What the origin was asked and what it did."""

    hosts: list[HostCount] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    connections: int = 0
    open_connections: int = 0
    max_open_connections: int = 0
    aborted: int = 0
    bytes_sent: int = 0

    def snapshot(self, *, with_paths: bool) -> dict[str, object]:
        pages = {path: n for path, n in self.paths.items() if path != "/robots.txt"}
        result: dict[str, object] = {
            "requests": self.requests,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "connections": self.connections,
            "open_connections": self.open_connections,
            "max_open_connections": self.max_open_connections,
            "aborted": self.aborted,
            "bytes_sent": self.bytes_sent,
            "distinct_pages": len(pages),
            "repeated_pages": sum(n - 1 for n in pages.values()),
            "statuses": dict(self.statuses),
            "hosts": {h.base: {"requests": h.requests, "max_in_flight": h.max_in_flight} for h in self.hosts},
        }
        return {**result, "paths": dict(self.paths)} if with_paths else result


class Origin:
    """What all connections share: the answers, the counts, the latency."""

    def __init__(self, options: OriginOptions) -> None:
        self.options = options
        self.answers = Answers(options)
        self.counts = Counts()
        self.delay = parse_latency(options.latency, random.Random(f"{options.seed}/latency"))
        self.loop = asyncio.get_running_loop()
        self._seen_flaky: set[str] = set()

    def decide(self, path: str, head: bytes) -> tuple[str, Answer | None]:
        """(label for the counts, response); no response means the connection plays out the fault `label`."""
        kind, number = _split(path)
        if kind == "p":
            kind = fault_of(number, self.options) or "p"
        answer: Answer
        match kind:
            case "p" | "private":
                answer = self.answers.page(number, head)
            case "flaky":
                first = path not in self._seen_flaky
                self._seen_flaky.add(path)
                answer = self.answers.faults["500"] if first else self.answers.page(number, head)
            case "redirect" | "loop":
                answer = build(302, location=f"/p/{number}/" if kind == "redirect" else path)
            case "robots":
                answer = self.answers.robots
            case "bomb":
                answer = self.answers.bomb
            case "hang" | "drip" | "huge" | "reset" | "truncate":
                return kind, None
            case _:
                answer = self.answers.faults.get(kind, self.answers.faults["404"])
        return str(answer.status), answer


def _split(path: str) -> tuple[str, int]:
    if path == "/robots.txt":
        return "robots", 0
    parts = path.split("/")
    if len(parts) >= 3 and parts[2].isdigit() and parts[2].isascii():
        return parts[1], int(parts[2])
    return "404", 0


class Connection(asyncio.Protocol):
    """One client connection. Requests are answered one after the other."""

    __slots__ = ("_buffer", "_busy", "_host", "_later", "_origin", "_sent", "_transport")
    _transport: asyncio.Transport

    def __init__(self, origin: Origin, host: HostCount) -> None:
        self._origin = origin
        self._host = host
        self._buffer = b""
        self._busy = False
        self._later: asyncio.TimerHandle | None = None
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._transport.set_write_buffer_limits(high=0)  # resume_writing then means: everything left
        counts = self._origin.counts
        counts.connections += 1
        counts.open_connections += 1
        counts.max_open_connections = max(counts.max_open_connections, counts.open_connections)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._later:
            self._later.cancel()
        self._origin.counts.open_connections -= 1
        if self._busy:
            self._origin.counts.aborted += 1
            self._end_request()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy:
            self._next_request()

    def _next_request(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                self._transport.abort()
            return
        head, self._buffer = self._buffer[:end].lower(), self._buffer[end + 4 :]
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].decode("latin-1")
        if path.startswith("/__stats"):
            body = json.dumps(self._origin.counts.snapshot(with_paths=path.endswith("?paths"))).encode()
            self._transport.write(build(200, body, content_type="application/json").wire)
            return
        self._begin_request(path)
        if method not in {b"get", b"head"}:
            self._send("405", self._origin.answers.not_allowed, head_only=False)
            return
        delay = self._origin.delay()
        if delay:
            self._later = self._origin.loop.call_later(delay, self._answer, path, head)
        else:
            self._answer(path, head)

    def _begin_request(self, path: str) -> None:
        self._busy = True
        counts, host = self._origin.counts, self._host
        counts.requests += 1
        counts.paths[path] += 1
        counts.in_flight += 1
        host.requests += 1
        host.in_flight += 1
        counts.max_in_flight = max(counts.max_in_flight, counts.in_flight)
        host.max_in_flight = max(host.max_in_flight, host.in_flight)

    def _end_request(self) -> None:
        self._busy = False
        self._origin.counts.in_flight -= 1
        self._host.in_flight -= 1

    def _answer(self, path: str, head: bytes) -> None:
        self._later = None
        label, answer = self._origin.decide(path, head)
        if answer is None:
            self._origin.counts.statuses[label] += 1
            self._misbehave(label)
        else:
            self._send(label, answer, head_only=head.startswith(b"head "))

    def _send(self, label: str, answer: Answer, *, head_only: bool) -> None:
        data = answer.head if head_only else answer.wire
        counts = self._origin.counts
        counts.statuses[label] += 1
        counts.bytes_sent += len(data)
        self._transport.write(data)
        if self._busy and not self._transport.get_write_buffer_size():
            self.resume_writing()

    def resume_writing(self) -> None:
        """Everything written has left: the request is over, unless its fault goes on."""
        if self._sent:
            self._endless()
        elif self._busy and not self._later:
            self._end_request()
            if self._buffer:
                self._next_request()

    def _misbehave(self, kind: str) -> None:
        page = self._origin.answers.pages[0].plain
        half = page.wire[: page.head_length + (len(page.wire) - page.head_length) // 2]
        match kind:
            case "hang":
                return
            case "drip":
                self._transport.write(page.head)
                self._drip(page.wire, page.head_length)
            case "huge":
                self._transport.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n"
                )
                self._sent = 1
                self._endless()
            case "reset":
                self._transport.write(half)
                self._later = self._origin.loop.call_later(0.05, self._reset)
            case _:  # truncate
                self._transport.write(half)
                self._end_request()
                self._transport.close()

    def _drip(self, wire: bytes, position: int) -> None:
        self._transport.write(wire[position : position + 1])
        self._later = self._origin.loop.call_later(1.0, self._drip, wire, position + 1)

    def _endless(self) -> None:
        while self._sent < _HUGE_LIMIT and not self._transport.is_closing():
            self._sent += len(_HUGE_CHUNK)
            self._transport.write(_HUGE_CHUNK)
            if self._transport.get_write_buffer_size():
                return  # resume_writing comes back here
        self._transport.close()

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        # Linger for zero seconds: closing then sends RST instead of FIN.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._transport.abort()


def _listen(options: OriginOptions) -> list[socket.socket]:
    """A listening socket per host: 127.1.x.y on Linux, where all of 127/8 is local, else one port each."""
    raise_file_limit()
    sockets: list[socket.socket] = []
    port = options.port
    for number in range(options.hosts):
        own_address = sys.platform == "linux"
        address = f"127.1.{number // 250}.{number % 250 + 1}" if own_address else "127.0.0.1"
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port if own_address or not number else 0))
        sock.listen(4096)
        port = port or sock.getsockname()[1]
        sockets.append(sock)
    return sockets


def raise_file_limit() -> None:
    """Allow this process as many open files (sockets) as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names no usable hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(options: OriginOptions, ready: Callable[[list[str]], None], parent: int) -> None:
    """Serve until `parent` is no longer our parent; calls `ready` with the base URLs once they answer."""
    origin = Origin(options)
    loop = asyncio.get_running_loop()
    for sock in _listen(options):
        address, port = sock.getsockname()
        host = HostCount(f"http://{address}:{port}")
        origin.counts.hosts.append(host)
        await loop.create_server(partial(Connection, origin, host), sock=sock, backlog=4096)
    ready([host.base for host in origin.counts.hosts])
    while os.getppid() == parent:  # noqa: ASYNC110 - a process has no event for this
        await asyncio.sleep(_PARENT_CHECK_S)


def main() -> None:
    options = parse_arguments()
    parent = os.getppid()

    def ready(bases: list[str]) -> None:
        print(json.dumps({"pid": os.getpid(), "bases": bases}), flush=True)

    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve(options, ready, parent))


if __name__ == "__main__":
    main()
