"""Schedules over HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

from command_line import CommandLine
from served import serving
from web.test_serve import TOKEN, call, get_json

PAGE = "http://127.0.0.1:9/"


async def test_schedules_are_added_listed_and_removed(mediascrape: CommandLine) -> None:
    async with serving(mediascrape, "--no-worker") as base:
        wanted: dict[str, Any] = {"urls": [PAGE, PAGE, "nonsense"], "every": "1h30m", "limit": 9}
        status, _, body = await call(f"{base}/api/schedules", wanted)
        assert status == 200, body
        answer = json.loads(body)
        assert [one["url"] for one in answer["rejected"]] == ["nonsense"]
        (schedule,) = answer["schedules"]
        assert (schedule["url"], schedule["every_ms"], schedule["limit"]) == (PAGE, 5_400_000, 9)

        cron = {"urls": [f"{PAGE}{n}" for n in range(3)], "cron": "0 6 * * 1-5", "tz": "Europe/Berlin",
                "end": "2090-01-01T00:00:00Z"}  # fmt: skip
        status, _, body = await call(f"{base}/api/schedules", cron)
        assert status == 200, body
        page = await get_json(f"{base}/api/schedules?limit=3")
        assert (page["total"], page["next_cursor"], len(page["items"])) == (4, "3", 3)
        assert page["items"][0] == schedule  # due now, so first
        (last,) = (await get_json(f"{base}/api/schedules?cursor=3"))["items"]
        assert (last["cron"], last["tz"], last["end_at"]) == (
            "0 6 * * 1-5", "Europe/Berlin", "2090-01-01T00:00:00.000Z",
        )  # fmt: skip

        assert await delete(f"{base}/api/schedules/{schedule['id']}") == 204
        assert await delete(f"{base}/api/schedules/{schedule['id']}") == 404
        assert (await get_json(f"{base}/api/schedules"))["total"] == 3

        for timing, told in (
            ({}, "either an interval or a cron expression"),
            ({"every": "soon"}, "no duration"),
            ({"cron": "0 25 * * *"}, "Bad hour"),
            ({"cron": "@daily", "tz": "Mars"}, "no time zone"),
            ({"every": "1h", "end": "2001-01-01T00:00:00Z"}, "never run"),
        ):
            status, _, body = await call(f"{base}/api/schedules", {"urls": [PAGE], **timing})
            problem = json.loads(body)
            assert (status, problem["code"]) == (422, "bad_schedule")
            assert told in problem["detail"]


async def test_who_may_only_look_changes_nothing(mediascrape: CommandLine) -> None:
    reader = "another-token-of-some-length"
    environment = {"MEDIASCRAPE_TOKEN": TOKEN, "MEDIASCRAPE_READ_TOKEN": reader}
    async with serving(mediascrape, "--no-worker", **environment) as base:
        wanted = {"urls": [PAGE], "every": "1h"}
        status, _, _ = await call(f"{base}/api/schedules", wanted, authorization=f"Bearer {reader}")
        assert status == 403
        status, _, body = await call(f"{base}/api/schedules", authorization=f"Bearer {reader}")
        assert (status, json.loads(body)["total"]) == (200, 0)


async def delete(url: str) -> int:
    def ask() -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    return await asyncio.to_thread(ask)
