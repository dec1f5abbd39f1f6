"""What every page must keep to: accessible in light and dark, fits a telephone, light to load; and logging in."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from browser.conftest import OpenPage, Service
from command_line import CommandLine
from served import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN, READ_TOKEN = "a-token-of-some-length", "another-token-to-read-with"
PAGES = ("gallery", "nothing", "detail", "submit", "batch", "queue", "job", "schedules", "docs", "lost")


async def address(service: Service, name: str) -> str:
    if name == "detail":
        items = (await service.call("/api/media?q=picture+in+sizes"))["items"]
        return f"{service.url}/media/{items[0]['id']}"
    if name == "job":
        return f"{service.url}/jobs/{(await service.call('/api/jobs'))['items'][0]['id']}"
    if name == "batch":
        return f"{service.url}/batches/{await service.scrape('/gone/e')}"
    if name == "schedules":
        wanted = {"urls": [f"{service.site}/page/91"], "cron": "0 0 1 1 *", "tz": "Europe/Berlin"}
        await service.call("/api/schedules", wanted)
    paths = {
        "schedules": "/schedules",
        "gallery": "/",
        "nothing": "/?q=nonesuch",
        "submit": "/submit",
        "queue": "/queue",
        "docs": "/docs",
        "lost": "/nowhere?min_width=wide",
    }
    return service.url + paths[name]


async def serious(page: Page, axe: str) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    await page.evaluate(f"{axe}; undefined")
    found: list[dict[str, Any]] = (await page.evaluate("axe.run(document, {resultTypes: ['violations']})"))[
        "violations"
    ]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
async def test_accessible_in_light_and_dark_and_narrow(
    service: Service, open_page: OpenPage, axe: str, name: str
) -> None:
    page = await open_page(await address(service, name), color_scheme="light", reduced_motion="reduce")
    await expect(page.locator("main")).to_be_visible()
    if name == "queue":
        await expect(page.locator(".chart canvas")).to_have_count(4)
    assert await serious(page, axe) == []
    await page.emulate_media(color_scheme="dark")
    assert await serious(page, axe) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_open_dialogs_are_accessible(service: Service, open_page: OpenPage, axe: str) -> None:
    page = await open_page(service.url, reduced_motion="reduce")
    await page.locator(".card a").first.click()
    await expect(page.locator("dialog .detail")).to_be_visible()
    assert await serious(page, axe) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    assert await serious(page, axe) == []


async def test_light_or_dark_is_remembered(service: Service, open_page: OpenPage) -> None:
    page = await open_page(service.url, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(background)
    await page.get_by_role("button", name="Light or dark").click()
    dark = await page.evaluate(background)
    assert dark != light
    await page.goto(f"{service.url}/submit")
    assert await page.evaluate(background) == dark


async def test_the_first_view_is_light(service: Service, open_page: OpenPage) -> None:
    page = await open_page(service.url)
    await page.wait_for_load_state("load")
    sizes: dict[str, int] = await page.evaluate(
        """Object.fromEntries(performance.getEntries()
        .filter((entry) => "encodedBodySize" in entry && entry.name.startsWith(location.origin))
        .map((entry) => [entry.name, entry.encodedBodySize]))"""
    )
    assert len(sizes) >= 4
    assert sum(sizes.values()) <= 100_000, sizes


async def test_pages_are_scheduled_and_unscheduled(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage, axe: str
) -> None:
    mediascrape = CommandLine(tmp_path_factory.mktemp("schedules"))
    async with serving(mediascrape, "--no-worker") as url:
        page = await open_page(f"{url}/queue", timezone_id="Asia/Tokyo", reduced_motion="reduce")
        await expect(page.locator(".chart canvas")).to_have_count(4)  # the scripts run
        await page.keyboard.press("g")
        await page.keyboard.press("t")
        await expect(page).to_have_url(f"{url}/schedules")
        schedules = page.locator("#schedules")
        await expect(schedules).to_contain_text("Nothing is scraped again by itself")
        assert await serious(page, axe) == []

        pages = page.get_by_label("Pages to scrape")
        await pages.fill("https://example.org/<b>news</b>\nnonsense")
        await page.get_by_role("textbox", name="Interval").fill("soon")
        await page.get_by_role("button", name="Schedule these").click()
        await expect(page.get_by_role("alert")).to_contain_text("soon")
        await page.get_by_role("textbox", name="Interval").fill("1h30m")
        await page.keyboard.press("Enter")
        row = schedules.locator("tbody tr")
        await expect(row).to_contain_text("every 1h30m")
        await expect(row).to_contain_text("news")
        assert await row.locator("b").count() == 0
        await expect(page.get_by_role("alert")).to_contain_text("nonsense: invalid_url")
        await expect(pages).to_have_value("nonsense")

        await page.get_by_label("At set times").check()
        await expect(page.get_by_role("textbox", name="Interval")).to_be_hidden()
        await pages.fill("https://example.org/daily")
        await page.get_by_label("Cron").fill("0 6 * * 1-5")
        await page.get_by_role("button", name="Schedule these").click()
        await expect(schedules).to_contain_text("0 6 * * 1-5 (Asia/Tokyo)")
        assert await serious(page, axe) == []

        for left in ("1 schedule", "No schedules"):
            await schedules.get_by_role("button", name="Remove").first.click()
            await expect(schedules.get_by_role("heading")).to_have_text(left)
            await expect(schedules).to_be_focused()


async def test_people_log_in_and_readers_only_look(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage, axe: str
) -> None:
    mediascrape = CommandLine(tmp_path_factory.mktemp("login"))
    tokens = {"MEDIASCRAPE_TOKEN": TOKEN, "MEDIASCRAPE_READ_TOKEN": READ_TOKEN}
    async with serving(mediascrape, "--no-worker", **tokens) as url:
        page = await open_page(f"{url}/queue?state=waiting", reduced_motion="reduce")
        await expect(page).to_have_url(f"{url}/login?next=%2Fqueue%3Fstate%3Dwaiting")
        assert await serious(page, axe) == []
        await page.get_by_label("Token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("That token is not valid.")
        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{url}/queue?state=waiting")
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.get_by_label("Token").fill(READ_TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await page.goto(f"{url}/queue")
        await expect(page.get_by_role("heading", name="Queue", level=1)).to_be_visible()
        await expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        await page.goto(f"{url}/schedules")
        await expect(page.get_by_text("Whoever may submit pages")).to_be_visible()
        await expect(page.get_by_role("button", name="Schedule these")).to_have_count(0)
