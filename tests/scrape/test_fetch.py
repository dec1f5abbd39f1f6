"""What a page's host can do, and what the fetch makes of it: each failure by its name."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
from collections.abc import Awaitable, Callable

import pytest

from mediascrape import errors
from mediascrape.scrape.fetch import Fetcher
from mediascrape.scrape.guard import AddressGuard
from mediascrape.scrape.response import Validators
from mediascrape.scrape.verdict import Wanted
from scrape.conftest import LOOPBACK, quick_options
from scrape.hostile_origin import PAGE, HostileOrigin, Request

Handler = Callable[[Request], Awaitable[None]]


async def fail(fetcher: Fetcher, url: str) -> errors.ScrapeError:
    """The error that fetching and reading the page ends with."""
    with pytest.raises(errors.ScrapeError) as caught:
        async with fetcher.fetch(url) as response:
            response.body()
    return caught.value


# --- what works ------------------------------------------------------------------------------


async def test_a_page(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("/page")
    async def page(request: Request) -> None:
        await request.answer(etag='"7"', last_modified="Tue, 01 Jul 2025 00:00:00 GMT", set_cookie="a=1")

    async with fetcher.fetch(origin.url("/page#part")) as response:
        assert response.body() == PAGE
        assert response.requested_url == origin.url("/page#part")
        assert response.url == origin.url("/page")
        assert (response.status, response.content_type, response.charset) == (200, "text/html", "utf-8")
        assert response.remote_address == "127.0.0.1"
        assert response.validators == Validators('"7"', "Tue, 01 Jul 2025 00:00:00 GMT")
        assert response.timings.total >= response.timings.first_byte > 0
        assert fetcher.budget.used == len(PAGE)
    assert fetcher.budget.used == 0
    assert origin.requests[0].path == "/page"


async def test_requests_say_who_we_are_and_carry_no_state(origin: HostileOrigin) -> None:
    @origin.on("*")
    async def page(request: Request) -> None:
        await request.answer(set_cookie="session=1")

    options = quick_options(user_agent="mediascrape/1 (+https://example.org/bot)")
    async with Fetcher(options, AddressGuard(LOOPBACK)) as fetcher:
        for _ in range(2):
            async with fetcher.fetch(origin.url()):
                pass
    last = origin.requests[-1]
    assert last.header("user-agent") == "mediascrape/1 (+https://example.org/bot)"
    assert last.header("accept-encoding") == "gzip, deflate, br, zstd"
    assert (last.header("accept") or "").startswith("text/html")
    assert last.header("cookie") is None
    assert origin.connections == 1  # kept alive


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_a_proxy_in_the_environment_is_ignored(
    origin: HostileOrigin, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    async with fetcher.fetch(origin.url()) as response:
        assert response.body() == PAGE


async def test_a_chunked_page_with_interim_answers_and_trailers(
    origin: HostileOrigin, fetcher: Fetcher
) -> None:
    @origin.on("*")
    async def page(request: Request) -> None:
        await request.send(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"4\r\n<h1>\r\n",
            b"5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n",
        )

    async with fetcher.fetch(origin.url()) as response:
        assert response.body() == b"<h1>hello"
        assert "link" not in response.headers


async def test_validators_bring_not_modified(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def page(request: Request) -> None:
        known = request.header("if-none-match") == '"7"'
        await (request.answer("304 Not Modified", b"", content_length="") if known else request.answer())

    async with fetcher.fetch(origin.url(), validators=Validators(etag='"7"')) as response:
        assert response.not_modified
        assert response.status == 304
    async with fetcher.fetch(origin.url()) as response:
        assert not response.not_modified


async def test_validators_cannot_smuggle_a_header(origin: HostileOrigin, fetcher: Fetcher) -> None:
    async with fetcher.fetch(origin.url(), validators=Validators(etag='"7"\r\nX-Evil: 1')):
        pass
    assert b"Evil" not in origin.requests[0].head


@pytest.mark.parametrize("kind", ["image", "video", "audio"])
async def test_a_media_file_is_recognised_and_not_downloaded(
    origin: HostileOrigin, fetcher: Fetcher, kind: str
) -> None:
    @origin.on("*")
    async def film(request: Request) -> None:
        await request.answer(body=b"", content_type=f"{kind}/x", content_length=str(10**12))

    async with fetcher.fetch(origin.url()) as response:
        assert response.media_kind == kind
        assert response.raw_length == 0


async def test_an_untyped_answer_is_sniffed(origin: HostileOrigin, fetcher: Fetcher) -> None:
    bodies = {"/png": b"\x89PNG\r\n\x1a\n" + bytes(5000), "/html": b"\n\n<!doctype html><p>" + b"x" * 5000}

    @origin.on("*")
    async def untyped(request: Request) -> None:
        await request.answer(body=bodies[request.path], content_type="")

    async with fetcher.fetch(origin.url("/png")) as response:
        assert response.media_kind == "image"
    async with fetcher.fetch(origin.url("/html")) as response:
        assert response.media_kind is None
        assert response.body() == bodies["/html"]


# --- redirects ---------------------------------------------------------------------------------


async def test_redirects_are_followed_and_told(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("/a")
    async def first(request: Request) -> None:
        await request.redirect("b?x=1#top", "301 Moved Permanently")

    @origin.on("/b?x=1")
    async def second(request: Request) -> None:
        await request.redirect(f"//127.0.0.2:{origin.port}/c", "307 Temporary Redirect")

    hops: list[str] = []

    async def on_hop(url: str) -> None:
        hops.append(url)

    # 127.0.0.2 is another host, on which nobody listens: the last hop must go there.
    with pytest.raises(errors.ConnectionRefusedByHostError):
        async with fetcher.fetch(origin.url("/a"), validators=Validators('"7"'), on_hop=on_hop):
            pass
    assert hops == [origin.url("/b?x=1"), origin.url("/c", "127.0.0.2")]
    assert origin.requests[0].header("if-none-match") == '"7"'
    assert origin.requests[1].header("if-none-match") is None
    assert origin.connections == 1  # the redirect's body was read, its connection kept


async def test_what_on_hop_raises_ends_the_fetch(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("/a")
    async def first(request: Request) -> None:
        await request.redirect("/b")

    async def on_hop(url: str) -> None:
        raise errors.RobotsDisallowedError(url)

    with pytest.raises(errors.RobotsDisallowedError):
        async with fetcher.fetch(origin.url("/a"), on_hop=on_hop):
            pass
    assert [request.path for request in origin.requests] == ["/a"]


async def test_a_redirect_loop(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("/a")
    async def first(request: Request) -> None:
        await request.redirect("/b")

    @origin.on("/b")
    async def second(request: Request) -> None:
        await request.redirect("/a")

    assert (await fail(fetcher, origin.url("/a"))).code == "redirect_loop"
    assert len(origin.requests) == 2


async def test_too_many_redirects(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def onward(request: Request) -> None:
        await request.redirect(request.path + "x")

    assert isinstance(await fail(fetcher, origin.url("/")), errors.RedirectError)
    assert len(origin.requests) == 11


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "file:///etc/passwd", "http://", "http://u:p@127.0.0.1/", "http://[::1", ""],
)
async def test_redirects_to_what_is_no_page(origin: HostileOrigin, fetcher: Fetcher, target: str) -> None:
    @origin.on("*")
    async def onward(request: Request) -> None:
        await request.redirect(target)

    assert isinstance(await fail(fetcher, origin.url()), errors.RedirectError)


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[fe80::1]/",
    ],
)
async def test_redirects_to_a_private_address(origin: HostileOrigin, target: str) -> None:
    @origin.on("*")
    async def onward(request: Request) -> None:
        await request.redirect(target)

    async with Fetcher(quick_options(), AddressGuard(["127.0.0.1/32"])) as fetcher:
        assert (await fail(fetcher, origin.url())).code == "forbidden_address"


# --- failures of the connection ------------------------------------------------------------------


async def test_refused(fetcher: Fetcher) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = await fail(fetcher, f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert error.code == "connection_refused"


async def test_forbidden_address(origin: HostileOrigin) -> None:
    async with Fetcher(quick_options(), AddressGuard()) as fetcher:
        assert (await fail(fetcher, origin.url())).code == "forbidden_address"
    assert origin.connections == 0


async def test_reset(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def reset(request: Request) -> None:
        request.reset()

    assert (await fail(fetcher, origin.url())).code == "connection_reset"


async def test_reset_within_the_body(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def reset(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nhalf")
        request.reset()

    assert (await fail(fetcher, origin.url())).code == "connection_reset"


async def test_a_body_shorter_than_announced(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def short(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nhalf")

    assert (await fail(fetcher, origin.url())).code == "connection_reset"


async def test_closed_without_an_answer(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def nothing(request: Request) -> None:
        pass

    assert (await fail(fetcher, origin.url())).code == "connection_failed"


async def test_a_connection_that_is_never_made(fetcher: Fetcher) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:  # the accept queue is full: the kernel drops further attempts
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        error = await fail(fetcher, f"http://127.0.0.1:{full.getsockname()[1]}/")
        for filler in fillers:
            filler.close()
    assert error.code == "connection_failed"


@pytest.mark.parametrize(
    "junk",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>HTTP/0.9</html>",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nContent-Type: text/html\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/html\r\n\r\nzz\r\nhello\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28" * 20,
    ],
)
async def test_not_http(origin: HostileOrigin, fetcher: Fetcher, junk: bytes) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        await request.send(junk)

    assert (await fail(fetcher, origin.url())).code == "protocol_error"


@pytest.mark.parametrize("line", [b"X-Big: " + b"x" * 20_000 + b"\r\n", b"X-Many: 1\r\n" * 3000])
async def test_headers_too_large(origin: HostileOrigin, fetcher: Fetcher, line: bytes) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n")

    assert (await fail(fetcher, origin.url())).code == "protocol_error"


async def test_no_tls_where_tls_is_expected(fetcher: Fetcher) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        error = await fail(fetcher, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert error.code == "tls_error"


async def test_a_tls_handshake_that_is_never_answered(origin: HostileOrigin, fetcher: Fetcher) -> None:
    assert (await fail(fetcher, origin.url().replace("http:", "https:"))).code == "connection_failed"


# --- statuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        ("404 Not Found", "not_found", False),
        ("410 Gone", "not_found", False),
        ("401 Unauthorized", "http_client_error", False),
        ("403 Forbidden", "http_client_error", False),
        ("451 Unavailable For Legal Reasons", "http_client_error", False),
        ("408 Request Timeout", "http_server_error", True),
        ("425 Too Early", "http_server_error", True),
        ("500 Internal Server Error", "http_server_error", True),
        ("503 Service Unavailable", "http_server_error", True),
        ("429 Too Many Requests", "rate_limited", True),
        ("300 Multiple Choices", "redirect_loop", False),
        ("304 Not Modified", "redirect_loop", False),
        ("204 No Content", "empty_body", False),
        ("999 Request Denied", "protocol_error", False),
    ],
)
async def test_statuses(
    origin: HostileOrigin, fetcher: Fetcher, status: str, code: str, retryable: bool
) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        bodyless = status[:3] in ("204", "304")
        await request.answer(status, b"" if bodyless else b"why", content_length="" if bodyless else "3")

    error = await fail(fetcher, origin.url())
    assert (error.code, error.retryable) == (code, retryable)
    assert status[:3] in str(error)


async def test_a_large_error_page_is_not_downloaded(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        await request.answer("404 Not Found", b"", content_length=str(10**12))
        while True:
            await request.send(bytes(65536))

    assert (await fail(fetcher, origin.url())).code == "not_found"


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_retry_after(origin: HostileOrigin, fetcher: Fetcher, status: str) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        await request.answer(status, retry_after="120")

    error = await fail(fetcher, origin.url())
    assert (error.code, error.retry_after) == ("rate_limited", 120)


# --- bodies ------------------------------------------------------------------------------------------


async def test_html_that_never_ends(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def endless(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            await request.send(b"<p>more" * 1000)

    assert (await fail(fetcher, origin.url())).code == "body_too_large"


async def test_a_body_announced_as_too_large_is_not_begun(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def giant(request: Request) -> None:
        await request.answer(body=b"<p>", content_length="200001")

    assert (await fail(fetcher, origin.url())).code == "body_too_large"


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\n"]
)
async def test_one_byte_at_a_time(origin: HostileOrigin, fetcher: Fetcher, head: bytes) -> None:
    @origin.on("*")
    async def drip(request: Request) -> None:
        await request.send(head or b"HTTP/1.1 200 OK\r\n")
        for _ in range(900):
            await request.send(b"x")
            await asyncio.sleep(0.05)

    error = await fail(fetcher, origin.url())
    assert (error.code, error.retryable) == ("too_slow", True)


async def test_silence_ends_too(origin: HostileOrigin) -> None:
    @origin.on("*")
    async def silent(request: Request) -> None:
        await asyncio.Event().wait()

    pace = quick_options().pace
    options = quick_options(pace=type(pace)(total_s=0.3, window_s=10, interval_s=0.05))
    async with Fetcher(options, AddressGuard(LOOPBACK)) as fetcher:
        assert (await fail(fetcher, origin.url())).code == "too_slow"


async def test_chunks_of_one_byte(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def crumbs(request: Request) -> None:
        await request.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(100):
            await request.send(b"1\r\nx\r\n" * 1000)

    assert (await fail(fetcher, origin.url())).code == "protocol_error"


async def test_gzip_bomb(origin: HostileOrigin, fetcher: Fetcher) -> None:
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < 200_000

    @origin.on("*")
    async def explode(request: Request) -> None:
        await request.answer(body=bomb, content_encoding="gzip")

    assert (await fail(fetcher, origin.url())).code == "decompression_bomb"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"<p>not gzip at all"),
        ("gzip", gzip.compress(PAGE * 100)[:-20]),
        ("br", b"<p>not brotli at all"),
        ("zstd", b"<p>not zstd at all"),
        ("deflate", b"\x78\x9c<p>"),
        ("compress", b"<p>unknown coding"),
        ("gzip, gzip, gzip", b"<p>too many"),
    ],
)
async def test_wrong_encoding(origin: HostileOrigin, fetcher: Fetcher, encoding: str, body: bytes) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        await request.answer(body=body, content_encoding=encoding)

    assert (await fail(fetcher, origin.url())).code == "content_decoding"


async def test_empty_body(origin: HostileOrigin, fetcher: Fetcher) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        if request.path == "/chunked":
            await request.answer(body=b"0\r\n\r\n", content_length="", transfer_encoding="chunked")
        elif request.path == "/gzip":
            await request.answer(body=gzip.compress(b""), content_encoding="gzip")
        else:
            await request.answer(body=b"")

    for path in ("/length", "/chunked", "/gzip"):
        assert (await fail(fetcher, origin.url(path))).code == "empty_body"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20),
        ("text/html", random.Random(7).randbytes(20_000)),
        ("text/html", b"%PDF-1.7\n" + b"text" * 1000),
        ("application/pdf", b"%PDF-1.7\n"),
        ("application/json", b"{}"),
        ("text/css", b"a{}"),
        ("", b"plain words"),
        ("application/octet-stream", b"MZ\x90\x00\x03" + bytes(3000)),
    ],
)
async def test_not_a_page(origin: HostileOrigin, fetcher: Fetcher, content_type: str, body: bytes) -> None:
    @origin.on("*")
    async def answer(request: Request) -> None:
        await request.answer(body=body, content_type=content_type)

    assert (await fail(fetcher, origin.url())).code == "unsupported_content"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("no url", "invalid_url"),
        ("ftp://example.com/", "unsupported_scheme"),
        ("http://", "missing_host"),
        ("http://example.com/" + "x" * 300_000, "url_too_long"),
        ("http://user:secret@example.com/", "url_credentials"),
        ("http://nowhere.invalid/", "host_not_found"),
        ("http://10.0.0.1/", "forbidden_address"),
        ("http://[fe80::1]/", "forbidden_address"),
        ("http://0177.1/", "forbidden_address"),
    ],
)
async def test_urls_that_lead_nowhere(url: str, code: str) -> None:
    from mediascrape.scrape.resolver import Resolver

    async def lookup(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async with Fetcher(quick_options(), AddressGuard(), resolver=Resolver(lookup=lookup)) as fetcher:
        assert (await fail(fetcher, url)).code == code


async def test_a_file_is_taken_whatever_its_type_and_status(origin: HostileOrigin, fetcher: Fetcher) -> None:
    rules = b"User-agent: *\nDisallow: /private/\n"

    @origin.on("/robots.txt")
    async def robots(request: Request) -> None:
        await request.answer(body=rules, content_type="text/plain")

    @origin.on("/missing.txt")
    async def missing(request: Request) -> None:
        await request.answer("404 Not Found", b"gone", content_type="text/plain")

    @origin.on("/moved.txt")
    async def moved(request: Request) -> None:
        await request.redirect("/robots.txt")

    for path, expected in (
        ("/robots.txt", (200, rules)),
        ("/missing.txt", (404, b"")),
        ("/moved.txt", (200, rules)),
    ):
        async with fetcher.fetch(origin.url(path), wanted=Wanted.FILE) as response:
            assert (response.status, response.content()) == expected
