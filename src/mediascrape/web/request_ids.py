"""X-Request-ID: a request's own or a new one, told in the answer and in every log line about it."""

from __future__ import annotations

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediascrape.observing import current_request

_HEADER = b"x-request-id"
_is_id = re.compile(rb"[!-~]{1,100}").fullmatch


class RequestIds:
    """In front of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _of(scope)
        current_request.set(request_id.decode())  # the server runs each request in a context of its own

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_HEADER, request_id)]
            await send(message)

        await self._app(scope, receive, telling)


def _of(scope: Scope) -> bytes:
    for name, value in scope.get("headers", ()):
        if name == _HEADER and _is_id(value):
            return bytes(value)
    return secrets.token_hex(8).encode()
