"""The simulated origin over real sockets, in its own process."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mediascrape.errors import ServiceUnavailableError
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.pages import generate_pages
from mediascrape.loadtest.process import RunningOrigin, running_origin

SMALL = OriginOptions(hosts=3, pages=4, mean_size=20_000, gzip=True, retry_after=7)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origin() -> AsyncIterator[RunningOrigin]:
    async with running_origin(SMALL) as running:
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")


class Client:
    """One HTTP/1.1 connection, spoken by hand so that no client library hides what was sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, url: str) -> Client:
        host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def request(self, path: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str]]:
        self.writer.write("\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *headers, "", ""]).encode())
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), fields

    async def body(self, fields: dict[str, str]) -> bytes:
        return await self.reader.readexactly(int(fields["content-length"]))

    def close(self) -> None:
        self.writer.close()


async def get(origin: RunningOrigin, path: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
    client = await Client.connect(origin.bases[0])
    try:
        status, fields = await client.request(path, *headers)
        return status, fields, await client.body(fields) if status != 304 else b""
    finally:
        client.close()


async def test_pages_are_the_generated_ones(origin: RunningOrigin) -> None:
    expected = generate_pages(4, mean_size=20_000)
    for number in range(6):
        status, fields, body = await get(origin, f"/p/{number}/")
        assert (status, fields["content-type"]) == (200, "text/html")
        assert body == expected[number % 4].html


async def test_a_client_that_takes_gzip_gets_the_same_page_compressed(origin: RunningOrigin) -> None:
    _, _, plain = await get(origin, "/p/1/")
    _, fields, packed = await get(origin, "/p/1/", "Accept-Encoding: br, gzip")
    assert fields["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 2


async def test_an_unchanged_page_is_not_sent_again(origin: RunningOrigin) -> None:
    _, fields, _ = await get(origin, "/p/2/")
    status, again, body = await get(origin, "/p/2/", f"If-None-Match: {fields['etag']}")
    assert (status, again["etag"], body) == (304, fields["etag"], b"")
    status, _, _ = await get(origin, "/p/3/", f"If-None-Match: {fields['etag']}")
    assert status == 200


@pytest.mark.parametrize("kind", ["404", "500", "503", "429"])
async def test_error_statuses(origin: RunningOrigin, kind: str) -> None:
    status, fields, _ = await get(origin, f"/{kind}/1/")
    assert status == int(kind)
    assert fields.get("retry-after") == ("7" if kind in {"503", "429"} else None)


async def test_a_flaky_page_fails_once_only(origin: RunningOrigin) -> None:
    assert [(await get(origin, "/flaky/1/"))[0] for _ in range(3)] == [500, 200, 200]


async def test_redirects(origin: RunningOrigin) -> None:
    status, fields, _ = await get(origin, "/redirect/5/")
    assert (status, fields["location"]) == (302, "/p/5/")
    status, fields, _ = await get(origin, "/loop/5/")
    assert (status, fields["location"]) == (302, "/loop/5/")


async def test_a_bomb_unpacks_to_a_gigabyte(origin: RunningOrigin) -> None:
    _, fields, body = await get(origin, "/bomb/0/")
    assert fields["content-encoding"] == "gzip"
    assert len(body) < 2 << 20
    unpack = zlib.decompressobj(31)
    total = len(unpack.decompress(body, 1 << 22))
    while unpack.unconsumed_tail and total < 64 << 20:
        total += len(unpack.decompress(unpack.unconsumed_tail, 1 << 22))
    assert total >= 64 << 20


async def test_empty_and_binary_bodies(origin: RunningOrigin) -> None:
    assert (await get(origin, "/empty/0/"))[2] == b""
    _, fields, body = await get(origin, "/binary/0/")
    assert fields["content-type"] == "text/html"
    assert body.startswith(b"\x89PNG")


async def test_a_reset_and_a_cut_body_differ(origin: RunningOrigin) -> None:
    client = await Client.connect(origin.bases[0])
    _, fields = await client.request("/truncate/0/")
    with pytest.raises(asyncio.IncompleteReadError):
        await client.body(fields)
    client.close()

    client = await Client.connect(origin.bases[0])
    _, fields = await client.request("/reset/0/")
    with pytest.raises(ConnectionResetError):
        await client.body(fields)


async def test_a_huge_page_goes_on_until_the_client_leaves(origin: RunningOrigin) -> None:
    client = await Client.connect(origin.bases[0])
    await client.request("/huge/0/")
    await client.reader.readexactly(20 << 20)
    client.close()


async def test_a_dripping_page_starts_but_does_not_arrive(origin: RunningOrigin) -> None:
    client = await Client.connect(origin.bases[0])
    _, fields = await client.request("/drip/0/")
    assert int(fields["content-length"]) > 1000
    assert len(await client.reader.read(1000)) == 1
    client.close()


async def test_one_connection_serves_many_requests_even_sent_together(origin: RunningOrigin) -> None:
    client = await Client.connect(origin.bases[1])
    client.writer.write(b"GET /404/1/ HTTP/1.1\r\n\r\n" * 3 + b"HEAD /p/1/ HTTP/1.1\r\n\r\n")
    for _ in range(3):
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b" 404 " in head
        await client.reader.readexactly(len(b"<title>Not Found</title>"))
    assert b" 200 " in await client.reader.readuntil(b"\r\n\r\n")
    client.close()


async def test_other_methods_are_refused(origin: RunningOrigin) -> None:
    client = await Client.connect(origin.bases[0])
    status, _ = await client.request("/p/1/", "content-length: 0", method="POST")
    assert status == 405
    client.close()


async def test_robots_txt(origin: RunningOrigin) -> None:
    _, fields, body = await get(origin, "/robots.txt")
    assert fields["content-type"] == "text/plain"
    assert body.decode() == SMALL.robots


async def test_counts() -> None:
    async with running_origin(OriginOptions(hosts=2, pages=1, mean_size=5_000, latency="0.2")) as origin:
        clients = [await Client.connect(origin.bases[n % 2]) for n in range(6)]
        await asyncio.gather(*(client.request(f"/p/{n}/") for n, client in enumerate(clients)))
        counts = await origin.stats(paths=True)
        for client in clients:
            client.close()
    assert counts["requests"] == 6
    assert counts["max_in_flight"] == 6
    assert [host["max_in_flight"] for host in counts["hosts"].values()] == [3, 3]
    assert counts["statuses"] == {"200": 6}
    assert counts["paths"]["/p/3/"] == 1
    assert (counts["distinct_pages"], counts["repeated_pages"]) == (6, 0)


async def test_a_client_that_leaves_early_is_counted_and_no_longer_in_flight() -> None:
    async with running_origin(OriginOptions(hosts=1, pages=1, mean_size=5_000)) as origin:
        client = await Client.connect(origin.bases[0])
        client.writer.write(b"GET /hang/1/ HTTP/1.1\r\n\r\n")
        counts: dict[str, Any] = {}
        while not counts.get("in_flight"):
            counts = await origin.stats()
        client.close()
        while counts["in_flight"]:
            counts = await origin.stats()
    assert counts["aborted"] == 1


async def test_a_directory_is_served_packed_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(b"<p>first")
    (tmp_path / "b.html.gz").write_bytes(gzip.compress(b"<p>second"))
    async with running_origin(OriginOptions(hosts=1, directory=tmp_path)) as origin:
        assert [(await get(origin, f"/p/{n}/"))[2] for n in range(3)] == [
            b"<p>first",
            b"<p>second",
            b"<p>first",
        ]


async def test_an_origin_that_cannot_start_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ServiceUnavailableError):
        async with running_origin(OriginOptions(directory=tmp_path)):
            pass
    assert "no *.html" in capfd.readouterr().err


async def test_the_origin_ends_with_its_parent() -> None:
    """A parent killed outright can't tell it to stop."""
    program = (
        "import subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-m', 'mediascrape.loadtest.origin', '--pages=1']);"
        "time.sleep(600)"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    assert json.loads(await parent.stdout.readline())["pid"]
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    assert await asyncio.wait_for(parent.stdout.read(), 10) == b""  # the child held the pipe until it ended
