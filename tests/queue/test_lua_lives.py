"""Lives of many jobs, odd ones among them: run in batches they end as they do one call at a time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from mediascrape.queue.job import Deduplication, JobOptions, NewJob, Retention
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link
from mediascrape.queue.lua import Call, command
from mediascrape.queue.scripts import ClaimOptions, Delay, Finish, QueueScripts
from mediascrape.queue.wire import pack
from single_calls import dump, one_by_one, told

KEYS = QueueKeys("q")
#: Commands, a word each of their parts.
TROUBLES = [
    ["DEL bull:q:JOB:lock"],
    ["SET bull:q:JOB:lock another"],
    ["DEL bull:q:JOB"],
    ["LREM bull:q:active 1 JOB"],
    ["RPUSH bull:q:wait JOB"],
    ["SADD bull:q:stalled JOB"],
    ["SADD bull:q:JOB:dependencies bull:q:child"],
    ["ZADD bull:q:JOB:unsuccessful 1 bull:q:child"],
    ["HSET bull:q:JOB:processed bull:q:child 1"],
    [
        'HSET bull:q:JOB parentKey bull:q:parent parent {"id":"parent","queueKey":"bull:q","fpof":true}',
        "HSET bull:q:parent name parent opts {}",
        "SADD bull:q:parent:dependencies bull:q:JOB",
        "ZADD bull:q:waiting-children 1 parent",
    ],
    ["HSET bull:q:meta concurrency 5"],
    ["HSET bull:q:meta concurrency 30"],
    ["HSET bull:q:meta paused 1"],
    ["HSET bull:q:meta max 40 duration 60000"],
    ["HDEL bull:q:meta paused concurrency max duration"],
    ["HDEL bull:q:meta paused concurrency max duration"],
    ["RPUSH bull:q:wait 0:0"],
    ["RPUSH bull:q:wait 0:5"],
    ["RPUSH bull:q:JOB:logs row"],
    ["HSET bull:q:JOB failedReason a\x1eb"],
]


@pytest.fixture
async def link(redis: Redis) -> AsyncIterator[Link]:
    link = Link(redis)
    yield link
    await link.aclose()


class Life:
    """What a seed makes of a queue. Two lives of one seed differ only in how their scripts are called."""

    def __init__(self, seed: int, redis: Redis, link: Link, *, batched: bool) -> None:
        self.random = Random(seed)
        self.redis = redis
        self.link = link
        self.batched = batched
        self.scripts = QueueScripts(KEYS)
        self.claim = ClaimOptions(30_000, self.random.choice([None, "me", "a\x1eb"]))
        #: How odd the queue is: most are as a scrape's.
        self.oddity = self.random.choice([0, 0, 0.02, 0.1])
        self.replies: list[Any] = []
        self.now = 1_700_000_000_000
        self.held: list[tuple[str, str]] = []
        self.count = 0

    async def run(self, calls: Sequence[Call], tokens: Sequence[str] = ()) -> None:
        """tokens: those with which the calls may claim a job."""
        got = await (self.link.run(calls) if self.batched else self.link.execute(one_by_one(calls)))
        for reply in got if not tokens else map(told, got):
            self.replies.append(reply)
        for reply, token in zip(self.replies[-len(tokens) :], tokens, strict=True) if tokens else ():
            if isinstance(reply, tuple):
                self.held.append((reply[0], token))

    def number(self) -> int:
        self.count += 1
        return self.count

    def odd(self) -> bool:
        return self.random.random() < self.oddity

    # --- what may happen ---------------------------------------------------------------------------

    async def add(self) -> None:
        options = JobOptions()
        if self.odd():
            options = self.random.choice([
                JobOptions(delay_ms=50), JobOptions(priority=3), JobOptions(lifo=True),
                JobOptions(deduplication=Deduplication("same", self.random.choice([None, 60_000]))),
                JobOptions(deduplication=Deduplication("last", keep_last_if_active=True)),
                JobOptions(deduplication=Deduplication("new", replace=True), delay_ms=50),
            ])  # fmt: skip
        marked = self.random.random() < 0.7 and options.deduplication is None
        calls = []
        for _ in range(self.random.randint(1, 20)):
            n = self.number() if not self.odd() else self.random.randint(1, self.count + 1)
            new = NewJob("page", None, deduplication_id=f"d{n % 90}" if marked else None)
            data = json.dumps("x" * (2000 if self.odd() else 20))
            calls.append(self.scripts.add_job(f"j{n}", new, data, options, self.now + n))
        await self.run(calls)

    async def claim_some(self) -> None:
        tokens = [f"t{self.number()}" for _ in range(self.random.randint(1, 20))]
        await self.run(
            [
                self.scripts.move_to_active(self.now, self.scripts.claim_options(t, self.claim))
                for t in tokens
            ],
            tokens,
        )

    def take(self) -> list[tuple[str, str]]:
        self.random.shuffle(self.held)
        count = self.random.randint(1, 20)
        taken, self.held = self.held[:count], self.held[count:]
        if taken and self.odd():
            taken.append(taken[0])  # reported twice
        if self.odd():
            taken.append(("gone", "t"))
        return taken

    async def finish(self) -> None:
        retention = Retention(0) if not self.odd() else self.random.choice([Retention(2), Retention(0, 5)])
        failed, metrics = self.odd(), 10 if self.odd() else None
        calls, tokens = [], []
        for job_id, token in self.take():
            tokens.append("wrong" if self.odd() else token)
            finish = Finish(
                tokens[-1], self.random.choice(["null", '{"n":1}']), retention, 1 + self.odd(), failed, metrics,
                pack(["failedReason", "no"]) if self.odd() else b"",
            )  # fmt: skip
            fetch_next = self.random.random() < 0.8
            calls.append(
                self.scripts.move_to_finished(
                    job_id, finish, self.now, fetch_next=fetch_next, claim=self.claim
                )
            )
        if calls:
            await self.run(calls, tokens)

    async def put_off(self) -> None:
        calls, tokens = [], []
        for job_id, token in self.take():
            tokens.append(token)
            delay = Delay(token, self.random.choice([0, 20, 500]), skip_attempt=self.odd())
            if self.random.random() < 0.5:
                calls.append(self.scripts.retry_job(job_id, delay, self.now, lifo=self.odd()))
            else:
                fetch_next = self.random.random() < 0.8
                calls.append(
                    self.scripts.move_to_delayed(
                        job_id, delay, self.now, fetch_next=fetch_next, claim=self.claim
                    )
                )
        if calls:
            await self.run(calls, tokens)

    async def trouble(self) -> None:
        """Others do something to a job and to the queue."""
        job_id = self.random.choice(self.held)[0] if self.held else "j1"
        lines = self.random.choice(TROUBLES)
        await self.link.execute([command(*line.replace("JOB", job_id).split(" ")) for line in lines])

    async def live(self) -> tuple[list[Any], dict[str, Any]]:
        await self.redis.flushall()
        steps = [self.add, self.claim_some, self.finish, self.finish, self.finish, self.put_off]
        for _ in range(30):
            self.now += self.random.randint(0, 100)
            await self.random.choice(steps)()
            if self.odd() or self.odd() or self.odd():
                await self.trouble()
        return self.replies, await dump(self.redis)


async def test_a_life_in_batches_is_the_same_life(redis: Redis, link: Link) -> None:
    for seed in range(100):
        batched = await Life(seed, redis, link, batched=True).live()
        single = await Life(seed, redis, link, batched=False).live()
        assert (seed, *batched) == (seed, *single)


async def test_a_job_claimed_again_in_the_call_that_ends_it_is_not_ended(redis: Redis, link: Link) -> None:
    life = Life(0, redis, link, batched=True)
    await redis.flushall()
    await life.run(
        [life.scripts.add_job(f"j{n}", NewJob("page", None), "{}", JobOptions(), n) for n in range(2)]
    )
    tokens = ["t0", "t1"]
    await life.run(
        [life.scripts.move_to_active(1, life.scripts.claim_options(t, life.claim)) for t in tokens], tokens
    )
    await redis.rpush("bull:q:wait", "j1")  # as if it had stalled, but its lock came back
    ends = [
        life.scripts.move_to_finished(
            job_id, Finish(token, "null", Retention(0), 1), 2, fetch_next=True, claim=life.claim
        )
        for job_id, token in life.held
    ]
    await life.run(ends, tokens)
    assert life.replies[-2][0] == "j1"
    assert life.replies[-1] == -6
    assert await redis.get("bull:q:j1:lock") == "t0"
