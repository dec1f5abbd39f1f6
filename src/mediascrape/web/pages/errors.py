"""What went wrong, as a page where a person follows a link, as a problem document everywhere else."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from mediascrape.web.access import wants_page
from mediascrape.web.pages.rendering import is_fragment, render
from mediascrape.web.problems import Problem

_HEADINGS = {
    404: "Nothing here",
    405: "Not possible here",
    422: "This link does not say what to show",
    503: "Out of reach for the moment",
}


def answer(request: Request, problem: Problem) -> Response:
    """Whatever a script asks for, and all of the API, is answered by the document."""
    api = request.url.path.startswith("/api/") or "identity" not in request.scope
    if api or is_fragment(request) or not wants_page(request.scope, dict(request.scope["headers"])):
        return problem.response()
    heading = _HEADINGS.get(problem.status, "This did not work")
    page = render(
        request, request.app.state.parts, "problem.html", problem.status, problem=problem, heading=heading
    )
    page.headers.update(problem.headers or {})
    return page
