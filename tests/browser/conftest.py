"""One browser, one sample site and one service for all tests; a fresh browser context for each."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from browser.chromium import chromium
from browser.sample import SampleSite
from command_line import CommandLine
from mediascrape.web.server import serving as serving_app
from npm_packages import installed
from served import serving

#: A machine that does ten things at once is slow, not broken.
_PATIENCE_MS = 20_000
expect.set_options(timeout=_PATIENCE_MS)

FILLED_WITH = ("/page/6", "/page/7", "/page/11", "/page/15", "/sizes", "/hostile", "/gone/x")


@dataclass
class Service:
    """A running `mediascrape serve`, and the site that it scrapes.

    rough: the same site as another host: one that fails five times in a row is left alone for a while.
    """

    url: str
    site: str
    rough: str
    sample: SampleSite

    async def call(self, path: str, body: object = None) -> Any:
        return await asyncio.to_thread(self._call, path, body)

    def _call(self, path: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    async def scrape(self, *paths: str) -> str:
        """Scrape pages to the end, `/broken/…` of the rough host; the batch's id."""
        urls = [(self.rough if path.startswith("/broken") else self.site) + path for path in paths]
        answer = await self.call("/api/media/ingest", {"urls": urls})
        async with asyncio.timeout(30):
            while not (await self.call(f"/api/batches/{answer['batch_id']}"))["finished"]:
                await asyncio.sleep(0.1)
        return str(answer["batch_id"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    mediascrape = CommandLine(tmp_path_factory.mktemp("browser"))
    sample = SampleSite()
    async with (
        serving_app(sample.app(), "127.0.0.1", 0) as site,
        serving_app(sample.app(), "127.0.0.1", 0) as rough,
        serving(mediascrape, MEDIASCRAPE_BACKOFF_MS="10") as url,
    ):
        running = Service(url, site, rough, sample)
        await running.scrape(*FILLED_WITH)
        yield running


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script."""
    return (installed(Path(__file__).parent) / "axe-core" / "axe.min.js").read_text()


OpenPage = Callable[..., Any]


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Opens pages; at the end nothing may have been refused by the page's policy, nor have failed in a script."""
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # A picture that does not load is told by the browser too; the gallery shows it as broken.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(f"{message.text} {message.location}")

    async with AsyncExitStack() as stack:

        async def open_one(url: str, **options: Any) -> Page:
            context: BrowserContext = await browser.new_context(
                **({"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options)
            )
            stack.push_async_callback(context.close)
            context.set_default_timeout(_PATIENCE_MS)
            page = await context.new_page()
            page.on("console", on_console)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(url)
            return page

        yield open_one
    assert not complaints
