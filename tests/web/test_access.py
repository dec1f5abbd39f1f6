"""The gate in front of every route."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediascrape.errors import ConfigurationError
from mediascrape.settings import Settings
from mediascrape.web.access import Gate, HostCheck, check_exposure
from mediascrape.web.problems import Problem
from mediascrape.web.ratelimit import RateLimiter, client_key, is_loopback
from mediascrape.web.sessions import COOKIE, Sessions, load_secret

TOKEN, READ = "full-token-of-some-length", "read-token-of-some-length"
SITE = "http://127.0.0.1:8000"


@dataclass
class Answer:
    status_code: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Calls an ASGI application without a server between."""

    def __init__(self, app: ASGIApp, address: str) -> None:
        self._app = app
        self._address = address

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return asyncio.run(self._call("GET", path, headers or {}, b""))

    def post(
        self, path: str, headers: dict[str, str] | None = None, content: bytes = b"", chunk: int | None = None
    ) -> Answer:
        """With `chunk` the body comes in pieces of that size, its length not told."""
        length = {} if chunk else {"content-length": str(len(content))}
        return asyncio.run(self._call("POST", path, length | (headers or {}), content, chunk))

    async def _call(
        self, method: str, path: str, headers: dict[str, str], body: bytes, chunk: int | None = None
    ) -> Answer:
        path, _, query = path.partition("?")
        size = chunk or max(1, len(body))
        parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "scheme": "http",
            "client": (self._address, 1),
            "headers": [(b"host", b"127.0.0.1:8000")] * ("host" not in headers)
            + [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        answer = Answer()

        async def receive() -> Message:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status_code = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.text += message.get("body", b"").decode()

        await self._app(scope, receive, send)
        return answer


async def _inside(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await PlainTextResponse(f"{scope['identity'].role} {len(body)}")(scope, receive, send)


def gate(
    *, token: str | None = None, client: str = "127.0.0.1", **settings: object
) -> tuple[Client, Sessions]:
    sessions = Sessions("secret", token, READ if token else None)
    app = Gate(_inside, Settings.load(**settings), sessions)
    return Client(app, client), sessions


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8000", True), ("[::1]:8000", True), ("localhost", True), ("box.localhost:1", True),
        ("192.0.2.7", True), ("media.example.org", True), ("MEDIA.example.org.:443", True),
        ("evil.example", False), ("media.example.org.evil.example", False), ("", False), ("localhost.evil", False),
        ("evil@127.0.0.1", False), ("[::1", False),
    ],
)  # fmt: skip
def test_names_are_answered_only_when_listed(host: str, allowed: bool) -> None:
    assert HostCheck(["media.example.org"]).allows(host.encode()) is allowed


def test_another_host_gets_nothing() -> None:
    client, _ = gate()
    answer = client.get("/", headers={"host": "rebound.example"})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


def test_loopback_without_a_token_is_open_to_programs() -> None:
    client, _ = gate()
    assert client.get("/x").text == "full 0"
    assert client.post("/x", content=b"abc").text == "full 3"


def test_every_answer_carries_the_safe_headers() -> None:
    client, _ = gate()
    for answer in (client.get("/x"), client.get("/x", headers={"host": "no.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_tokens_decide_who_may_do_what() -> None:
    client, _ = gate(token=TOKEN)
    assert client.get("/x").status_code == 401
    assert client.get("/healthz").status_code == 200
    assert client.get("/x", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/x", headers={"authorization": f"bearer {TOKEN}"}).text == "full 0"
    assert client.get("/x", headers={"authorization": f"Bearer {READ}"}).text == "read 0"
    assert client.post("/x", headers={"authorization": f"Bearer {READ}"}).status_code == 403
    assert client.post("/x", headers={"authorization": f"Bearer {TOKEN}"}).text == "full 0"


def test_people_are_led_to_the_login_and_back() -> None:
    client, _ = gate(token=TOKEN)
    answer = client.get("/queue?state=failed", headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fqueue%3Fstate%3Dfailed"


def test_a_browser_needs_the_csrf_token_of_its_own_session() -> None:
    client, sessions = gate(token=TOKEN)
    session, cookie = sessions.new("full")
    other, _ = sessions.new("full")
    origin = {"cookie": f"{COOKIE}={cookie}", "origin": SITE}
    assert client.post("/x", headers=origin).status_code == 403
    assert client.post("/x", headers=origin | {"x-csrf-token": sessions.csrf_token(other)}).status_code == 403
    assert client.post("/x", headers=origin | {"x-csrf-token": sessions.csrf_token(session)}).text == "full 0"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"}, {"origin": "null", "sec-fetch-site": "same-site"},
    ],
)  # fmt: skip
def test_another_site_cannot_change_anything(headers: dict[str, str]) -> None:
    client, sessions = gate()
    session, cookie = sessions.new("none")
    own = {"cookie": f"{COOKIE}={cookie}", "x-csrf-token": sessions.csrf_token(session)}
    assert client.post("/x", headers=own | headers).json()["code"] == "cross_site"


def test_a_form_of_ours_may_hide_its_origin() -> None:
    client, sessions = gate()
    session, cookie = sessions.new("none")
    own = {"cookie": f"{COOKIE}={cookie}", "x-csrf-token": sessions.csrf_token(session)}
    assert (
        client.post("/x", headers=own | {"origin": "null", "sec-fetch-site": "same-origin"}).text == "full 0"
    )


def test_forged_cookies_and_those_of_another_token_are_nothing() -> None:
    client, sessions = gate(token=TOKEN)
    _, cookie = sessions.new("full")
    _, foreign = Sessions("secret", "another-token-of-length", None).new("full")
    assert client.get("/x", headers={"cookie": f"{COOKIE}={cookie}"}).text == "full 0"
    said, _, signature = cookie.rpartition(".")
    forged = f"{said}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"  # the last one has unused bits
    for wrong in (foreign, forged, "x", ""):
        assert client.get("/x", headers={"cookie": f"{COOKIE}={wrong}"}).status_code == 401


def test_a_long_body_is_refused_with_and_without_a_length() -> None:
    client, _ = gate(max_request_bytes=1024)
    assert client.post("/x", content=b"x" * 1024).text == "full 1024"
    assert client.post("/x", content=b"x" * 1025).status_code == 413
    assert client.post("/x", content=b"x" * 1024, chunk=100).text == "full 1024"
    with pytest.raises(Problem, match="longer than 1024"):  # the application's handlers answer with it
        client.post("/x", content=b"x" * 1025, chunk=100)


def test_a_client_that_asks_too_often_is_told_when_to_come_back() -> None:
    client, _ = gate(token=TOKEN, client="192.0.2.1", rate_limit=0.1)
    answers = [client.get("/healthz") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert int(answers[1].headers["retry-after"]) >= 1


def test_the_bucket_fills_with_time_and_clients_do_not_share_it() -> None:
    limiter = RateLimiter(2, 2, capacity=2)
    assert [limiter.wait("a", 0), limiter.wait("a", 0), limiter.wait("a", 0)] == [0, 0, 0.5]
    assert limiter.wait("b", 0) == 0
    assert limiter.wait("a", 0.5) == 0
    assert limiter.wait("a", 0.5) > 0


def test_one_ipv6_site_is_one_client() -> None:
    assert client_key("2001:db8::1") == client_key("2001:db8::2:1") != client_key("2001:db8:1::1")
    assert client_key("::ffff:192.0.2.1") == client_key("192.0.2.1")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("192.0.2.1")


@pytest.mark.parametrize(
    "settings", [{"host": "0.0.0.0"}, {"host": "media.example"}, {"read_token": READ}], ids=str
)
def test_what_would_stand_open_does_not_start(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        check_exposure(Settings.load(**settings))
    check_exposure(Settings.load(**settings, token=TOKEN))


def test_the_signing_key_is_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    first = load_secret(path)
    assert first == load_secret(path)
    assert len(first) >= 32
    assert path.stat().st_mode & 0o077 == 0
    assert [child.name for child in path.parent.iterdir()] == ["secret"]
