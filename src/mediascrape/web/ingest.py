"""`POST /api/media/ingest`, the one route that must be lean: 10,000 requests a second on one core.

It stands in front of the framework as a bare ASGI application, reads and checks the body in one pass
of pydantic-core and awaits `Mediascrape.submit`, whose adds share round trips with those of all other
requests of the same turn of the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.types import Receive, Scope, Send

from mediascrape.errors import MediascrapeError
from mediascrape.queue.connection import queue_errors
from mediascrape.queue.job import MAX_PRIORITY
from mediascrape.queue.keys import QueueKeys
from mediascrape.submission import Submission
from mediascrape.web.batches import Batches, idempotency_key, new_batch_id, single_batch_id
from mediascrape.web.models import JSON_NUMBER
from mediascrape.web.problems import Problem, fields_of, problem_of

PATH = "/api/media/ingest"
_YEAR_MS = 366 * 86_400_000
#: How long a second request with the same key waits for the first one's answer.
_PATIENCE_S = 30
_PENDING = "pending"
_is_key = re.compile(rb"[!-~]{1,255}").fullmatch


class IngestRequest(BaseModel):
    """URLs to scrape, as one batch."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"urls": ["https://example.org/", "https://example.com/gallery"]}]},
    )

    urls: Annotated[list[str], Field(min_length=1, description="Page URLs, http or https.")]
    priority: Annotated[
        int, Field(ge=0, le=MAX_PRIORITY, description="1 is the most urgent; 0 goes before all."), JSON_NUMBER
    ] = 0
    delay_ms: Annotated[int, Field(ge=0, le=_YEAR_MS, description="Wait this long first."), JSON_NUMBER] = 0
    force: Annotated[
        bool,
        Field(strict=True, description="Read pages again that have not changed since the last time."),
    ] = False


Submit = Callable[..., Awaitable[Submission]]


class Ingest:
    """The route as an ASGI application. `submit` is `Mediascrape.submit`, `new_id` `Queue.new_id`."""

    def __init__(
        self,
        submit: Submit,
        batches: Batches,
        replies: Replies,
        *,
        max_urls: int,
        new_id: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._submit = submit
        self._batches = batches
        self._replies = replies
        self._max_urls = max_urls
        self._new_id = new_id
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
        try:
            body = await _read(receive)
            key = _idempotency_key(scope)
            if key is None:
                answer = to_json(await self._ingest(scope, body))
            else:
                answer, replayed = await self._replies.once(key, body, lambda: self._ingest(scope, body))
                if replayed:
                    headers.append((b"idempotency-replayed", b"true"))
        except MediascrapeError as error:
            await problem_of(error).response()(scope, receive, send)
            return
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        headers.append((b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _ingest(self, scope: Scope, body: bytes) -> Submission:
        _check_type(scope)
        try:
            request = IngestRequest.model_validate_json(body)
        except ValidationError as error:
            raise Problem(
                422, "invalid_request", "The body is not valid; see errors.",
                errors=fields_of(error.errors(include_url=False, include_input=False)),
            ) from None  # fmt: skip
        if len(request.urls) > self._max_urls:
            raise Problem(413, "too_many_urls", f"At most {self._max_urls} URLs are taken at once.")
        job_id = self._new_id() if len(request.urls) == 1 else None
        submission = await self._submit(
            request.urls,
            batch_id=single_batch_id(job_id) if job_id else new_batch_id(self._clock()),
            job_id=job_id,
            priority=request.priority,
            delay_ms=request.delay_ms,
            force=request.force,
        )
        return await self._batches.remember(submission)


class Replies:
    """Answers to requests with an Idempotency-Key, so that one sent again has no second effect.

    The first request claims the key in Valkey; others with the same key wait for its answer. A key
    used for another body is refused. A claim whose owner died expires. `where`: the server's URL.
    """

    def __init__(self, redis: Redis, where: str, keys: QueueKeys, ttl_s: int) -> None:
        self._redis = redis
        self._where = where
        self._keys = keys
        self._ttl_s = ttl_s

    async def once(self, key: str, body: bytes, run: Callable[[], Awaitable[object]]) -> tuple[bytes, bool]:
        """The answer and whether it is a replay. Raises QueueUnavailableError."""
        with queue_errors(self._where):
            return await self._once(key, body, run)

    async def _once(self, key: str, body: bytes, run: Callable[[], Awaitable[object]]) -> tuple[bytes, bool]:
        name = idempotency_key(self._keys, hashlib.blake2b(key.encode(), digest_size=16).hexdigest())
        digest = hashlib.blake2b(body, digest_size=16).hexdigest()
        pending = f"{digest} {_PENDING}"
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while not await self._redis.set(name, pending, nx=True, ex=_PATIENCE_S):
            kept = await self._redis.get(name)
            if kept is None:
                continue
            known, _, answer = str(kept).partition(" ")
            if known != digest:
                raise Problem(
                    422, "idempotency_key_reused", "This Idempotency-Key was used with another body."
                )
            if answer != _PENDING:
                return answer.encode(), True
            if asyncio.get_running_loop().time() > deadline:
                raise Problem(409, "still_running", "The first request with this key is still being served.")
            await asyncio.sleep(0.05)
        try:
            answer = to_json(await run()).decode()
        except BaseException:
            with suppress(RedisError, OSError):  # the claim then expires
                await self._redis.delete(name)
            raise
        await self._redis.set(name, f"{digest} {answer}", ex=self._ttl_s)
        return answer.encode(), False


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = [body]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _check_type(scope: Scope) -> None:
    """JSON only: browsers can't send that across sites without asking first."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value.partition(b";")[0].strip().lower() != b"application/json":
                break
            return
    raise Problem(415, "not_json", "Send application/json.")


def _idempotency_key(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            if not _is_key(value):
                raise Problem(
                    422, "bad_idempotency_key", "Idempotency-Key must have 1 to 255 characters from ! to ~."
                )
            return str(value, "latin-1")
    return None
