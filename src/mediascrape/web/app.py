"""The application: the gate, the lean ingest route, and everything else behind FastAPI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

import mediascrape.store.queries  # noqa: F401  a quarter of a second that the first request should not wait
from mediascrape.queue.cancelling import cancel_and_wait
from mediascrape.queue.connection import connect
from mediascrape.queue.groups import GroupGate
from mediascrape.queue.presence import Presences
from mediascrape.service import Mediascrape
from mediascrape.web import ingest, openapi, problems
from mediascrape.web.access import Gate, check_exposure
from mediascrape.web.api import batches as batches_api
from mediascrape.web.api import events, health, jobs, media, queue, schedules
from mediascrape.web.batches import Batches
from mediascrape.web.lean import Lean
from mediascrape.web.live import Live
from mediascrape.web.pages import access as access_pages
from mediascrape.web.pages import docs as docs_page
from mediascrape.web.pages import gallery as gallery_pages
from mediascrape.web.pages import queue as queue_pages
from mediascrape.web.pages import schedules as schedule_pages
from mediascrape.web.pages import submit as submit_pages
from mediascrape.web.pages.errors import answer
from mediascrape.web.pages.rendering import STATIC
from mediascrape.web.parts import Parts
from mediascrape.web.request_ids import RequestIds
from mediascrape.web.sessions import Sessions, load_secret
from mediascrape.web.thumbnails.service import Thumbnails, open_thumbnails

RESOURCES = (media, batches_api, jobs, queue, schedules, events, health)
PAGES = (gallery_pages, submit_pages, queue_pages, schedule_pages, docs_page, access_pages)
#: Seconds that a request waits for a queue's server that is away before it is told so: its sender may try again.
QUEUE_PATIENCE_S = 2.0


@asynccontextmanager
async def open_app(service: Mediascrape) -> AsyncIterator[WebApp]:
    """The application around a running service, with what it does in the background.

    Raises ConfigurationError when it would stand open to a network without a token.
    """
    check_exposure(service.settings)
    redis = connect(service.queue_url)
    keys = service.queue.keys
    gate = GroupGate(redis, keys.base)
    live = Live(service, Presences(redis, keys), gate)
    sampling = asyncio.create_task(live.run(), name="web-live")
    try:
        async with open_thumbnails(service.settings) as thumbnails:
            yield WebApp(service, redis, live, thumbnails)
    finally:
        await cancel_and_wait([sampling])
        await gate.close()
        await redis.aclose()


class WebApp:
    """An ASGI application."""

    def __init__(
        self, service: Mediascrape, redis: Redis, live: Live, thumbnails: Thumbnails | None = None
    ) -> None:
        settings = service.settings
        sessions = Sessions(
            load_secret(settings.data_dir.expanduser() / "web-secret"),
            settings.token.get_secret_value() if settings.token else None,
            settings.read_token.get_secret_value() if settings.read_token else None,
        )
        batches = Batches(redis, service.queue, service.store, service.count_missing, service.queue_url)
        self._live = live
        self._guests = service.guests
        self._lean = ingest.Ingest(
            service.submit,
            batches,
            ingest.Replies(redis, service.queue_url, service.queue.keys, settings.idempotency_ttl_s),
            max_urls=settings.max_urls_per_request,
            new_id=service.queue.new_id,
        )
        self._comfortable = _comfortable(
            Parts(
                settings, service, batches, sessions, live, asyncio.Semaphore(events.MOST_STREAMS), thumbnails
            )
        )
        gate = Gate(self._routed, settings, sessions)
        self._app = RequestIds(gate)
        #: For the server: see LeanProtocol.
        self.lean = Lean(gate, service.submit_one, service.queue.new_id, service.guests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def end_streams(self) -> None:
        """Let event streams end, so that the server can stop without cutting them."""
        await self._live.stop()

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == ingest.PATH:
            await (self._lean if method == "POST" else _only("POST"))(scope, receive, send)
            return
        if method == "HEAD":
            if path == events.PATH:  # an answer without an end
                await _only("GET")(scope, receive, send)
                return
            scope = {**scope, "method": "GET"}  # the server sends no body, for it knows what was asked
        if path == events.PATH:  # it stays
            await self._comfortable(scope, receive, send)
            return
        with self._guests:
            await self._comfortable(scope, receive, send)


def _only(method: str) -> Response:
    return problems.method_not_allowed({"Allow": method}).response()


def _comfortable(parts: Parts) -> ASGIApp:
    release = version("mediascrape")
    app = FastAPI(title="mediascrape", version=release, docs_url=None, redoc_url=None)
    app.state.parts = parts
    problems.install(app, answer)
    openapi.install(app, release, parts.settings)
    for module in (*RESOURCES, *PAGES):
        app.include_router(module.router)
    app.mount("/static", _Assets(directory=STATIC))
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    return app


class _Assets(StaticFiles):
    """Assets whose URL names their content may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        lasting = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response
