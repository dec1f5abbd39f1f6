"""The API's documentation: the OpenAPI document as a page of ours, without a third party's script."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from mediascrape.web.pages.rendering import render
from mediascrape.web.parts import PartsOf
from mediascrape.web.problems import CODES

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request, parts: PartsOf) -> Response:
    document = request.app.openapi()
    return render(request, parts, "docs.html", document=document, groups=grouped(document), codes=CODES)


def grouped(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """Operations (method, path, operation) by their first tag, in the document's order."""
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups[operation["tags"][0]].append((method, path, operation))
    return groups
