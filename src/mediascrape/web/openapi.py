"""The OpenAPI document: FastAPI's, and what it cannot see."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from mediascrape.settings import Settings
from mediascrape.web import ingest
from mediascrape.web.examples import EXAMPLES
from mediascrape.web.models import IngestAnswer, ProblemDocument
from mediascrape.web.problems import MEDIA_TYPE

DESCRIPTION = """\
Page URLs in; every image, video, audio file and embed on those pages out.

Programs send `Authorization: Bearer <MEDIASCRAPE_TOKEN>` (none is needed on loopback where no token
is configured). Lists are paged by cursor: pass `next_cursor` of the page before. Errors are problem
documents by RFC 9457 with a stable `code`.
"""
_REFS = "#/components/schemas/{model}"


def install(app: FastAPI, version: str, settings: Settings) -> None:
    """Make `app.openapi()` give the whole document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document = _build(app, version)
            _state_limits(document, settings)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _build(app: FastAPI, version: str) -> dict[str, Any]:
    document = get_openapi(
        title="mediascrape",
        version=version,
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "MIT", "identifier": "MIT"},
        tags=[
            {"name": "media", "description": "What was found."},
            {"name": "batches", "description": "What one call submitted together."},
            {"name": "jobs", "description": "Jobs in the queue, one by one."},
            {"name": "queue", "description": "The queue as a whole."},
            {"name": "schedules", "description": "Pages that are scraped again and again."},
            {"name": "health", "description": "For supervisors."},
        ],
    )
    _, extra = models_json_schema(
        [
            (ingest.IngestRequest, "validation"),
            (IngestAnswer, "serialization"),
            (ProblemDocument, "serialization"),
        ],
        ref_template=_REFS,
    )
    document["components"]["schemas"].update(extra["$defs"])
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}, {}]
    document["paths"] = {ingest.PATH: {"post": _ingest_operation()}, **document["paths"]}
    for operations in document["paths"].values():
        for operation in operations.values():
            _describe_problems(operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    for model, example in EXAMPLES.items():
        document["components"]["schemas"][model]["examples"] = [example]
    return document


def _state_limits(document: dict[str, Any], settings: Settings) -> None:
    """What the operator allows is part of the contract too."""
    for model in ("IngestRequest", "SchedulesRequest"):
        urls = document["components"]["schemas"][model]["properties"]["urls"]
        urls["maxItems"] = settings.max_urls_per_request
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "limit":
                    parameter["schema"]["maximum"] = settings.max_page_size


def _json(model: str, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": _REFS.format(model=model)}}}


def _ingest_operation() -> dict[str, Any]:
    return {
        "tags": ["media"],
        "operationId": "ingest",
        "summary": "Submit page URLs",
        "description": "All are queued in one batch. A bad URL is reported and hurts no other.",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                "description": "A request sent again with the same key and body has no second effect "
                "and gets the first answer.",
            }
        ],
        "requestBody": {"required": True, "content": _json("IngestRequest")},
        "responses": {
            "202": {
                "description": "Queued.",
                "content": _json("IngestAnswer"),
            },
            **{str(status): {} for status in (409, 413, 415, 422)},
        },
    }


#: Any route may answer with these, by the gate in front of it or by the services behind.
_EVERYWHERE = ("401", "403", "421", "429", "503")
_MEANINGS = {
    "400": "The body is not JSON.",
    "401": "A valid token is needed.",
    "403": "Not allowed for this token, or sent by another site.",
    "404": "There is none.",
    "409": "Not possible in its present state.",
    "413": "Too long, or too many URLs.",
    "414": "The URL is too long.",
    "415": "Not JSON.",
    "421": "Not a host of this service.",
    "422": "The request is not valid.",
    "429": "Too many requests.",
    "503": "Queue or store are out of reach.",
}


def _describe_problems(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    paths = [parameter for parameter in operation.get("parameters", ()) if parameter["in"] == "path"]
    if paths:
        responses.setdefault("404", {})
    if operation.get("requestBody") or operation.get("parameters"):
        responses.setdefault("422", {})
    if operation.get("parameters"):
        responses.setdefault("414", {})
    if operation.get("requestBody"):
        responses.setdefault("413", {})
        if operation["operationId"] != "ingest":
            responses.setdefault("400", {})
    for status in _EVERYWHERE:
        responses.setdefault(status, {})
    for status, meaning in _MEANINGS.items():
        if status in responses:
            responses[status] = {
                "description": meaning,
                "content": _json("ProblemDocument", MEDIA_TYPE),
            }
