"""The gallery: filters, details, players, embeds, pictures through us."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, expect

from browser.conftest import OpenPage, Service

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def kind(page: Page, label: str) -> None:
    await page.locator(".chips label", has_text=label).click()


async def test_filters_narrow_and_the_address_keeps_them(service: Service, open_page: OpenPage) -> None:
    page = await open_page(service.url)
    await kind(page, "Audio")
    cards = page.locator(".card")
    await expect(cards).to_have_count(1)
    await page.reload()
    await expect(cards).to_have_count(1)
    await kind(page, "All")
    await page.get_by_role("searchbox", name="Search media").fill("picture in sizes")
    await expect(cards).to_have_count(3)
    await page.get_by_role("searchbox", name="Search media").fill("")
    await page.get_by_text("More filters").click()
    await page.get_by_label("Least width").fill("1000")
    await expect(cards).to_have_count(1)
    await page.get_by_label("Seen before").fill("2001-01-01")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


async def test_scrolling_brings_the_rest(service: Service, open_page: OpenPage) -> None:
    await service.scrape(*(f"/page/{number}" for number in range(20, 34)))
    page = await open_page(service.url)
    cards = page.locator(".card")
    await expect(cards).to_have_count(60)
    total = sum((await service.call("/api/totals"))["media"].values())
    assert total > 60
    await page.locator(".more").scroll_into_view_if_needed()
    await expect(cards).to_have_count(min(total, 120))


async def test_broken_media_are_shown_as_broken(service: Service, open_page: OpenPage) -> None:
    page = await open_page(f"{service.url}/?q=picture+that+was+lost")
    await expect(page.locator(".frame.broken")).to_have_count(1)


ON_TOP = """() => {
  const notice = document.querySelector(".notice"), { x, y } = notice.getBoundingClientRect();
  return document.elementFromPoint(x + 5, y + 5) === notice;
}"""


async def test_a_picture_lists_its_sizes_and_copies_its_url(service: Service, open_page: OpenPage) -> None:
    page = await open_page(
        f"{service.url}/?q=picture+in+sizes", permissions=["clipboard-read", "clipboard-write"]
    )
    await page.locator(".card a").last.click()
    detail = page.locator("dialog .detail")
    await expect(detail.get_by_role("heading", name="Offered in 3 sizes")).to_be_visible()
    await detail.get_by_role("link", name="1280 px").click()
    await expect(detail.locator(".variants b")).to_have_text("1280 px, shown here")
    await detail.get_by_role("button", name="Copy URL").click()
    await expect(page.locator("#notices")).to_have_text("Copied.")
    assert await page.evaluate("navigator.clipboard.readText()") == f"{service.site}/art/city-1.jpg?l"
    assert await page.evaluate(ON_TOP)  # and not under what dims all but the dialog


async def test_a_url_is_copied_where_scripts_have_no_clipboard(service: Service, open_page: OpenPage) -> None:
    page = await open_page(
        f"{service.url}/?q=picture+in+sizes", permissions=["clipboard-read", "clipboard-write"]
    )
    await page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not secure')); }"
    )
    await page.locator(".card a").last.click()
    await page.get_by_role("button", name="Copy URL").click()
    await expect(page.locator("#notices")).to_have_text("Copied.")
    assert f"{service.site}/art/city-1" in await page.evaluate("navigator.clipboard.readText()")
    await expect(page.get_by_role("button", name="Copy URL")).to_be_focused()


async def test_video_and_audio_play(service: Service, open_page: OpenPage) -> None:
    page = await open_page(f"{service.url}/?q=short+film")
    for label, element in (("Videos", "video"), ("Audio", "audio")):
        await page.goto(
            f"{service.url}/?kind={element}&page_url={service.site}/page/{7 if element == 'video' else 6}"
        )
        await page.locator(".card a").first.click()
        player = page.locator(f"dialog {element}")
        await expect(player, label).to_be_visible()
        await page.wait_for_function(
            "element => element.readyState >= 1 && element.duration > 0", arg=await player.element_handle()
        )
        await page.keyboard.press("Escape")


async def test_an_embed_runs_once_asked_for_and_apart_from_us(service: Service, open_page: OpenPage) -> None:
    page = await open_page(f"{service.url}/?kind=embed&page_url={service.site}/hostile")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.locator(".card a").first.click()
    load = page.locator("dialog [data-embed]")
    await expect(load).to_be_visible()
    assert f"{service.site}/inside" not in asked
    await load.click()
    frame = page.frame_locator("dialog iframe")
    await expect(frame.get_by_text("embedded")).to_be_visible()
    assert "allow-same-origin" not in str(await page.locator("dialog iframe").get_attribute("sandbox"))
    assert await page.evaluate("[window.hacked, document.cookie.includes('tasted')]") == [None, False]


async def test_what_pages_say_is_text(service: Service, open_page: OpenPage) -> None:
    page = await open_page(f"{service.url}/?page_url={service.site}/hostile")
    cards = page.locator(".card")
    await expect(cards).to_have_count(3)
    for index in range(3):
        await cards.nth(index).locator("a").click()
        await expect(page.locator("dialog#detail")).to_contain_text("Seen on")
        await page.keyboard.press("Escape")
    assert await page.evaluate("window.hacked") is None
    await page.goto(f"{service.url}/queue")
    assert await page.evaluate("window.hacked") is None


async def test_private_mode_shows_pictures_and_asks_nobody_but_us(
    service: Service, open_page: OpenPage
) -> None:
    page = await open_page(f"{service.url}/?page_url={service.site}/page/11")
    foreign: list[str] = []

    def on_request(request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(service.url).netloc:
            foreign.append(request.url)

    await page.get_by_role("switch", name="Private").click()
    await expect(page.get_by_role("switch", name="Private")).to_have_attribute("aria-checked", "true")
    page.on("request", on_request)
    response = await page.reload()
    assert "img-src 'self' data:;" in response.headers["content-security-policy"]
    assert "http:" not in response.headers["content-security-policy"]
    first = page.locator(".card img").first
    await page.wait_for_function("image => image.naturalWidth === 480", arg=await first.element_handle())
    assert "/thumbnail" in str(await first.get_attribute("src"))
    await expect(page.locator(".frame.broken")).to_have_count(1)
    await page.locator(".card a").first.click()
    large = page.locator("dialog img")
    await page.wait_for_function("image => image.naturalWidth === 480", arg=await large.element_handle())
    await page.goto(f"{service.url}/?kind=video")
    await page.locator(".card a").first.click()
    await expect(page.locator("dialog#detail")).to_contain_text("nothing is loaded from")
    assert not foreign
    await page.keyboard.press("Escape")
    await page.get_by_role("switch", name="Private").click()
    await expect(page.get_by_role("switch", name="Private")).to_have_attribute("aria-checked", "false")


async def until_first_card_has_focus(page: Page) -> None:
    focused = "document.activeElement.closest('.card') === document.querySelectorAll('.card')[0]"
    async with asyncio.timeout(20):
        while not await page.evaluate(focused):
            await asyncio.sleep(0.05)


async def test_the_keyboard_is_enough(service: Service, open_page: OpenPage) -> None:
    page = await open_page(service.url)
    await page.keyboard.press("?")
    await expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    for key in "jjk":
        await page.keyboard.press(key)
    await until_first_card_has_focus(page)
    await page.keyboard.press("Enter")
    detail = page.locator("dialog#detail")
    await expect(detail).to_be_visible()
    whole = detail.get_by_text("Open original")  # what is loaded last
    await expect(whole).to_be_visible()
    heading = await detail.get_by_role("heading").first.text_content()
    await page.keyboard.press("ArrowRight")
    await expect(detail.get_by_role("heading").first).not_to_have_text(str(heading))
    await expect(whole).to_be_visible()
    await page.keyboard.press("ArrowLeft")
    await expect(detail.get_by_role("heading").first).to_have_text(str(heading))
    await page.keyboard.press("Escape")
    await expect(detail).to_be_hidden()
    await until_first_card_has_focus(page)
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.type("tone")
    await expect(page.locator(".card .label").first).to_contain_text("Room tone")
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("q")
    await expect(page.get_by_role("heading", name="Queue", level=1)).to_be_visible()


async def test_closing_the_detail_view_takes_the_focus_from_nobody(
    service: Service, open_page: OpenPage
) -> None:
    page = await open_page(service.url)
    await page.locator(".card").first.click()
    await expect(page.get_by_text("Open original")).to_be_visible()
    kept = await page.evaluate(
        """() => new Promise((done) => {
            const dialog = document.getElementById("detail"), search = document.getElementById("q");
            dialog.addEventListener("close", () => done(document.activeElement === search));
            dialog.close();
            search.focus();
        })"""
    )
    assert kept
