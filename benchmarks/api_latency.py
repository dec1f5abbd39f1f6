"""How long the API takes to answer while the worker of the same process scrapes as fast as it can.

    python -m benchmarks.api_latency [--seconds 20] [--rate 50]

`serve` and its embedded Valkey are kept on core 0, the simulated origin and the client on core 1. Requests go
out at a fixed rate, not waiting for one another, and each one's time counts from when it was due, so that a
stall counts for all who would have come in it. Prints milliseconds by route, idle and under load.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from ipaddress import ip_network
from pathlib import Path

from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import running_origin
from mediascrape.loadtest.served import served
from mediascrape.settings import Settings

ROUTES = (
    ("POST", "/api/media/ingest"),
    ("GET", "/api/media?limit=50"),
    ("GET", "/api/media?q=photo"),
    ("GET", "/api/queue"),
    ("GET", "/api/totals"),
    ("GET", "/api/jobs?state=active"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/"),
)


class Client:
    """A kept connection of the plainest kind."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: bytes = b"") -> int:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"transfer-encoding: chunked" in answer:
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        else:
            await reader.readexactly(int(answer.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        return int(answer[9:12])


async def probe(port: int, rate: float, seconds: float, run: str) -> dict[str, list[float]]:
    """Milliseconds by route."""
    idle: list[Client] = []
    times: dict[str, list[float]] = defaultdict(list)
    start = time.perf_counter()

    async def one(number: int, due: float) -> None:
        method, path = ROUTES[number % len(ROUTES)]
        body = (
            json.dumps({"urls": [f"http://127.0.0.1:9/{run}/{number}"]}).encode() if method == "POST" else b""
        )
        client = idle.pop() if idle else Client(port)
        status = await client.call(method, path, body)
        assert status in (200, 202), (path, status)
        times[path].append((time.perf_counter() - due) * 1e3)
        idle.append(client)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(number, due))
    return times


def show(title: str, times: dict[str, list[float]]) -> None:
    print(f"{title:28}      n     p50     p90     p99   worst")
    for path, values in [*times.items(), ("all", [value for many in times.values() for value in many])]:
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        print(
            f"  {path:26} {len(values):6} {cuts[49]:7.1f} {cuts[89]:7.1f} {cuts[98]:7.1f} {max(values):7.1f}"
        )


async def submit(port: int, urls: list[str]) -> None:
    def post() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for start in range(0, len(urls), 5000):
            body = json.dumps({"urls": urls[start : start + 5000]})
            connection.request("POST", "/api/media/ingest", body, {"content-type": "application/json"})
            assert connection.getresponse().read()
        connection.close()

    await asyncio.to_thread(post)


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--jobs", type=int, default=30_000)
    parser.add_argument("--page-size", type=int, default=200_000)
    options = parser.parse_args()
    os.sched_setaffinity(0, {1})
    origin_options = OriginOptions(hosts=100, mean_size=options.page_size)
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings.load(
            data_dir=Path(directory), allow_networks=(ip_network("127.0.0.0/8"),), max_request_bytes=2**25
        )
        async with running_origin(origin_options) as origin:
            os.sched_setaffinity(0, {0})
            async with served(settings) as server:
                os.sched_setaffinity(0, {1})
                show("idle", await probe(server.port, options.rate, 4, "idle"))
                await submit(server.port, origin.urls(options.jobs))
                await asyncio.sleep(3)
                show("under load", await probe(server.port, options.rate, options.seconds, "load"))


if __name__ == "__main__":
    asyncio.run(main())
