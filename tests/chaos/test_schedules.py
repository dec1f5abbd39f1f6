"""Workers of a queue with schedules, killed without warning: no schedule ends, none runs ahead."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from chaos.victim import queue_worker, start_queue_worker
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import JobOptions, NewJob, Retention
from mediascrape.queue.queue import Queue
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule

SCHEDULES = 20
KILLS = 15
QUEUE = "schedules"


async def check(queue: Queue, kills: int) -> None:
    """Each schedule has exactly one job that will add the next: the one its time names."""
    schedules = await queue.schedules.page(limit=100)
    assert len(schedules) == SCHEDULES
    for schedule in schedules:
        job_id = f"repeat:{schedule.id}:{schedule.next_ms}"
        assert await queue.job_state(job_id) in {"waiting", "delayed", "active"}, job_id
    pending = Counter(
        job.repeat_job_key for job in await queue.list_jobs(["waiting", "delayed"], limit=10 * SCHEDULES)
    )
    # A job that goes back after its worker died has added its successor already, which may meet the same end.
    assert max(pending.values()) <= 1 + kills, pending


async def all_went_on(queue: Queue, before: dict[str, int]) -> bool:
    return all(schedule.runs > before[schedule.id] + 1 for schedule in await queue.schedules.page(limit=100))


async def test_killed_workers_end_no_schedule(tmp_path: Path) -> None:
    rng = random.Random(1)
    gone = JobOptions(remove_on_complete=Retention(0))
    async with EmbeddedValkey(tmp_path) as server:
        client = connect(server.url)
        queue = Queue(client, QUEUE)
        await queue.open()
        await queue.schedules.upsert([
            NewSchedule(f"s{n}", Repeat(every_ms=40), NewJob("x", {"n": n}, gone)) for n in range(SCHEDULES)
        ])  # fmt: skip
        for kills in range(1, KILLS + 1):
            doomed = start_queue_worker(server.url, QUEUE)
            await asyncio.sleep(rng.uniform(0.02, 0.3))
            doomed.kill()
            await asyncio.to_thread(doomed.join)
            await check(queue, kills)
        before = {schedule.id: schedule.runs for schedule in await queue.schedules.page(limit=100)}
        assert sum(before.values()) > SCHEDULES, "the kills fell before the work"
        async with queue_worker(client, QUEUE), asyncio.timeout(30):
            while not await all_went_on(queue, before):
                await asyncio.sleep(0.05)
        await check(queue, KILLS)
        await queue.aclose()
        await client.aclose()
