"""The connection to the queue's server fails in every way; each job still ends exactly once.

The ledger below stands for the store: keyed by job, so that a second run leaves the same entry.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from chaos.proxy import Proxy, proxy_before
from mediascrape.errors import JobDataError
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey
from mediascrape.queue.job import Backoff, Job, JobOptions, NewJob, Retention
from mediascrape.queue.lua import batch_scripts, load_scripts
from mediascrape.queue.queue import Queue
from mediascrape.queue.slots import JobContext, WorkerOptions
from mediascrape.queue.worker import Worker

JOBS = 60
#: Called while jobs are added, run, retried, delayed, kept and handed back.
ADDING = ("addStandardJob-9", "addDelayedJob-6", "addPrioritizedJob-9")
WORKING = ("moveToActive-11", "moveToFinished-14", "moveToDelayed-11", "retryJob-11")
BESIDE = ("extendLocks-1", "moveStalledJobsToWait-9", "updateProgress-3", "addLog-2")
QUICK = WorkerOptions(concurrency=8, lock_duration_ms=1_000, stalled_interval_ms=300, max_stalled_count=50,
                      drain_delay_s=0.5, job_timeout_ms=20_000)  # fmt: skip
OPTIONS = (
    JobOptions(attempts=3, remove_on_complete=Retention()),
    JobOptions(attempts=3, remove_on_complete=Retention(), delay_ms=30),
    JobOptions(attempts=3, remove_on_complete=Retention(), priority=2),
    JobOptions(attempts=3, remove_on_complete=Retention(), backoff=Backoff("fixed", 30)),
)


@dataclass
class Ledger:
    runs: Counter[int] = field(default_factory=Counter)
    ended: dict[int, str] = field(default_factory=dict)
    block_s: float = 0.0

    async def process(self, job: Job, context: JobContext) -> None:
        self.runs[job.data["n"]] += 1
        if job.data["n"] % 10 == 0:
            await context.update_progress(50)
            await context.log("half done")
        if self.block_s and job.data["n"] == 30 and self.runs[30] == 1:
            time.sleep(self.block_s)
        await asyncio.sleep(1.2 if job.data["n"] == 5 else 0.02)  # one needs its lock renewed
        if job.data["n"] % 4 >= 2 and job.attempts_made == 0:
            raise RuntimeError("once more")
        if job.data["n"] % 7 == 0:
            self.ended[job.data["n"]] = "failed"
            raise JobDataError("never")
        self.ended[job.data["n"]] = "completed"

    def report(self, name: str) -> None:
        again = sum(runs - (1 if n % 4 < 2 else 2) for n, runs in self.runs.items())
        print(f"{name}: {JOBS} jobs, 0 lost, {again} runs more than needed")


@pytest.fixture
async def direct(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(tmp_path) as valkey:
        yield valkey


@pytest.fixture
async def proxy(direct: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with proxy_before(direct.socket_path, tmp_path / "proxy.sock") as between:
        yield between


@pytest.fixture
async def redis(proxy: Proxy) -> AsyncIterator[Redis]:
    client = connect(proxy.url)
    yield client
    await client.aclose()


async def add_all(queue: Queue) -> None:
    for n in range(JOBS):  # one by one, so that a cut falls between
        await queue.add("scrape-page", {"n": n}, OPTIONS[n % 4])


async def work(redis: Redis, queue: Queue, ledger: Ledger) -> None:
    async with Worker(redis, queue.name, ledger.process, QUICK) as worker:
        deadline = time.monotonic() + 20
        while (counts := await queue.counts())["completed"] + counts["failed"] < JOBS:
            assert time.monotonic() < deadline, (counts, worker.counters)
            await asyncio.sleep(0.05)


async def check(direct: EmbeddedValkey, ledger: Ledger, name: str) -> None:
    """As many jobs as were added, each in the state that it ended in, none in two, none left."""
    client = connect(direct.url)
    queue = Queue(client, "chaos")
    counts = await queue.counts()
    jobs = await queue.list_jobs(["completed", "failed"], limit=2 * JOBS)
    await queue.aclose()
    await client.aclose()
    assert counts["completed"] + counts["failed"] == sum(counts.values()) == JOBS, counts
    assert {job.data["n"]: job.state for job in jobs} == ledger.ended
    assert len(ledger.ended) == JOBS
    ledger.report(name)


async def run(direct: EmbeddedValkey, redis: Redis, ledger: Ledger, name: str) -> None:
    queue = Queue(redis, "chaos")
    await queue.open()
    await add_all(queue)
    await work(redis, queue, ledger)
    await queue.aclose()
    await check(direct, ledger, name)


@pytest.mark.parametrize("script", ADDING + WORKING + BESIDE)
async def test_a_reply_lost_at_each_script(
    script: str, direct: EmbeddedValkey, proxy: Proxy, redis: Redis
) -> None:
    proxy.needle = {**load_scripts(), **batch_scripts()}[script].sha.encode()
    proxy.cuts = 3
    await run(direct, redis, Ledger(), f"reply of {script} lost")
    assert proxy.cut >= 1, "the script was never called"


async def test_a_slow_connection(direct: EmbeddedValkey, proxy: Proxy, redis: Redis) -> None:
    queue = Queue(redis, "chaos")
    await queue.add_many([NewJob("scrape-page", {"n": n}, OPTIONS[n % 4]) for n in range(JOBS)])
    proxy.delay_s = 0.1
    ledger = Ledger()
    await work(redis, queue, ledger)
    await queue.aclose()
    await check(direct, ledger, "100 ms of latency")


async def test_an_event_loop_blocked_longer_than_the_lock(
    direct: EmbeddedValkey, proxy: Proxy, redis: Redis
) -> None:
    ledger = Ledger(block_s=1.5)
    queue = Queue(redis, "chaos")
    await queue.add_many([NewJob("scrape-page", {"n": n}, OPTIONS[n % 4]) for n in range(JOBS)])
    await work(redis, queue, ledger)
    await queue.aclose()
    await check(direct, ledger, "event loop blocked for 1.5 locks")


async def test_a_server_that_stands_still_longer_than_the_lock(direct: EmbeddedValkey, redis: Redis) -> None:
    """Jobs that ended meanwhile are still ours if nobody took them: none runs again."""
    all_run, go_on = asyncio.Barrier(JOBS + 1), asyncio.Event()
    runs: Counter[int] = Counter()

    async def process(job: Job, context: JobContext) -> None:
        runs[job.data["n"]] += 1
        await all_run.wait()
        await go_on.wait()

    queue = Queue(redis, "chaos")
    await queue.add_many([NewJob("scrape-page", {"n": n}, OPTIONS[0]) for n in range(JOBS)])
    options = replace(QUICK, concurrency=JOBS, stalled_interval_ms=60_000)
    pid = direct.pid
    assert pid is not None
    async with Worker(redis, queue.name, process, options) as worker:
        await all_run.wait()
        os.kill(pid, signal.SIGSTOP)
        go_on.set()
        await asyncio.sleep(1.5 * options.lock_duration_ms / 1000)
        os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(20):
            while (await queue.counts())["completed"] < JOBS:
                await asyncio.sleep(0.02)
        assert worker.counters.lost == 0
    await queue.aclose()
    assert runs == dict.fromkeys(range(JOBS), 1)


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000])
async def test_a_clock_that_jumps(
    jump_ms: int, direct: EmbeddedValkey, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = time.monotonic()
    real = time.time_ns

    def jumping() -> int:
        late = time.monotonic() - started > 0.3
        return real() + (jump_ms * 1_000_000 if late else 0)

    queue = Queue(redis, "chaos")
    await queue.add_many([NewJob("scrape-page", {"n": n}, OPTIONS[n % 3]) for n in range(JOBS)])
    monkeypatch.setattr(time, "time_ns", jumping)  # what `now_ms` reads
    ledger = Ledger()
    await work(redis, queue, ledger)
    await queue.aclose()
    await check(direct, ledger, f"clock jumps by {jump_ms} ms")


async def test_a_reply_lost_while_jobs_are_handed_back(
    direct: EmbeddedValkey, proxy: Proxy, redis: Redis
) -> None:
    started = 0

    async def never_ends(_job: Job, _context: JobContext) -> None:
        nonlocal started
        started += 1
        await asyncio.sleep(60)

    queue = Queue(redis, "chaos")
    await queue.add_many([NewJob("scrape-page", {"n": n}) for n in range(JOBS)])
    async with Worker(redis, queue.name, never_ends, QUICK) as worker:
        async with asyncio.timeout(20):
            while started < QUICK.concurrency:
                await asyncio.sleep(0.02)
        proxy.needle = load_scripts()["moveJobFromActiveToWait-9"].sha.encode()
        proxy.cuts = 1
        await worker.close(force=True)
    assert proxy.cut == 1
    counts = await queue.counts()
    assert (counts["waiting"], counts["active"]) == (JOBS, 0), counts
    jobs = await queue.list_jobs(["waiting"], limit=JOBS)
    assert len({job.id for job in jobs}) == JOBS
    assert {job.attempts_made for job in jobs} == {0}
    locks = connect(direct.url)
    assert await locks.keys("bull:chaos:*:lock") == []
    await locks.aclose()
    await queue.aclose()
