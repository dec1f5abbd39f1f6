"""Who works on the queue, and where jobs are searched for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from mediascrape import Mediascrape, Settings
from mediascrape.queue.presence import WorkerPresence
from mediascrape.web.api.queue import workers_of
from web.raw_http import call, served

OURS = WorkerPresence("w1", "here:1", "1.0", 100.0, 3, 20, "growing", 64 * 2**20, 7, 1)
CONNECTIONS = [
    {"id": "5", "name": "bull:bnVtYmVycw==:w:here:1", "addr": "10.0.0.1:5000", "age": "33"},
    {"id": "6", "name": "bull:bnVtYmVycw==:w:node", "addr": "10.0.0.2:5000", "age": "12"},
    {"id": "7", "name": "bull:bnVtYmVycw==", "addr": "10.0.0.3:5000", "age": "1"},
]


def test_each_worker_is_told_once() -> None:
    ours, node, nameless = workers_of([OURS], CONNECTIONS, now=160.4)
    assert (ours.name, ours.address, ours.age_s, ours.in_flight) == ("here:1", "10.0.0.1:5000", 60, 3)
    assert (node.name, node.age_s, node.limit) == ("node", 12, None)
    assert nameless.name == "7"


def test_one_whose_connection_is_not_listed_is_there_all_the_same() -> None:
    (ours,) = workers_of([OURS], [], now=50.0)
    assert (ours.address, ours.age_s) == ("", 0)


async def test_a_search_is_of_all_states_unless_one_is_chosen(tmp_path: Path) -> None:
    async with (
        Mediascrape(Settings.load(data_dir=tmp_path / "data"), worker=False) as service,
        served(service) as url,
    ):

        async def found(query: str) -> list[tuple[str, str]]:
            answer = (await call(url, "GET", f"/api/jobs?{query}")).json()
            return [(job["url"].rpartition("/")[2], job["state"]) for job in answer["items"]]

        await service.submit(["https://example.org/now", "https://example.org/other"])
        await service.submit(["https://example.org/later-now"], delay_ms=60_000)
        await service.submit(["https://example.org/urgent-now"], priority=1)
        everywhere = [("now", "waiting"), ("urgent-now", "prioritized"), ("later-now", "delayed")]
        assert await found("q=NOW") == everywhere
        assert await found("q=now&state=delayed") == everywhere[2:]
        assert await found("") == [], "without a search, failed jobs"

        first = (await call(url, "GET", "/api/jobs?q=now&limit=2")).json()
        assert (len(first["items"]), first["total"]) == (2, 4)
        rest = await found(f"q=now&limit=2&cursor={first['next_cursor']}")
        assert rest == everywhere[2:]
        by_id = f"q={quote(first['items'][1]['id'])}"
        assert await found(by_id) == everywhere[1:2]
        assert await found(f"{by_id}&state=waiting") == []

        page = (await call(url, "GET", "/queue?q=now")).body.decode()
        assert [f"org/{name}</a>" in page for name in ("now", "later-now", "urgent-now", "other")] == [
            True,
            True,
            True,
            False,
        ]
