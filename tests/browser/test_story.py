"""From pasted URLs to a retried page, as somebody does it with mouse and keyboard."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from browser.conftest import OpenPage, Service
from command_line import CommandLine
from served import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_submit_watch_look_and_retry(service: Service, open_page: OpenPage) -> None:
    service.sample.well = False
    page = await open_page(f"{service.url}/submit")
    pages = [f"{service.site}{path}" for path in ("/page/61", "/page/62", "/flaky")]
    await page.get_by_label("Page URLs").fill("\n".join([*pages, "no url at all", pages[0]]))
    await page.get_by_label("Read pages again").check()
    async with page.expect_request("**/api/media/ingest") as sent:
        await page.get_by_label("Page URLs").press("Control+Enter")
    assert (await sent.value).post_data_json["force"] is True
    outcome = page.get_by_label("Result")
    await expect(outcome.get_by_role("heading").first).to_have_text("3 pages queued, 1 already there")
    await expect(page.locator("#rejects")).to_contain_text("no url at all")
    await expect(outcome.locator("[data-summary]")).to_contain_text(
        "3 of 3 pages ended; failed: 1 http_server_error"
    )

    await outcome.get_by_role("link", name="Show its media").click()
    cards = page.locator(".card")
    await expect(cards.first).to_be_visible()
    await cards.first.locator("a").click()
    detail = page.locator("dialog#detail")
    await expect(detail).to_contain_text("Seen on 1 page")
    await expect(detail).to_contain_text("480 × 360 px in truth")
    await page.keyboard.press("Escape")
    await expect(detail).to_be_hidden()

    await page.get_by_role("link", name="Queue").click()
    failed = page.locator("#jobs tr", has_text="/flaky")
    await expect(failed).to_contain_text("http_server_error")
    await expect(failed).to_contain_text("2/2")
    await failed.get_by_role("link").click()
    await expect(page.locator("p.reason")).to_contain_text("http_server_error: HTTP 500")
    await expect(page.get_by_text("Attempt 2", exact=True)).to_be_visible()
    service.sample.well = True
    await page.get_by_role("button", name="Retry").click()
    await expect(page.get_by_text("1 media found")).to_be_visible()
    await page.goto(f"{service.url}/?q=recovered")
    await expect(page.locator(".card .label")).to_have_text("Recovered rings")


async def test_failed_jobs_are_found_retried_and_removed(service: Service, open_page: OpenPage) -> None:
    await service.scrape("/broken/c", "/gone/y")
    page = await open_page(f"{service.url}/queue")
    jobs = page.locator("#jobs")
    await jobs.get_by_role("searchbox").fill("/gone/y")
    await expect(jobs.locator("tbody tr")).to_have_count(1)
    await jobs.get_by_role("button", name="Remove", exact=False).last.click()
    await expect(jobs).to_contain_text("No job matches")

    await page.goto(f"{service.url}/queue?state=delayed&q=/broken/c")
    await expect(jobs).to_contain_text("No delayed job matches")
    await jobs.get_by_role("link", name="Search all states").click()
    await expect(jobs.locator("tbody tr .chip")).to_have_text("failed")

    await page.goto(f"{service.url}/queue?state=failed&q=/broken/c")
    one = jobs.locator("tbody tr").first
    job_id = await one.get_attribute("data-job")
    await page.goto(f"{service.url}/queue?state=failed&q={job_id}")
    await expect(jobs.locator("tbody tr")).to_have_count(1)
    await one.get_by_role("checkbox").check()
    await jobs.get_by_role("button", name="Retry selected").click()
    await expect(page.locator("#notices")).to_contain_text("Queued again: 1.")

    await page.goto(f"{service.url}/queue")
    await jobs.get_by_role("button", name="http_server_error").click()
    await expect(page.locator("#notices")).to_contain_text("Queued again:")


async def test_the_dashboard_follows_without_a_reload(service: Service, open_page: OpenPage) -> None:
    page = await open_page(f"{service.url}/queue")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#paused")).to_be_visible()
    await service.call("/api/media/ingest", {"urls": [f"{service.site}/page/71"]})
    await expect(page.locator('b[data-state="waiting"]')).to_have_text("1")
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator("#recent")).to_contain_text("/page/71")
    await expect(page.locator('b[data-state="waiting"]')).to_have_text("0")
    worker = page.locator("#workers tr")
    await expect(worker).to_have_count(1)
    await expect(worker).to_contain_text("MB")
    assert await page.locator(".chart canvas").count() == 4


async def test_a_page_that_nobody_sees_holds_no_connection(service: Service, open_page: OpenPage) -> None:
    page = await open_page("about:blank")
    async with page.expect_response(lambda response: response.url.endswith("/api/events")):
        await page.goto(f"{service.url}/queue")
    for hidden, event in ((True, "requestfailed"), (False, "request")):
        async with page.expect_event(event, lambda request: request.url.endswith("/api/events")):
            await page.evaluate(
                """(hidden) => {
                    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
                    document.dispatchEvent(new Event("visibilitychange"));
                }""",
                hidden,
            )


async def test_an_empty_service_says_what_to_do(
    tmp_path_factory: pytest.TempPathFactory, open_page: OpenPage
) -> None:
    async with serving(CommandLine(tmp_path_factory.mktemp("empty")), "--no-worker") as url:
        page = await open_page(url)
        await expect(page.get_by_role("heading", name="No media yet")).to_be_visible()
        await expect(page.locator("pre")).to_contain_text(f"curl {url}/api/media/ingest")
        await page.goto(f"{url}/queue")
        await expect(page.get_by_text("No worker is connected")).to_be_visible()
        await expect(page.get_by_text("Nothing yet.")).to_be_visible()
