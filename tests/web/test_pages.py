"""What pages ask the service for, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from command_line import CommandLine
from mediascrape.web.demo_site.site import create_site
from mediascrape.web.server import serving as serving_app
from served import serving
from web.test_serve import TOKEN, call, get_json

READ_TOKEN = "another-token-to-read-with"


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    async with serving_app(create_site(), "127.0.0.1", 0) as url:
        yield url


async def until(url: str, holds: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(30):
        while not holds(answer := await get_json(url)):
            await asyncio.sleep(0.1)
    return answer


async def test_a_thumbnail_is_of_an_item_and_never_of_a_url(mediascrape: CommandLine) -> None:
    async with site() as pages, serving(mediascrape) as base:
        await call(f"{base}/api/media/ingest", {"urls": [f"{pages}/page/30", f"{pages}/page/77"]})
        found = await until(f"{base}/api/media", lambda answer: len(answer["items"]) > 8)
        by_kind = {item["kind"]: item["id"] for item in found["items"]}
        lost = next(item["id"] for item in found["items"] if "lost" in item["url"])

        status, headers, body = await call(f"{base}/media/{by_kind['image']}/thumbnail?size=large")
        lower = {name.lower(): text for name, text in headers.items()}
        assert (status, lower["content-type"], body[8:12]) == (200, "image/webp", b"WEBP")
        assert lower["cache-control"].startswith("private, max-age=")
        assert "sandbox" in lower["content-security-policy"]
        again, _, body = await call(
            f"{base}/media/{by_kind['image']}/thumbnail?size=large", if_none_match=lower["etag"]
        )
        assert (again, body) == (304, b"")

        refused = {
            f"/media/{by_kind['audio']}/thumbnail": 404, "/media/999999/thumbnail": 404,
            f"/media/{lost}/thumbnail": 502, f"/media/{by_kind['image']}/thumbnail?size=huge": 422,
            f"/media/{pages}/art/sea-1.jpg/thumbnail": 404,
        }  # fmt: skip
        for path, expected in refused.items():
            status, headers, _ = await call(base + path)
            assert (status, headers["content-type"]) == (expected, "application/problem+json"), path


async def test_the_example_can_be_run_as_it_stands(mediascrape: CommandLine) -> None:
    environment = {"MEDIASCRAPE_TOKEN": TOKEN, "MEDIASCRAPE_READ_TOKEN": READ_TOKEN}
    async with serving(mediascrape, "--no-worker", **environment) as base:
        for path in ("/", "/submit", "/docs"):
            _, _, body = await call(base + path, authorization=f"Bearer {TOKEN}")
            assert b'-H "Authorization: Bearer $MEDIASCRAPE_TOKEN"' in body, path
        _, _, body = await call(base, authorization=f"Bearer {READ_TOKEN}")
        assert b"curl" not in body  # who may only look cannot submit
    async with serving(mediascrape, "--no-worker") as base:
        for path in ("/", "/submit", "/docs"):
            _, _, body = await call(base + path)
            assert b"curl" in body, path
            assert b"Authorization: Bearer $" not in body, path


async def test_thumbnails_need_a_token_where_one_is_set_and_space_to_be_made(
    mediascrape: CommandLine,
) -> None:
    tokens = {"MEDIASCRAPE_TOKEN": TOKEN, "MEDIASCRAPE_READ_TOKEN": READ_TOKEN}
    async with serving(mediascrape, "--no-worker", MEDIASCRAPE_THUMBNAIL_CACHE_BYTES="0", **tokens) as base:
        status, _, _ = await call(f"{base}/media/1/thumbnail")
        assert status == 401
        status, _, body = await call(f"{base}/media/1/thumbnail", authorization=f"Bearer {READ_TOKEN}")
        assert (status, json.loads(body)["code"]) == (404, "not_found")


async def test_the_dashboard_tells_which_host_waits_and_who_works(mediascrape: CommandLine) -> None:
    async with site() as pages, serving(mediascrape, MEDIASCRAPE_HOST_DELAY_MS="5000") as base:
        urls = [f"{pages}/page/{number}" for number in range(1, 6)]
        _, _, accepted = await call(f"{base}/api/media/ingest", {"urls": urls})
        last = json.loads(accepted)["jobs"][-1]["id"]
        _, _, page = await call(f"{base}/queue?state=failed&q={last}")
        assert f'href="/jobs/{last}"'.encode() in page
        queue = await until(f"{base}/api/queue", lambda answer: answer["hosts"] and answer["workers"])
        (host,) = queue["hosts"]
        assert (host["host"], host["why"]) == (pages, "gap")
        assert 0 < host["line_ms"] <= 30_000
        (worker,) = queue["workers"]
        assert worker["limit"] >= worker["in_flight"] >= 0
        assert worker["memory"] > 10 * 2**20
        _, _, page = await call(f"{base}/queue")
        assert b"a pause between requests" in page
        assert worker["name"].encode() in page
