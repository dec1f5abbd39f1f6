"""Templates, and what every page has: its headers, the viewer's choices, links to assets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from mediascrape.web.access import Identity
from mediascrape.web.parts import Parts

STATIC = Path(__file__).parent.parent / "static"
THEME_COOKIE = "mediascrape_theme"
PRIVATE_COOKIE = "mediascrape_private"
_THEMES = ("light", "dark")

#: Nothing but our own files runs or styles a page. Media and, once clicked, embeds come from anywhere
#: unless the viewer chose to load nothing from other hosts.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'; "
)
_CSP_DIRECT = (
    _CSP + "img-src 'self' data: http: https:; media-src 'self' http: https:; frame-src http: https:"
)
_CSP_PRIVATE = _CSP + "img-src 'self' data:; media-src 'self'"

_environment = Environment(
    loader=PackageLoader("mediascrape.web"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, parts: Parts, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page (or a part of one) for this viewer."""
    identity: Identity = request.scope["identity"]
    private = is_private(request, parts)
    theme = request.cookies.get(THEME_COOKIE)
    html = _environment.get_template(template).render(
        context
        | {
            "path": request.url.path,
            "origin": str(request.base_url).rstrip("/"),
            "private": private,
            "thumbnails": parts.thumbnails is not None,
            "theme": theme if theme in _THEMES else "",
            "may_change": identity.role == "full",
            "signed_in": not parts.sessions.open and identity.role != "none",
            "csrf": parts.sessions.csrf_token(identity.session) if identity.session else "",
        }
    )
    return HTMLResponse(
        html,
        status,
        {
            "Content-Security-Policy": _CSP_PRIVATE if private else _CSP_DIRECT,
            "Cache-Control": "private, no-store",
            "Vary": "Cookie, HX-Request",
        },
    )


def is_private(request: Request, parts: Parts) -> bool:
    """Whether this viewer loads nothing from other hosts."""
    chosen = request.cookies.get(PRIVATE_COOKIE)
    return parts.settings.private_media if chosen not in ("0", "1") else chosen == "1"


def is_fragment(request: Request) -> bool:
    """htmx asks for a part of a page, not for the page."""
    return request.headers.get("hx-request") == "true" and "hx-history-restore-request" not in request.headers


@cache
def static_url(name: str) -> str:
    """Path of an asset that may be cached for ever: it changes with the content."""
    digest = hashlib.blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()
    return f"/static/{name}?v={digest}"


def query(params: Mapping[str, Any], **changes: Any) -> str:
    """A query string of what is set."""
    merged = {**params, **changes}
    return urlencode({name: value for name, value in merged.items() if value not in (None, "", False)})


def file_name(url: str) -> str:
    """The last part of a URL's path, or its host."""
    parts = urlsplit(url)
    return parts.path.rpartition("/")[2] or parts.netloc or url


def linkable(url: str) -> str:
    """The URL if it may stand in a link, else nothing: a page can name `javascript:` too."""
    return url if url[:8].lower().startswith(("http://", "https://")) else ""


def with_code(text: str) -> Markup:
    """Plain text in which `this` is code, as in docstrings."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def utc(seconds: float) -> str:
    """Shown until the browser turns it into local time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def number(value: int) -> str:
    """12,345 with a narrow space, which every language reads."""
    return f"{value:,}".replace(",", "\u202f")


def megabytes(size: int) -> str:
    return f"{number(round(size / 2**20))} MB"


def span(seconds: int) -> str:
    """About how long, in one unit."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{round(seconds / length)} {unit}"
    return f"{seconds} s"


#: Why jobs wait for a host, for people; queue.js has the same words.
WHY = {
    "slots": "as many requests as it may have",
    "gap": "a pause between requests",
    "refused": "it asked for a pause",
    "resting": "it failed too often and rests",
    "probing": "one job tries whether it is well",
}


def why(word: str) -> str:
    return WHY.get(word, word)


_environment.filters |= {
    "file_name": file_name, "linkable": linkable, "iso": iso, "utc": utc, "number": number,
    "quoted": quote, "with_code": with_code, "megabytes": megabytes, "span": span, "why": why,
}  # fmt: skip
_environment.globals |= {"static": static_url, "query": query}
_environment.globals["icons"] = _environment.get_template("icons.html").module
