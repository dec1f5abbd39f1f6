"""The whole service as the worker of a Node team's queue."""

from __future__ import annotations

from pathlib import Path

from redis.asyncio import Redis

from conformance.peers import QUEUE, NodePeer, until
from mediascrape.loadtest.process import RunningOrigin
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.queue import Queue
from mediascrape.service import Mediascrape
from mediascrape.settings import Settings

DATA = {"to": "someone@example.org", "deep": [{"ä": 1.5}, None]}


async def test_pages_of_node_are_scraped_and_jobs_that_are_not_ours_are_left_unharmed(
    node: NodePeer, queue: Queue, valkey: EmbeddedValkey, origin: RunningOrigin, tmp_path: Path
) -> None:
    settings = Settings.load(
        redis_url=valkey.url, queue_name=QUEUE, data_dir=tmp_path, allow_networks="127.0.0.0/8"
    )
    opts = {"attempts": 3, "removeOnComplete": False}
    page = await node.call("add", name="scrape-page", data={"url": origin.url(0), "more": 1}, opts=opts)
    strange = {
        "name": ("send-mail", DATA, "bad_job_data: job name is 'send-mail', not 'scrape-page'"),
        "data": ("scrape-page", {"link": "x"}, 'bad_job_data: job data must be an object with a text "url"'),
        "list": ("scrape-page", [1, 2], 'bad_job_data: job data must be an object with a text "url"'),
        "url": ("scrape-page", {"url": "ftp://example.org/"}, "unsupported_scheme: "),
        "type": ("scrape-page", {"url": 7}, "bad_job_data: "),
    }
    ids = {}
    for kind, (name, data, _) in strange.items():
        ids[kind] = (await node.call("add", name=name, data=data, opts=opts))["id"]
    async with Mediascrape(settings):
        await until(lambda: _all_ended(queue, len(strange) + 1))
    done = await node.call("getJob", id=page["id"])
    assert done["state"] == "completed"
    assert done["returnvalue"]["found"] > 0
    for kind, (name, data, reason) in strange.items():
        job = await node.call("getJob", id=ids[kind])
        assert (job["state"], job["name"], job["data"]) == ("failed", name, data)
        assert job["failedReason"].startswith(reason)
        assert job["attemptsMade"] == 1  # another attempt would not help
        assert job["opts"]["attempts"] == 3

    # Its own worker can still have it.
    await node.call("retry", id=ids["name"])
    await node.call("startWorker")
    (completed,) = await node.happening("completed", id=ids["name"])
    assert completed["detail"] == {"by": "node", **DATA}


async def test_a_job_that_is_no_job_fails_too(
    node: NodePeer, queue: Queue, redis: Redis, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    settings = Settings.load(redis_url=valkey.url, queue_name=QUEUE, data_dir=tmp_path)
    job_id = (await node.call("add", name="scrape-page", data={"url": "http://127.0.0.1:9/"}))["id"]
    await redis.hset(queue.keys.job(job_id), "data", "{nope")
    async with Mediascrape(settings):
        await until(lambda: _all_ended(queue, 1))
    job = await queue.get_job(job_id)
    assert job is not None
    assert (job.failed_reason or "").startswith("bad_job_data: data or opts are not JSON")


async def _all_ended(queue: Queue, count: int) -> bool:
    counts = await queue.counts()
    return counts["completed"] + counts["failed"] == count
