"""Errors as RFC 9457 problem documents, in one place for every route."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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


def install(app: FastAPI) -> None:
    """Make the application answer every failure with a problem document."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def on_ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, MediascrapeError)
        return problem_of(error).response()

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return Problem(
            422, "invalid_request", "The request is not valid; see errors.", errors=fields_of(error.errors())
        ).response()

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).name.lower()
        return Problem(
            error.status_code, code, str(error.detail), headers=dict(error.headers or {})
        ).response()

    async def on_crash(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return Problem(500, "internal_error", "The service failed; its log says why.").response()

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
