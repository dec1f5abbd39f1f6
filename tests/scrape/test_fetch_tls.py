"""Certificates are checked, names are sent, and HTTP/2 is spoken where it is offered."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from mediascrape.errors import TLSError
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.guard import AddressGuard
from mediascrape.scrape.resolver import Resolver
from scrape.conftest import LOOPBACK, quick_options
from scrape.h2_origin import h2_origin
from scrape.hostile_origin import PAGE, HostileOrigin, Request, hostile_origin
from scrape.test_fetch_many import body_of, open_sockets, until


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def lookup(name: str) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture
async def fetcher(ca_file: str) -> AsyncIterator[Fetcher]:
    options = quick_options(ca_file=ca_file, http2=True)
    async with Fetcher(options, AddressGuard(LOOPBACK), resolver=Resolver(lookup=lookup)) as running:
        yield running


@pytest.fixture
async def named_origin(authority: trustme.CA) -> AsyncIterator[HostileOrigin]:
    async with hostile_origin(tls=server_context(authority, "shop.example")) as running:
        yield running


async def test_a_page_over_tls(named_origin: HostileOrigin, fetcher: Fetcher) -> None:
    url = named_origin.url(host="shop.example")
    for _ in range(2):
        async with fetcher.fetch(url) as response:
            assert response.body() == PAGE
    assert named_origin.requests[0].header("host") == f"shop.example:{named_origin.port}"
    assert named_origin.connections == 1


async def test_a_certificate_for_another_name(named_origin: HostileOrigin, fetcher: Fetcher) -> None:
    with pytest.raises(TLSError):
        async with fetcher.fetch(named_origin.url(host="bank.example")):
            pass
    assert named_origin.requests == []


async def test_a_certificate_of_an_unknown_authority(named_origin: HostileOrigin) -> None:
    resolver = Resolver(lookup=lookup)
    async with Fetcher(quick_options(), AddressGuard(LOOPBACK), resolver=resolver) as fetcher:
        with pytest.raises(TLSError):
            async with fetcher.fetch(named_origin.url(host="shop.example")):
                pass
    assert named_origin.requests == []


async def test_http2_shares_one_connection(authority: trustme.CA, fetcher: Fetcher) -> None:
    body = b"<p>" + bytes(range(65, 91)) * 5000

    async with h2_origin(server_context(authority, "127.0.0.1"), body) as origin:

        async def get() -> bytes:
            async with fetcher.fetch(origin.url()) as response:
                return response.body()

        assert await asyncio.gather(*[get() for _ in range(50)]) == [body] * 50
        assert origin.connections == 1
        assert origin.most_streams > 1


async def test_http2_is_spoken_only_when_asked_for(authority: trustme.CA, ca_file: str) -> None:
    context = server_context(authority, "127.0.0.1")
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        hostile_origin(tls=context) as origin,
        Fetcher(quick_options(ca_file=ca_file), AddressGuard(LOOPBACK)) as fetcher,
        fetcher.fetch(origin.url()) as response,
    ):
        assert response.body() == PAGE


async def test_http2_streams_paused_by_the_budget_all_come_to_their_end(
    authority: trustme.CA, ca_file: str
) -> None:
    """Streams of one connection share its window: a paused one must not stop the others for good."""
    body = b"<p>" + bytes(range(65, 91)) * 5000
    options = quick_options(ca_file=ca_file, http2=True, body_budget_bytes=200_000)
    async with (
        Fetcher(options, AddressGuard(LOOPBACK)) as fetcher,
        h2_origin(server_context(authority, "127.0.0.1"), body) as origin,
    ):

        async def get() -> bytes:
            async with fetcher.fetch(origin.url()) as response:
                await asyncio.sleep(0.001)
                return response.body()

        assert await asyncio.gather(*[get() for _ in range(60)]) == [body] * 60
        assert fetcher.budget.peak < 400_000
        assert fetcher.budget.used == 0


async def test_cancelling_one_http2_stream_leaves_the_others(authority: trustme.CA, fetcher: Fetcher) -> None:
    async with h2_origin(server_context(authority, "127.0.0.1"), b"<p>page") as origin:
        origin.gate.clear()

        async def get() -> bytes:
            async with fetcher.fetch(origin.url()) as response:
                return response.body()

        tasks = [asyncio.create_task(get()) for _ in range(10)]
        while origin.streams < 10:
            await asyncio.sleep(0.001)
        for task in tasks[:5]:
            task.cancel()
        while origin.resets < 5:
            await asyncio.sleep(0.001)
        origin.gate.set()
        assert await asyncio.gather(*tasks[5:]) == [b"<p>page"] * 5
        assert origin.connections == 1


async def test_connections_cut_without_a_goodbye_are_given_up(authority: trustme.CA, ca_file: str) -> None:
    """libcurl 8.21 waited for ever for the TLS farewell of hosts that send none (curl/curl issue 22282)."""
    async with hostile_origin(tls=server_context(authority, "*.shop.example")) as origin:

        @origin.on("*")
        async def answer_and_vanish(request: Request) -> None:
            await request.answer()
            request.writer.transport.abort()
            request.keep_open = False

        options = quick_options(ca_file=ca_file, max_idle_connections=5)
        resolver = Resolver(lookup=lookup)
        async with Fetcher(options, AddressGuard(LOOPBACK), resolver=resolver) as fetcher:
            before = open_sockets()
            for start in range(0, 60, 10):
                urls = [origin.url(host=f"host{start + i}.shop.example") for i in range(10)]
                assert await asyncio.gather(*[body_of(fetcher, url) for url in urls]) == [PAGE] * 10
            await until(lambda: open_sockets() - before <= 5)
