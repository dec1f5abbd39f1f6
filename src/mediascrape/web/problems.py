"""Errors as RFC 9457 problem documents, in one place for every route."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mediascrape.errors import (
    ConfigurationError,
    InvalidQueryError,
    JobDataError,
    JobNotFoundError,
    JobStateError,
    MediascrapeError,
    ServiceUnavailableError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Which status an error of ours means to a client; what is not listed is a fault of the service.
STATUSES: tuple[tuple[type[MediascrapeError], int], ...] = (
    (JobNotFoundError, 404),
    (JobStateError, 409),
    (JobDataError, 422),
    (InvalidQueryError, 422),
    (ConfigurationError, 422),
    (ServiceUnavailableError, 503),
)
#: What each code means. A problem's `type` leads to its row in `/docs`; not listed are the reasons why a
#: page could not be scraped, which a job has, not a request.
CODES = {
    "invalid_request": "A field of the request is not valid; `errors` says which and why.",
    "invalid_query": "The filters do not go together, or the cursor is of another list.",
    "bad_schedule": "The interval, cron expression, time zone or dates make no sense, or it would never run.",
    "bad_job_data": "The job's data are not those of a page to scrape.",
    "bad_request": "The request is not HTTP, or its body not JSON.",
    "uri_too_long": "The URL is longer than 65,535 bytes.",
    "not_json": "Only `application/json` is taken.",
    "body_too_large": "The body is longer than `MEDIASCRAPE_MAX_REQUEST_BYTES`.",
    "too_many_urls": "More URLs than `MEDIASCRAPE_MAX_URLS_PER_REQUEST`: send them in several requests.",
    "bad_idempotency_key": "The key has 1 to 255 characters from `!` to `~`.",
    "idempotency_key_reused": "The key was used with another body: take a new one.",
    "still_running": "The first request with this key is still being served: ask again.",
    "not_found": "There is nothing at this path, or nothing of this id.",
    "method_not_allowed": "Not this method; the `Allow` header names those that are possible.",
    "job_not_found": "No job of this id is in the queue; completed ones leave it.",
    "job_state": "The job is in a state that does not allow it.",
    "not_authenticated": "A token is needed: `Authorization: Bearer …`.",
    "wrong_token": "The token is not valid.",
    "read_only": "This token may only look.",
    "csrf": "A browser's request without the page's own token: reload the page.",
    "cross_site": "Another site sent the request.",
    "host_not_allowed": "The name in the `Host` header is not listed in `MEDIASCRAPE_ALLOWED_HOSTS`.",
    "too_many_requests": "More than `MEDIASCRAPE_RATE_LIMIT` requests a second; `Retry-After` says when to come again.",
    "too_many_streams": "Too many event streams are open.",
    "busy": "Too many thumbnails are being made.",
    "unusable_picture": "No thumbnail can be made of it: it is broken, too large, or no picture.",
    "not_ready": "Queue or store did not answer in time.",
    "queue_unavailable": "Valkey or Redis is out of reach; `Retry-After` says when to come again.",
    "store_unavailable": "The database is out of reach; `Retry-After` says when to come again.",
    "internal_error": "A fault of the service; its log says more.",
}


class Problem(HTTPException):  # RFC 9457's word
    """A request that cannot be served; becomes a problem document.

    code: stable word for programs. errors: what is wrong in which field. An HTTPException, because
    FastAPI turns all else that is raised while it reads a body into an error of its own.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        errors: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(status, detail, headers)
        self.status = status
        self.code = code
        self.errors = list(errors)

    def document(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"/docs#problem-{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            body["errors"] = self.errors
        return body

    def body(self) -> bytes:
        return to_json(self.document())

    def response(self) -> Response:
        return Response(self.body(), self.status, dict(self.headers or {}), MEDIA_TYPE)


def not_found(detail: str) -> Problem:
    return Problem(404, "not_found", detail)


def problem_of(error: MediascrapeError) -> Problem:
    """The problem that an error of ours is to a client."""
    for kind, status in STATUSES:
        if isinstance(error, kind):
            headers = {"Retry-After": "5"} if status == 503 else None
            return Problem(status, error.code, str(error), headers=headers)
    return Problem(500, error.code, str(error))


def invalid_request(errors: Sequence[Any]) -> Problem:
    """The problem of a request that Pydantic refused."""
    return Problem(422, "invalid_request", "The request is not valid; see errors.", errors=fields_of(errors))


def method_not_allowed(headers: dict[str, str]) -> Problem:
    detail = "This method is not possible here; the Allow header says which are."
    return Problem(405, "method_not_allowed", detail, headers=headers)


def _of_the_framework(error: HTTPException) -> Problem:
    headers = dict(error.headers or {})
    if error.status_code == 404:  # its word is only the status again
        return not_found("Neither a page nor a route of the API has this path; /docs lists them.")
    if error.status_code == 405:
        allowed = headers.get("Allow", "")
        return method_not_allowed({"Allow": "GET, HEAD" if allowed == "GET" else allowed})
    code = HTTPStatus(error.status_code).name.lower()
    return Problem(error.status_code, code, str(error.detail), headers=headers)


def install(app: FastAPI, answer: Callable[[Request, Problem], Response]) -> None:
    """Make the application answer every failure with a problem document, or what `answer` makes of it."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request, error)

    async def on_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, MediascrapeError)
        return answer(request, problem_of(error))

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, invalid_request(error.errors()))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, _of_the_framework(error))

    async def on_crash(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(request, Problem(500, "internal_error", "The service failed; its log says why."))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(MediascrapeError, on_ours)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_crash)


def fields_of(errors: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's errors as `{field, message}`; the refused value is not sent back."""
    return [
        {"field": ".".join(str(part) for part in error["loc"]) or "body", "message": error["msg"]}
        for error in errors[:20]
    ]
