"""The application: the gate, the lean ingest route, and everything else behind FastAPI."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from mediascrape.service import Mediascrape
from mediascrape.web import ingest, openapi, problems
from mediascrape.web.access import Gate, check_exposure
from mediascrape.web.api import health, jobs, media, queue
from mediascrape.web.batches import Batches
from mediascrape.web.parts import Parts
from mediascrape.web.sessions import Sessions, load_secret


def create_app(service: Mediascrape, redis: Redis) -> ASGIApp:
    """The ASGI application around a running service.

    Raises ConfigurationError when it would stand open to a network without a token.
    """
    settings = service.settings
    check_exposure(settings)
    sessions = Sessions(
        load_secret(settings.data_dir.expanduser() / "web-secret"),
        settings.token.get_secret_value() if settings.token else None,
        settings.read_token.get_secret_value() if settings.read_token else None,
    )
    batches = Batches(redis, service.queue, service.store)
    lean = ingest.Ingest(
        service.submit,
        batches,
        ingest.Replies(redis, service.queue.keys, settings.idempotency_ttl_s),
        max_urls=settings.max_urls_per_request,
    )
    comfortable = _comfortable(Parts(settings, service, batches, sessions))

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == ingest.PATH and scope["method"] == "POST":
            await lean(scope, receive, send)
        else:
            await comfortable(scope, receive, send)

    return Gate(routed, settings, sessions)


def _comfortable(parts: Parts) -> FastAPI:
    release = version("mediascrape")
    app = FastAPI(title="mediascrape", version=release, docs_url=None, redoc_url=None)
    app.state.parts = parts
    problems.install(app)
    openapi.install(app, release)
    for resource in (media, jobs, queue, health):
        app.include_router(resource.router)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    return app
