"""Serving: uvicorn in our own event loop, beside the worker."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from mediascrape.errors import ConfigurationError
from mediascrape.parts import raise_file_limit
from mediascrape.web.app import WebApp
from mediascrape.web.lean import LeanProtocol

#: Connections that may wait to be accepted: thousands of clients may come in one instant.
_BACKLOG = 4096
#: Connections that may be open at once, where the system allows it.
_CONNECTIONS = 16_384
#: Idle connections are kept longer than load balancers keep theirs (60 s), or these would now and then send
#: a request into a closing one.
_KEEP_ALIVE_S = 75
#: Time for requests in flight (and open event streams) to end when the service stops.
_GRACE_S = 5


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, host: str, port: int, *, trusted_proxies: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Serve `app` until the context is left; gives the address as a URL.

    Signals stay with the caller. Raises ConfigurationError when the address cannot be bound.
    """
    raise_file_limit(_CONNECTIONS)
    listener = _bind(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            http=partial(LeanProtocol, app.lean) if isinstance(app, WebApp) else "httptools",  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",  # its start and end are told by us
            server_header=False,
            date_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies) or None,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            backlog=_BACKLOG,
        )
    )
    task = asyncio.create_task(server.serve([listener]), name="web-server")
    while not (server.started or task.done()):  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.005)  # whoever is told the address may call at once
    try:
        yield url_of(listener)
    finally:
        if isinstance(app, WebApp):
            await app.end_streams()
        server.should_exit = True
        await task
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn takes SIGINT and SIGTERM for itself; here the service stops in its own order."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        hint = "; --port takes another, 0 any free one" if error.errno == errno.EADDRINUSE else ""
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror or error}{hint}"
        ) from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """`http://127.0.0.1:8000`, the port as bound."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
