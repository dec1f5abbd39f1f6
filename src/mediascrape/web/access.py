"""The gate in front of every route: Host check, who is asking, CSRF, rate, body size, headers.

A plain ASGI middleware, because it stands on the ingest path too, where every microsecond counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast
from urllib.parse import quote, urlsplit

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediascrape.errors import ConfigurationError
from mediascrape.settings import Settings
from mediascrape.web.problems import Problem
from mediascrape.web.ratelimit import RateLimiter, client_key, is_loopback
from mediascrape.web.sessions import COOKIE, SESSION_S, Role, Session, Sessions

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Reachable without a role: what a login page and a supervisor need.
PUBLIC = ("/login", "/static/", "/healthz", "/readyz")
CSRF_HEADER = b"x-csrf-token"

#: For everything that is not a page; pages set their own Content-Security-Policy.
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_CSP = b"content-security-policy"
_CLOSED = (_CSP, b"default-src 'none'; frame-ancestors 'none'; sandbox")
#: What the answers of programs' routes carry.
CLOSED_HEADERS = (*_HEADERS, _CLOSED)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking. `session` is None for programs; `new_cookie` is to be set by the answer."""

    role: Role
    session: Session | None = None
    new_cookie: str | None = None


def check_exposure(settings: Settings) -> None:
    """Raises ConfigurationError when the service would stand open to a network without a token."""
    if settings.read_token is not None and settings.token is None:
        raise ConfigurationError("MEDIASCRAPE_READ_TOKEN needs MEDIASCRAPE_TOKEN beside it")
    if settings.token is None and not is_loopback(settings.host):
        raise ConfigurationError(
            f"listening on {settings.host} needs MEDIASCRAPE_TOKEN (16 characters or more): "
            "anybody who reaches that address could submit and read"
        )


class HostCheck:
    """Which Host headers are answered.

    DNS rebinding needs a name that the attacker controls, so addresses and localhost always pass
    and names only when the operator listed them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.lower().rstrip(".") for name in names}
        self._known: dict[bytes, bool] = {}

    def allows(self, host: bytes) -> bool:
        known = self._known.get(host)
        if known is None:
            if len(self._known) > 256:
                self._known.clear()
            known = self._known[host] = self._decide(host.decode("latin-1"))
        return known

    def _decide(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        name = name.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost") or name in self._names:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return "@" not in host


class Gate:
    """Lets a request through to `app` with `scope["identity"]` set, or answers it."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        sessions: Sessions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._hosts = HostCheck((*settings.allowed_hosts, settings.host))
        self._limiter = RateLimiter(settings.rate_limit, settings.rate_limit * 10)
        self._max_body = settings.max_request_bytes
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        answer = _hardened(send)
        try:
            identity = self.admit(scope, headers)
        except Problem as problem:
            await _refusal(problem, scope, headers)(scope, receive, answer)
            return
        scope["identity"] = identity
        counted = b"content-length" in headers and b"transfer-encoding" not in headers
        if scope["method"] not in SAFE_METHODS and not counted:
            receive = _bounded(receive, self._max_body)
        await self._app(scope, receive, _with_cookie(answer, scope, identity))

    def admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Identity:
        if not self._hosts.allows(headers.get(b"host", b"")):
            raise Problem(
                421, "host_not_allowed", "Not a host of this service; see MEDIASCRAPE_ALLOWED_HOSTS."
            )
        client = scope["client"][0] if scope.get("client") else ""
        if not is_loopback(client):
            self._check_rate(client_key(client))
        identity = self._identify(scope, headers)
        public = scope["path"].startswith(PUBLIC)
        if identity.role == "none" and not public:
            raise Problem(
                401, "not_authenticated", "A token is needed.", headers={"WWW-Authenticate": "Bearer"}
            )
        if scope["method"] not in SAFE_METHODS:
            self._check_change(scope, headers, identity)
        return identity

    def _check_rate(self, client: str) -> None:
        wait = self._limiter.wait(client, self._clock())
        if wait:
            raise Problem(
                429, "too_many_requests", "Too many requests.", headers={"Retry-After": str(int(wait) + 1)}
            )

    def _identify(self, scope: Scope, headers: dict[bytes, bytes]) -> Identity:
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if authorization[:7].lower() == "bearer " and not self._sessions.open:
            role = self._sessions.role_of_token(authorization[7:].strip())
            if role == "none":
                raise Problem(
                    401, "wrong_token", "The token is not valid.",
                    headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
                )  # fmt: skip
            return Identity(role)
        cookie = cookie_of(headers.get(b"cookie", b"").decode("latin-1"))
        session = self._sessions.read(cookie) if cookie else None
        role = "full" if self._sessions.open else session.role if session else "none"
        if session is not None:
            return Identity(role, session)
        if wants_page(scope, headers):
            session, new_cookie = self._sessions.new("none")
            return Identity(role, session, new_cookie)
        return Identity(role)

    def _check_change(self, scope: Scope, headers: dict[bytes, bytes], identity: Identity) -> None:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_body:
            raise _too_large(self._max_body)
        if _from_browser(headers):
            self._check_origin(headers)
            if scope["path"] != "/login":  # its form carries the token in a field
                token = headers.get(CSRF_HEADER, b"").decode("latin-1")
                if identity.session is None or not self._sessions.csrf_valid(identity.session, token):
                    raise Problem(403, "csrf", "Reload the page and try again.")
        if identity.role == "read" and scope["path"] not in ("/login", "/logout"):
            raise Problem(403, "read_only", "This token may only look.")

    @staticmethod
    def _check_origin(headers: dict[bytes, bytes]) -> None:
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site")
        if origin == b"null" and site == b"same-origin":
            return  # a form of ours: our pages send no referrer, and so browsers hide the origin too
        foreign = origin is not None and origin.partition(b"://")[2] != headers.get(b"host")
        if foreign or site not in (None, b"same-origin", b"none"):
            raise Problem(403, "cross_site", "Another site sent this request.")


def _from_browser(headers: dict[bytes, bytes]) -> bool:
    """Programs with a bearer token are not; whatever sends a cookie or names an origin is."""
    if headers.get(b"authorization", b"")[:7].lower() == b"bearer ":
        return False
    return b"origin" in headers or b"sec-fetch-site" in headers or b"cookie" in headers


def wants_page(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """A person followed a link, or typed one."""
    return scope["method"] == "GET" and b"text/html" in headers.get(b"accept", b"")


def cookie_of(header: str, name: str = COOKIE) -> str | None:
    """One cookie's value out of a Cookie header."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip('"')
    return None


def _refusal(problem: Problem, scope: Scope, headers: dict[bytes, bytes]) -> Response:
    if problem.status == 401 and wants_page(scope, headers):
        wanted = scope["path"] + (
            f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        )
        return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
    return problem.response()


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"The request is longer than {limit} bytes.")


def _bounded(receive: Receive, limit: int) -> Receive:
    """A body that comes in chunks without a length is counted as it comes."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _too_large(limit)
        return message

    return bounded


def _hardened(send: Send) -> Send:
    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"] = [*message.get("headers", ()), *_HEADERS]
            if not any(name == _CSP for name, _ in headers):
                headers.append(_CLOSED)
        await send(message)

    return hardened


def _with_cookie(send: Send, scope: Scope, identity: Identity) -> Send:
    if identity.new_cookie is None:
        return send
    cookie = set_cookie(identity.new_cookie, secure=scope["scheme"] == "https")

    async def with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = list(message.get("headers", ()))
            if not any(name == b"set-cookie" and COOKIE.encode() in value for name, value in present):
                present.append((b"set-cookie", cookie.encode()))
            message["headers"] = present
        await send(message)

    return with_cookie


def set_cookie(value: str, *, secure: bool, max_age: int = SESSION_S) -> str:
    """The Set-Cookie header of a session."""
    return f"{COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax" + (
        "; Secure" if secure else ""
    )
