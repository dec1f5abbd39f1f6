"""The pictures in docs/img, taken of `mediascrape demo`: `make screenshots`."""

from __future__ import annotations

import asyncio
import io
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.async_api import Browser, Page, expect

from browser.chromium import chromium
from command_line import CommandLine

PICTURES = Path(__file__).parent.parent.parent / "docs" / "img"
#: Scraped pages after which there is enough to see, and still something going on.
_ENOUGH = 60
_WIDE, _NARROW = (1280, 800), (360, 740)


async def main() -> None:
    async with demo() as url, chromium() as browser:
        await busy_queue(browser, url)
        await gallery(browser, url)
        await detail(browser, url)
        await submitted(browser, url)
        await telephone(browser, url)


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    with TemporaryDirectory() as folder:
        process = CommandLine(Path(folder)).start("demo", "--port", "0")
        assert process.stdout is not None
        with process:
            line = await asyncio.to_thread(process.stdout.readline)
            match = re.search(r"http://\S+", line)
            assert match is not None, line
            try:
                yield match[0].rstrip("/")
            finally:
                process.send_signal(signal.SIGTERM)


@asynccontextmanager
async def page_at(
    browser: Browser, url: str, size: tuple[int, int], scheme: str = "light"
) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB", timezone_id="UTC", reduced_motion="reduce",
    )  # fmt: skip
    context.set_default_timeout(60_000)
    page = await context.new_page()
    await page.goto(url)
    yield page
    await context.close()


async def take(page: Page, name: str) -> None:
    """Once all pictures in sight are there; in 256 colours that keep the rare ones, a third of the bytes."""
    await page.wait_for_function(
        "() => [...document.images].every((image) => image.getBoundingClientRect().top > innerHeight || image.complete)"
    )
    with Image.open(io.BytesIO(await page.screenshot())) as image:
        image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=5).save(
            PICTURES / f"{name}.png", optimize=True
        )


async def busy_queue(browser: Browser, url: str) -> None:
    async with page_at(browser, f"{url}/queue", (1280, 1500), "dark") as page:
        await page.wait_for_function(
            f"() => Number(document.querySelector('[data-total=done]').textContent) >= {_ENOUGH}"
            " && Number(document.querySelector('[data-state=failed]').textContent) >= 2"
        )
        await page.get_by_role("link", name="Failed").click()
        await expect(page.locator("#jobs tbody tr").first).to_be_visible(timeout=60_000)
        await take(page, "queue")


async def gallery(browser: Browser, url: str) -> None:
    async with page_at(browser, url, _WIDE) as page:
        await expect(page.locator(".card")).not_to_have_count(0, timeout=60_000)
        await take(page, "gallery")


async def detail(browser: Browser, url: str) -> None:
    async with page_at(browser, f"{url}/?q=last+ferry", _WIDE, "dark") as page:
        await page.locator(".card a").first.click()
        await expect(page.locator("dialog")).not_to_have_count(0)
        await expect(page.locator("[data-natural-size]")).to_contain_text("in truth", timeout=60_000)
        await take(page, "detail")


async def submitted(browser: Browser, url: str) -> None:
    async with page_at(browser, f"{url}/submit", (1280, 900)) as page:
        media = await page.request.get(f"{url}/api/media?limit=1")
        site = re.match(r"http://[^/]+", (await media.json())["items"][0]["url"])
        assert site is not None
        pages = [f"{site[0]}/page/{number}" for number in (3, 14, 15, 92)]
        await page.get_by_label("Page URLs").fill(
            "\n".join([*pages, f"{site[0]}/gone/room", "htp://a.typo/"])
        )
        await page.get_by_role("button", name="Scrape these pages").click()
        await expect(page.locator("#outcome [data-summary]")).to_contain_text("All done", timeout=60_000)
        await page.mouse.wheel(0, -2000)
        await take(page, "submit")


async def telephone(browser: Browser, url: str) -> None:
    async with page_at(browser, url, _NARROW) as page:
        await take(page, "telephone")


if __name__ == "__main__":
    asyncio.run(main())
