"""The ingest route: the short way and the ordinary one answer alike, and nothing that is accepted is lost."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from mediascrape import Mediascrape, Settings
from mediascrape.parts import raise_file_limit
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import server_binary
from web.raw_http import Answer, Connection, call, served

PATH = "/api/media/ingest"
TOKEN, READ = "full-token-of-some-length", "read-token-of-some-length"
#: Makes a request take the ordinary way.
ORDINARY = {"x_request_id": "7"}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Mediascrape]:
    async with Mediascrape(Settings.load(data_dir=tmp_path / "data"), worker=False) as running:
        yield running


@pytest.fixture
async def url(service: Mediascrape) -> AsyncIterator[str]:
    async with served(service) as address:
        yield address


def urls(*names: str) -> bytes:
    return json.dumps({"urls": list(names)}).encode()


def shape(answer: Answer) -> tuple[int, dict[str, str], str]:
    """An answer without what differs from one request to the next."""
    headers = {name: text for name, text in answer.headers.items() if name != "x-request-id"}
    text = re.sub(r'(?<=[":-])[j0-9a-z]{19,24}(?=")', "ID", answer.body.decode())
    return answer.status, headers, text


@pytest.mark.parametrize(
    "body",
    [
        b'{"urls": ["https://example.org/%s"]}',
        b'{"urls": ["HTTPS://Example.org:443/\\u00e4%s#fragment"]}',
        b'{"urls": ["ftp://example.org/%s"]}',
        b'{"urls": ["https://example.org/%s"], "priority": 3}',
        b'{"urls": ["https://example.org/%s"], "priority": true}',
        b'{"urls": ["https://example.org/%s"], "what": 3}',
        b'{"urls": ["https://example.org/%s"], "what": true}',
        b'{"urls": ["https://example.org/%s"], "force": true}',
        b'{"force": false, "urls": ["https://example.org/%s"]}',
        b'{"urls": ["https://example.org/%s"], "force": 1}',
        b'{"urls": ["https://example.org/%s"], "force": "true"}',
        b'{"urls": ["https://example.org/%s"], "force": null}',
        b'{"urls": ["https://example.org/%s"], "force": true, "priority": 3}',
        b'{"urls": ["https://example.org/%s", "https://example.org/%s"]}',
        b'{"urls": []}',
        b'{"urls": "https://example.org/%s"}',
        b'{"urls": [7]}',
        b'{"urls": {"https://example.org/%s": 7}}',
        b'{"urls": [null]}',
        b'{"urls": ["\\ud800"]}',
        b'[["https://example.org/%s"]]',
        b'"urls"',
        b"",
        b"{",
        b'{"urls": ["\xff"]}',
        b'\xef\xbb\xbf{"urls": ["https://example.org/%s"]}',
    ],
    ids=repr,
)
async def test_both_ways_answer_alike(url: str, body: bytes) -> None:
    short = await call(url, "POST", PATH, body.replace(b"%s", b"x"))
    ordinary = await call(url, "POST", PATH, body.replace(b"%s", b"y"), **ORDINARY)
    status, headers, text = shape(short)
    assert (status, headers, text.replace("/x", "/y").replace("%A4x", "%A4y")) == shape(ordinary)


@pytest.mark.parametrize("headers", [{}, ORDINARY], ids=["short", "ordinary"])
async def test_force_reaches_the_job(service: Mediascrape, url: str, headers: dict[str, str]) -> None:
    for force in (True, False):
        body = json.dumps({"urls": [f"https://example.org/{force}"], "force": force}).encode()
        answer = (await call(url, "POST", PATH, body, **headers)).json()
        job = await service.queue.get_job(answer["jobs"][0]["id"])
        assert job is not None
        assert job.data.get("force", False) is force


async def test_both_ways_tell_duplicates_alike_and_the_batch_knows(url: str) -> None:
    first = (await call(url, "POST", PATH, urls("https://example.org/a"))).json()
    short = await call(url, "POST", PATH, urls("https://example.org/a"))
    ordinary = await call(url, "POST", PATH, urls("https://example.org/a"), **ORDINARY)
    assert shape(short) == shape(ordinary)
    assert short.json()["jobs"] == [
        {"id": first["jobs"][0]["id"], "url": "https://example.org/a", "duplicate": True}
    ]
    rejected = (await call(url, "POST", PATH, urls("nonsense"))).json()
    for answer, expected in (
        (first, (1, 1, 0, 0)),
        (short.json(), (0, 0, 1, 0)),
        (ordinary.json(), (0, 0, 1, 0)),
        (rejected, (0, 0, 0, 1)),
    ):
        batch = (await call(url, "GET", f"/api/batches/{answer['batch_id']}")).json()
        told = tuple(batch[name] for name in ("total", "queued", "duplicates", "rejected"))
        assert told == expected


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example"},
        {"content_type": "text/plain"},
        {"content_type": ""},
        {"content_type": "application/json; charset=utf-8"},
        {"origin": "http://elsewhere.example"},
        {"sec_fetch_site": "cross-site"},
        {"cookie": "mediascrape_session=x"},
        {"authorization": "Bearer whatever"},
        {"content_length": "99999999"},
    ],
    ids=repr,
)
async def test_both_ways_refuse_alike(url: str, headers: dict[str, str]) -> None:
    short = await call(url, "POST", PATH, urls("https://example.org/1"), **headers)
    ordinary = await call(url, "POST", PATH, urls("https://example.org/2"), **ORDINARY, **headers)
    status, told, text = shape(short)
    assert (status, told, text.replace("/1", "/2")) == shape(ordinary)


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 202), (READ, 403), ("wrong", 401), (None, 401)])
async def test_both_ways_ask_for_the_token(tmp_path: Path, token: str | None, status: int) -> None:
    settings = Settings.load(data_dir=tmp_path / "data", token=TOKEN, read_token=READ)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with Mediascrape(settings, worker=False) as service, served(service) as url:
        short = await call(url, "POST", PATH, urls("https://example.org/1"), **headers)
        ordinary = await call(url, "POST", PATH, urls("https://example.org/2"), **ORDINARY, **headers)
    assert short.status == ordinary.status == status
    assert short.headers.keys() | {"x-request-id"} == ordinary.headers.keys()


async def test_requests_sent_ahead_are_answered_in_order_on_one_connection(url: str) -> None:
    connection = await Connection.open(url)
    wanted = []
    for number in range(12):
        ordinary = ORDINARY if number % 3 == 1 else {}
        page = f"https://example.org/{number}" if number % 4 else "nonsense"
        connection.send("POST", PATH, urls(page), **ordinary)
        wanted.append(page)
    async with asyncio.timeout(10):
        answers = [(await connection.receive()).json() for _ in wanted]
    connection.close()
    assert [(answer["jobs"] or answer["rejected"])[0]["url"] for answer in answers] == wanted


async def test_a_body_in_pieces_and_a_connection_to_be_closed(url: str) -> None:
    connection = await Connection.open(url)
    body = urls("https://example.org/pieces")
    request = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    ).encode() + body
    for start in range(0, len(request), 40):
        connection.send_raw(request[start : start + 40])
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        answer = await connection.receive()
        assert await connection.ended()
    assert (answer.status, answer.headers["connection"]) == (202, "close")
    connection.close()


async def test_a_client_that_goes_away_loses_nothing_and_disturbs_nobody(
    url: str, service: Mediascrape
) -> None:
    for number in range(20):
        connection = await Connection.open(url)
        connection.send("POST", PATH, urls(f"https://example.org/gone/{number}"))
        connection.close()
    async with asyncio.timeout(10):
        while (await service.queue.counts())["waiting"] < 20:
            await asyncio.sleep(0.01)
    assert (await call(url, "GET", "/healthz")).status == 200


async def test_a_stop_waits_for_the_answer(service: Mediascrape) -> None:
    async with served(service) as url:
        connection = await Connection.open(url)
        connection.send("POST", PATH, urls("https://example.org/last"))
        async with asyncio.timeout(5):
            while not (await service.queue.counts())["waiting"]:
                await asyncio.sleep(0)
    assert (await connection.receive()).status == 202
    assert await connection.ended()
    connection.close()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /api/media?q=" + b"x" * 65_530 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 414, "uri_too_long"),
        (b"good morning\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request"),  # TLS
    ],
)
async def test_what_the_parser_refuses_is_told_in_a_problem_document(
    url: str, sent: bytes, status: int, code: str
) -> None:
    connection = await Connection.open(url)
    connection.send_raw(sent)
    async with asyncio.timeout(10):
        answer = await connection.receive()
        assert await connection.ended()
    connection.close()
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["code"] == code
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_stop_waits_for_a_long_request_and_lets_streams_end(service: Mediascrape) -> None:
    pages = [f"https://example.org/{number}" for number in range(5000)]
    async with served(service) as url:
        stream = await Connection.open(url)
        stream.send("GET", "/api/events")
        long = await Connection.open(url)
        long.send("POST", PATH, urls(*pages))
        async with asyncio.timeout(10):
            while not (await service.queue.counts())["waiting"]:
                await asyncio.sleep(0)
    answer = await long.receive()
    assert (answer.status, answer.json()["queued"]) == (202, 5000)
    assert (await service.queue.counts())["waiting"] == 5000
    assert (await stream.receive()).body.startswith(b"retry: 2000\n\nevent: queue\n")
    for connection in (stream, long):
        assert await connection.ended()
        connection.close()


async def test_a_rate_limit_counts_on_the_short_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mediascrape.web.access.is_loopback", lambda address: False)
    settings = Settings.load(data_dir=tmp_path / "data", rate_limit=0.5, token=TOKEN)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with Mediascrape(settings, worker=False) as service, served(service) as url:
        connection = await Connection.open(url)
        answers = [
            await connection.call("POST", PATH, urls(f"https://example.org/{n}"), **headers) for n in range(7)
        ]
        connection.close()
    assert [answer.status for answer in answers] == [202] * 5 + [429] * 2
    assert answers[-1].headers["retry-after"].isdigit()
    assert answers[-1].json()["code"] == "too_many_requests"


async def test_five_thousand_urls_in_one_request(url: str, service: Mediascrape) -> None:
    pages = [f"https://example.org/{number}" for number in range(5000)]
    answer = await call(url, "POST", PATH, urls(*pages, "nonsense", pages[0]))
    accepted = answer.json()
    assert answer.status == 202
    assert (accepted["queued"], accepted["duplicates"], len(accepted["rejected"])) == (5000, 1, 1)
    assert [job["url"] for job in accepted["jobs"]] == pages
    assert (await service.queue.counts())["waiting"] == 5000
    batch = (await call(url, "GET", f"/api/batches/{accepted['batch_id']}")).json()
    assert (batch["total"], batch["queued"], batch["duplicates"], batch["rejected"]) == (5000, 5000, 1, 1)


async def test_five_thousand_requests_at_once(url: str, service: Mediascrape) -> None:
    count = 5000
    limit = raise_file_limit(2 * count + 500)
    each = 1 if limit >= 2 * count + 500 else 10  # both ends are in this process
    redis = connect(service.queue_url)
    connections = [await Connection.open(url) for _ in range(count // each)]
    await redis.config_resetstat()
    for number in range(count):
        connections[number % len(connections)].send("POST", PATH, urls(f"https://example.org/{number}"))
    async with asyncio.timeout(60):
        answers = [await connection.receive() for _ in range(each) for connection in connections]
    trips = (await redis.info("commandstats"))["cmdstat_exec"]["calls"]
    await redis.aclose()
    for connection in connections:
        connection.close()
    assert {answer.status for answer in answers} == {202}
    jobs = {answer.json()["jobs"][0]["id"] for answer in answers}
    batches = {answer.json()["batch_id"] for answer in answers}
    assert (len(jobs), len(batches), (await service.queue.counts())["waiting"]) == (count, count, count)
    assert trips < count / 10


@asynccontextmanager
async def valkey(socket: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [str(server_binary()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir"]
    process = await asyncio.create_subprocess_exec(
        *command, str(socket.parent), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            while not socket.exists():
                await asyncio.sleep(0.01)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_queue_that_is_gone_is_told_and_forgotten_when_it_is_back(tmp_path: Path) -> None:
    socket = tmp_path / "v.sock"
    settings = Settings.load(data_dir=tmp_path / "data", redis_url=f"unix://{socket}")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(valkey(socket))
        service = await stack.enter_async_context(Mediascrape(settings, worker=False, patience_s=0.1))
        url = await stack.enter_async_context(served(service))
        assert (await call(url, "GET", "/readyz")).status == 200
        several = await call(url, "POST", PATH, urls("https://example.org/a", "https://example.org/b"))
        batch = several.json()["batch_id"]
        first.kill()
        await first.wait()
        socket.unlink()
        assert (await call(url, "GET", "/readyz")).status == 503
        assert (await call(url, "GET", "/healthz")).status == 200
        for way in ({}, ORDINARY):
            answer = await call(url, "POST", PATH, urls("https://example.org/"), **way)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert answer.headers["content-type"] == "application/problem+json"
        asked: tuple[tuple[str, str, bytes, dict[str, str]], ...] = (
            ("POST", PATH, urls("https://example.org/"), {"idempotency-key": "one"}),
            ("POST", PATH, urls("https://example.org/", "https://example.com/"), {}),
            ("GET", f"/api/batches/{batch}", b"", {}),
            ("GET", f"/api/events?batch={batch}", b"", {}),
            ("GET", "/api/queue", b"", {}),
            ("GET", "/metrics", b"", {}),
        )
        for answer in await asyncio.gather(
            *(call(url, method, path, body, **headers) for method, path, body, headers in asked)
        ):
            assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
        await stack.enter_async_context(valkey(socket))
        assert (await call(url, "GET", "/readyz")).status == 200
        assert (await call(url, "POST", PATH, urls("https://example.org/"))).status == 202
