"""HTTP clients side by side: CPU per page, memory per request in flight.

    python benchmarks/http_clients.py                     every client that is installed
    python benchmarks/http_clients.py --clients ours,aiohttp --pages 2000

The origin runs in a process of its own on the second core, each client in a fresh process on the
first. CPU is user + system time of the client's process per page of 200,000 bytes; memory is the growth
of its resident set while N requests wait for an answer. Judge ratios within one run.
Peers: pip install aiohttp httpx[http2] curl-cffi pyreqwest wreq (as many as are wanted).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import trustme
import uvloop

from mediascrape.allocator import keep_freed_memory

Get = Callable[[str], Awaitable[int]]

PAGE = b"<!doctype html><title>page</title>" + b"<p>some words of a page</p>\n" * 7142
PEERS = {
    "ours": "mediascrape",
    "pycurl": "pycurl",
    "aiohttp": "aiohttp",
    "pyreqwest": "pyreqwest",
    "wreq": "wreq",
    "curl_cffi": "curl_cffi",
    "httpx": "httpx",
}

TITLES = {
    "plain": "plain keep-alive, ms",
    "tls": "TLS keep-alive, ms",
    "new-tls": "new TLS connection, ms",
    "memory": "KB per waiting request | peak MB",
    "tls-memory": "KB per waiting TLS request | peak MB",
}


# --- the origin --------------------------------------------------------------------------------


class Origin(asyncio.Protocol):
    """Answers every request with one page; `/hold/S` after S seconds; `/close` ends the connection."""

    def __init__(self) -> None:
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while b"\r\n\r\n" in self.pending:
            head, _, self.pending = self.pending.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            if path.startswith("/hold/"):
                asyncio.get_running_loop().call_later(float(path[6:]), self.answer, False)
            else:
                self.answer(path == "/close")

    def answer(self, close: bool) -> None:
        if self.transport.is_closing():
            return
        connection = b"close" if close else b"keep-alive"
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nServer: bench\r\n"
            b"Cache-Control: no-store\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n"
            % (connection, len(PAGE))
        )
        self.transport.write(PAGE)
        if close:
            self.transport.close()


async def serve(folder: Path) -> None:
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.0/24", *(f"127.0.0.{i}" for i in range(1, 251)))
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(Origin, "0.0.0.0", 0, backlog=4096)
    secure = await loop.create_server(Origin, "0.0.0.0", 0, ssl=context, backlog=4096)
    ports = [server.sockets[0].getsockname()[1] for server in (plain, secure)]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


def read_file(name: str) -> bytes:
    return Path(name).read_bytes()


# --- the clients -------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def ours(ca_file: str, limit: int) -> AsyncIterator[Get]:
    from mediascrape.scrape.fetch import Fetcher
    from mediascrape.scrape.guard import AddressGuard
    from mediascrape.scrape.options import FetchOptions

    options = FetchOptions(ca_file=ca_file, http2=False, max_idle_connections=limit)
    async with Fetcher(options, AddressGuard(["127.0.0.0/8"])) as fetcher:

        async def get(url: str) -> int:
            async with fetcher.fetch(url) as response:
                return len(response.body())

        yield get


@contextlib.asynccontextmanager
async def pycurl(ca_file: str, limit: int) -> AsyncIterator[Get]:
    """libcurl on our loop without anything of ours around it: the floor."""
    import pycurl as curl

    from mediascrape.scrape.curl_loop import CurlLoop

    driver = CurlLoop(max_idle_connections=limit)
    idle: list[curl.Curl] = []

    async def get(url: str) -> int:
        handle = idle.pop() if idle else curl.Curl()
        body = bytearray()
        handle.setopt(curl.URL, url)
        handle.setopt(curl.CAINFO, ca_file)
        handle.setopt(curl.BUFFERSIZE, 32768)
        handle.setopt(curl.WRITEFUNCTION, body.extend)
        done = asyncio.get_running_loop().create_future()
        driver.start(handle, lambda code, _: done.set_result(code))
        await done
        idle.append(handle)
        return len(body)

    yield get
    driver.close()


@contextlib.asynccontextmanager
async def aiohttp(ca_file: str, limit: int) -> AsyncIterator[Get]:
    import aiohttp as peer

    context = ssl.create_default_context(cafile=ca_file)
    connector = peer.TCPConnector(limit=limit, ssl=context)
    async with peer.ClientSession(connector=connector) as session:

        async def get(url: str) -> int:
            async with session.get(url) as response:
                return len(await response.read())

        yield get


@contextlib.asynccontextmanager
async def httpx(ca_file: str, limit: int) -> AsyncIterator[Get]:
    import httpx as peer

    limits = peer.Limits(max_connections=limit, max_keepalive_connections=limit)
    context = ssl.create_default_context(cafile=ca_file)
    async with peer.AsyncClient(verify=context, limits=limits, timeout=60) as client:

        async def get(url: str) -> int:
            return len((await client.get(url)).content)

        yield get


@contextlib.asynccontextmanager
async def curl_cffi(ca_file: str, limit: int) -> AsyncIterator[Get]:
    from curl_cffi.requests import AsyncSession

    async with AsyncSession(max_clients=limit, verify=ca_file) as session:

        async def get(url: str) -> int:
            return len((await session.get(url, timeout=60)).content)

        yield get


@contextlib.asynccontextmanager
async def pyreqwest(ca_file: str, _: int) -> AsyncIterator[Get]:
    from pyreqwest.client import ClientBuilder

    builder = ClientBuilder().add_root_certificate_pem(read_file(ca_file))
    async with builder.build() as client:

        async def get(url: str) -> int:
            response = await client.get(url).build().send()
            return len(await response.bytes())

        yield get


@contextlib.asynccontextmanager
async def wreq(ca_file: str, _: int) -> AsyncIterator[Get]:
    from wreq import Client
    from wreq.tls import CertStore

    client = Client(verify=CertStore.from_pem_stack(read_file(ca_file)))

    async def get(url: str) -> int:
        response = await client.get(url)
        return len(await response.bytes())

    yield get


# --- the measurements --------------------------------------------------------------------------


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def cpu_per_page(get: Get, url: str, pages: int, concurrency: int) -> float:
    async def worker(count: int) -> None:
        for _ in range(count):
            assert await get(url) == len(PAGE)

    async with asyncio.TaskGroup() as group:  # connections made, code warm
        for _ in range(concurrency):
            group.create_task(worker(2))
    before = cpu_seconds()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker(pages // concurrency))
    return (cpu_seconds() - before) * 1000 / pages


async def memory_in_flight(get: Get, base: str, count: int) -> dict[str, float]:
    """KB per waiting request, and the peak in MB when all bodies then arrive together."""
    await get(base + "/warm")
    hosts = [base.replace("127.0.0.1", f"127.0.0.{i % 250 + 1}") for i in range(250)]
    before = resident_bytes()
    peak = waiting = 0
    tasks = [asyncio.create_task(get(f"{hosts[i % 250]}/hold/12")) for i in range(count)]
    until = time.monotonic() + 10
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.1)
        peak = max(peak, resident_bytes())
        if time.monotonic() < until:
            waiting = resident_bytes()
    failed = sum(1 for task in tasks if task.exception() is not None)
    return {"kb": (waiting - before) / count / 1024, "peak_mb": peak / 2**20, "failed": failed}


async def run_client(name: str, mode: str, arguments: argparse.Namespace) -> None:
    keep_freed_memory()  # as our service does; else a third of every client's time is page faults
    plain, secure = arguments.ports
    open_client = globals()[name]
    async with open_client(arguments.ca_file, max(arguments.in_flight, arguments.concurrency)) as get:
        if mode.endswith("memory"):
            base = f"https://127.0.0.1:{secure}" if mode == "tls-memory" else f"http://127.0.0.1:{plain}"
            result = await memory_in_flight(get, base, arguments.in_flight)
        else:
            url = {
                "plain": f"http://127.0.0.1:{plain}/",
                "tls": f"https://127.0.0.1:{secure}/",
                "new-tls": f"https://127.0.0.1:{secure}/close",
            }[mode]
            pages = arguments.pages // (4 if mode == "new-tls" else 1)
            result = {"ms": await cpu_per_page(get, url, pages, arguments.concurrency)}
    print(json.dumps(result))


def measure(
    name: str, mode: str, arguments: argparse.Namespace, ports: list[int], ca_file: str
) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        "--run",
        name,
        mode,
        "--ports",
        *map(str, ports),
        "--ca-file",
        ca_file,
    ]
    for option in ("pages", "concurrency", "in_flight"):
        command += [f"--{option.replace('_', '-')}", str(getattr(arguments, option))]
    try:
        done = subprocess.run(pinned(0, command), capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        print(f"{name} {mode}: not done in 90 s", file=sys.stderr)
        return {}
    try:
        result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        print(f"{name} {mode}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return {}
    return result


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core % (os.cpu_count() or 1)), *command]


def compare(arguments: argparse.Namespace) -> None:
    names = arguments.clients.split(",") if arguments.clients else list(PEERS)
    names = [name for name in names if importlib.util.find_spec(PEERS[name])]
    with tempfile.TemporaryDirectory() as folder:
        command = pinned(1, [sys.executable, __file__, "--serve", folder])
        origin = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert origin.stdout is not None
        ports = json.loads(origin.stdout.readline())
        columns = [TITLES[mode] for mode in arguments.modes.split(",")]
        print("| client | " + " | ".join(columns) + " |")
        print("|---" * (1 + " | ".join(columns).count("|") + 1) + "|")
        try:
            for name in names:
                cells = [name]
                for mode in arguments.modes.split(","):
                    found = measure(name, mode, arguments, ports, f"{folder}/ca.pem")
                    keys = ("kb", "peak_mb") if mode.endswith("memory") else ("ms",)
                    cells += [f"{found[key]:.2f}" if key in found else "–" for key in keys]
                    if found.get("failed"):
                        cells[-1] += f" ({found['failed']:.0f} failed)"
                print("| " + " | ".join(cells) + " |", flush=True)
        finally:
            origin.terminate()
            origin.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", help="comma-separated; default: every one installed")
    parser.add_argument("--modes", default="plain,tls,new-tls,memory")
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--in-flight", type=int, default=5000)
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--ports", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ca-file", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(Path(arguments.serve)))
    elif arguments.run:
        uvloop.run(run_client(*arguments.run, arguments))
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
