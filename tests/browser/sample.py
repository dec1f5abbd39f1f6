"""The pages that are scraped: the demo's site, and some that no exhibition would show."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from mediascrape.web.demo_site.site import create_site

#: Everything in it that could run, in every place that a page of ours shows.
HOSTILE = """<!doctype html><title><script>window.hacked=1</script></title>
<img src="/art/sea-7.jpg?hostile" alt="&quot;><img src=x onerror=window.hacked=2>"
title="<b onmouseover=window.hacked=3>">
<iframe src="/inside" title="<script>window.hacked=4</script>"></iframe>
<video src="/film/drift.webm?'onerror='window.hacked=5"></video>"""
INSIDE = """<!doctype html><title>Inside</title><p>embedded</p><script>
try { document.cookie = "tasted=1" } catch {}
try { top.hacked = 6 } catch {}
</script>"""
SIZES = (
    '<!doctype html><title>In sizes</title><img alt="A picture in sizes" src="/art/city-1.jpg?s" '
    'srcset="/art/city-1.jpg?m 640w, /art/city-1.jpg?l 1280w">'
)


class SampleSite:
    """`well` False: /flaky fails."""

    def __init__(self) -> None:
        self.well = False

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/flaky", self._flaky),
                Route("/hostile", _page(HOSTILE)),
                Route("/inside", _page(INSIDE)),
                Route("/sizes", _page(SIZES)),
                Mount("/", create_site()),
            ]
        )

    async def _flaky(self, _: Request) -> Response:
        if not self.well:
            return PlainTextResponse("Not now.", 500)
        return HTMLResponse('<title>Well again</title><img src="/art/rings-77.jpg" alt="Recovered rings">')


def _page(text: str):  # type: ignore[no-untyped-def]
    async def page(_: Request) -> Response:
        return HTMLResponse(text)

    return page
