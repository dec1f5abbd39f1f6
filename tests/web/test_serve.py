"""`mediascrape serve` as a client meets it: over HTTP, with a worker and real pages behind it."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from mediascrape import web
from mediascrape.loadtest.process import RunningOrigin
from served import serving

TOKEN = "a-token-of-some-length"


def _call(url: str, body: object, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    data = None if body is None else json.dumps(body).encode()
    method = headers.pop("method", None)
    request = urllib.request.Request(url, data, {"content-type": "application/json"} | headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


async def call(url: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return await asyncio.to_thread(
        _call, url, body, {name.replace("_", "-"): text for name, text in headers.items()}
    )


async def get_json(url: str) -> Any:
    status, _, body = await call(url)
    assert status == 200, body
    return json.loads(body)


async def test_urls_in_media_out_over_http(mediascrape: CommandLine, origin: RunningOrigin) -> None:
    urls = origin.urls(6)
    async with serving(mediascrape) as base:
        status, _, body = await call(f"{base}/api/media/ingest", {"urls": [*urls, urls[0], "nonsense"]})
        accepted = json.loads(body)
        assert status == 202
        assert (accepted["queued"], accepted["duplicates"]) == (6, 1)
        assert [one["url"] for one in accepted["rejected"]] == ["nonsense"]
        assert [job["url"] for job in accepted["jobs"]] == urls
        async with asyncio.timeout(30):
            while (await get_json(f"{base}/api/batches/{accepted['batch_id']}"))["done"] < 6:
                await asyncio.sleep(0.2)
        page = await get_json(f"{base}/api/media?limit=3")
        assert len(page["items"]) == 3
        more = await get_json(f"{base}/api/media?limit=500&cursor={page['next_cursor']}")
        everything = [item["url"] for item in page["items"] + more["items"]]
        assert len(everything) == len(set(everything)) > 3
        assert {item["kind"] for item in (await get_json(f"{base}/api/media?kind=video"))["items"]} <= {
            "video"
        }


async def test_pages_come_with_a_strict_policy_and_problems_are_documents(mediascrape: CommandLine) -> None:
    async with serving(mediascrape, "--no-worker") as base:
        for path in ("/", "/submit", "/queue", "/docs"):
            status, headers, body = await call(base + path)
            assert (status, body[:15].lower()) == (200, b"<!doctype html>"), path
            lower = {name.lower(): text for name, text in headers.items()}
            assert (
                "default-src 'none'" in lower["content-security-policy"]
                or "default-src 'self'" in (lower["content-security-policy"])
            )
            assert lower["x-content-type-options"] == "nosniff"
            assert lower["referrer-policy"] == "no-referrer"
        status, headers, body = await call(f"{base}/api/jobs/none")
        assert status == 404
        assert headers["content-type"].startswith("application/problem+json")
        assert json.loads(body)["status"] == 404
        for path in ("/healthz", "/readyz"):
            assert (await get_json(base + path))["status"] == "ok"


async def test_a_person_s_wrong_link_is_answered_by_a_page(mediascrape: CommandLine) -> None:
    async with serving(mediascrape, "--no-worker") as base:
        for path, expected, told in (
            ("/nope", 404, "Nothing here"),
            ("/media/999999", 404, "No media item has the id 999999."),
            ("/jobs/none", 404, "none"),
            ("/batches/none", 404, "No batch none is known."),
            ("/?min_width=wide&since=soon", 422, "min_width"),
            ("/?cursor=%3Cscript%3E", 422, "cursor"),
            ("/queue?state=lost", 422, "state"),
        ):
            status, headers, body = await call(base + path, accept="text/html,*/*;q=0.8")
            assert (status, headers["content-type"]) == (expected, "text/html; charset=utf-8"), path
            text = body.decode()
            assert told in text
            assert "<script>" not in text
            assert 'href="/queue"' in text  # the way back
            for accept, extra in (("*/*", {}), ("text/html", {"hx_request": "true"})):
                status, headers, body = await call(base + path, accept=accept, **extra)
                assert (status, headers["content-type"]) == (expected, "application/problem+json"), path
        status, headers, _ = await call(f"{base}/api/nope", accept="text/html")
        assert (status, headers["content-type"]) == (404, "application/problem+json")


async def test_what_can_be_got_can_be_asked_about(mediascrape: CommandLine) -> None:
    async with serving(mediascrape, "--no-worker") as base:
        for path in ("/", "/api/media", "/healthz", "/metrics", "/static/app.css"):
            (status, headers, body), (_, got, _) = (
                await call(base + path, method="HEAD"),
                await call(base + path),
            )
            assert (status, body) == (200, b""), path
            assert headers["content-type"] == got["content-type"]
        for method, path, allowed in (
            ("HEAD", "/api/events", "GET"),
            ("PUT", "/api/media", "GET, HEAD"),
            ("PUT", "/api/media/ingest", "POST"),
        ):
            status, headers, _ = await call(base + path, method=method)
            assert (status, headers["allow"]) == (405, allowed), path


async def test_each_problem_s_type_leads_to_its_explanation(mediascrape: CommandLine) -> None:
    sources = "".join(path.read_text() for path in Path(web.__file__).parent.rglob("*.py"))
    codes = {*re.findall(r"Problem\(\s*\d{3},\s*\"([a-z_]+)\"", sources), "method_not_allowed"}
    assert len(codes) > 15
    async with serving(mediascrape, "--no-worker") as base:
        _, _, page = await call(f"{base}/docs")
        explained = set(re.findall(r'id="problem-([a-z_]+)"', page.decode()))
        assert codes <= explained
        _, _, body = await call(f"{base}/api/media?cursor=1.2")
        assert json.loads(body)["type"].partition("#problem-")[2] in explained


async def test_a_foreign_host_name_is_refused(mediascrape: CommandLine) -> None:
    async with serving(mediascrape, "--no-worker") as base:
        status, _, _ = await call(f"{base}/api/media", host="rebound.example")
        assert status in (400, 403, 421)


async def test_no_address_but_loopback_without_a_token(mediascrape: CommandLine) -> None:
    refused = await mediascrape.run("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.status == 2
    assert "MEDIASCRAPE_TOKEN" in refused.err


@pytest.mark.parametrize(("token", "expected"), [("", 401), ("wrong-token-of-length", 401), (TOKEN, 200)])
async def test_a_token_is_asked_for(mediascrape: CommandLine, token: str, expected: int) -> None:
    async with serving(mediascrape, "--no-worker", MEDIASCRAPE_TOKEN=TOKEN) as base:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        status, _, _ = await call(f"{base}/api/media", **headers)
        assert status == expected
