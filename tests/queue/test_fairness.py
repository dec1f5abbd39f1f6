"""The groups' gate behind a real worker: a group that must wait never blocks another."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.groups import Granted, GroupGate, GroupLimits
from mediascrape.queue.job import Job, JobOptions, NewJob
from mediascrape.queue.outcome import Postpone
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker

STUCK, OTHERS = 4900, 100


async def test_jobs_of_a_stuck_group_let_the_others_pass(tmp_path: Path) -> None:
    """4,900 jobs of a group that never answers stand before 100 of others."""
    over, others_done = asyncio.Event(), 0
    running = most_running = postponed = 0

    async with EmbeddedValkey(tmp_path) as server:
        client = connect(server.url)
        gate = GroupGate(client, "bull:q:")

        async def process(job: Job, _context: JobContext) -> None:
            nonlocal others_done, running, most_running, postponed
            assert isinstance(job.data, dict)
            answer = await gate.acquire(job.data["group"], GroupLimits(concurrent=8))
            if not isinstance(answer, Granted):
                postponed += 1
                raise Postpone(answer.delay_ms)
            if job.data["group"] == "stuck":
                running += 1
                most_running = max(most_running, running)
                await over.wait()
                running -= 1
            else:
                others_done += 1
                if others_done == OTHERS:
                    over.set()
            gate.release(answer, "ok")

        queue = Queue(client, "q")
        await queue.open()
        groups = ["stuck"] * STUCK + [f"other-{number % 20}" for number in range(OTHERS)]
        await queue.add_many(NewJob("job", {"group": group}, JobOptions()) for group in groups)
        async with Worker(client, "q", process, WorkerOptions(concurrency=50)) as worker:
            async with asyncio.timeout(60):
                await over.wait()
            attempts_used = worker.counters.failed + worker.counters.retried
        await gate.close()
        await queue.aclose()
        await client.aclose()

    assert others_done == OTHERS
    assert most_running == 8
    assert postponed < 3 * STUCK, "each goes back once or twice, not again and again"
    assert attempts_used == 0
