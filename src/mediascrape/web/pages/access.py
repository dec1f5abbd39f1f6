"""Signing in and out."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from mediascrape.web.access import Identity, set_cookie
from mediascrape.web.pages.rendering import render
from mediascrape.web.parts import IdentityOf, Parts, PartsOf

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def login_page(request: Request, parts: PartsOf, identity: IdentityOf) -> Response:
    wanted = _inside(request.query_params.get("next", "/"))
    if identity.role != "none":
        return RedirectResponse(wanted, 303)
    return render(request, parts, "login.html", wanted=wanted, wrong=False)


@router.post("/login")
async def login(request: Request, parts: PartsOf, identity: IdentityOf) -> Response:
    """A form's post; its CSRF token is in a field, since the page works without scripts."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"))
    wanted = _inside(_first(fields, "next") or "/")
    role = parts.sessions.role_of_token(_first(fields, "token"))
    if not _own_form(parts, identity, fields) or role == "none":
        return render(request, parts, "login.html", 403, wanted=wanted, wrong=role == "none")
    _, cookie = parts.sessions.new(role)  # a fresh session: one planted before the login is worth nothing
    answer = RedirectResponse(wanted, 303)
    answer.headers.append("Set-Cookie", set_cookie(cookie, secure=request.url.scheme == "https"))
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    answer = RedirectResponse("/login", 303)
    answer.headers.append("Set-Cookie", set_cookie("", secure=request.url.scheme == "https", max_age=0))
    return answer


def _own_form(parts: Parts, identity: Identity, fields: dict[str, list[str]]) -> bool:
    session = identity.session
    return session is not None and parts.sessions.csrf_valid(session, _first(fields, "csrf"))


def _first(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0]


def _inside(path: str) -> str:
    """A path of ours: a link to the login page must not lead elsewhere."""
    safe = (
        path.startswith("/") and not path.startswith(("//", "/\\")) and "\n" not in path and "\r" not in path
    )
    return path if safe else "/"
