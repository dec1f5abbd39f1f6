"""Scripts made to run many times in one call do what as many calls of them would have done."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from mediascrape.queue.job import Deduplication, JobOptions, NewJob, Retention
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.link import Link
from mediascrape.queue.lua import (
    BATCH,
    BATCHED,
    Batch,
    Call,
    command,
    load_scripts,
    pack_calls,
    split_functions,
    spread,
)
from mediascrape.queue.scripts import ClaimOptions, Delay, Finish, QueueScripts
from mediascrape.queue.wire import pack
from single_calls import dump, one_by_one, told

CLAIM = ClaimOptions(30_000)
NEW = NewJob("name", None)


@pytest.fixture
async def link(redis: Redis) -> AsyncIterator[Link]:
    await redis.flushall()
    link = Link(redis)
    yield link
    await link.aclose()


def names_in(lua: str) -> set[str]:
    """The names a piece of Lua uses: no comments, strings, fields."""
    lua = re.sub(r"--\[\[.*?\]\]|--[^\n]*", "", lua, flags=re.DOTALL)
    lua = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "", lua)
    return set(re.findall(r"(?<![.\w])[A-Za-z_]\w*", lua))


def declared_in(lua: str) -> set[str]:
    """The names it makes itself: functions, parameters, locals, loop variables."""
    lists = re.findall(
        r"\bfunction *\w*\(([^)]*)\)|\blocal ([\w, ]+?) *(?:=|$)|\bfor ([\w, ]+) in\b", lua, re.MULTILINE
    )
    functions = re.findall(r"^local (?:function )?(\w+)", lua, re.MULTILINE)
    return {name.strip() for found in lists for part in found for name in part.split(",")} | set(functions)


@pytest.mark.parametrize("name", BATCHED)
def test_the_functions_of_a_script_use_nothing_of_its_body(name: str) -> None:
    functions, body = split_functions(load_scripts()[name].source.decode())
    assert len(functions) >= 9
    assert "function" not in names_in(body), "one was left behind"
    of_body = {"KEYS", "ARGV"} | declared_in(re.sub(r"^\s.*$", "", body, flags=re.MULTILINE)) - {"rcall"}
    known: set[str] = set()
    for function in functions:
        used = names_in(function) & of_body
        assert used <= declared_in(function), function
        known |= declared_in(function)


@given(st.lists(st.sampled_from("aabAc") | st.integers(1, 2 * BATCH).map(lambda n: "a" * n)))
def test_calls_are_packed_in_order_and_their_replies_spread(kinds: list[str]) -> None:
    batches = {kind: Batch("retryJob-11", (kind,) * 11, 1) for kind in "ab"}
    calls: list[Call | bytes] = [
        command("PING", n) if kind == "c" else Call(batches[kind.lower()], (kind,), (str(n),))
        for n, kind in enumerate("".join(kinds))
    ]
    commands, sizes = pack_calls(calls)
    assert sum(max(size, 1) for size in sizes) == len(calls)
    assert max(sizes, default=0) <= BATCH
    replies, n = [], 0
    for packed, size in zip(commands, sizes, strict=True):
        for number in range(n, n + max(size, 1)):
            assert str(number).encode() in packed
        replies.append(list(range(n, n + size)) if size else n)
        n += max(size, 1)
    assert spread(replies, sizes) == list(range(len(calls)))
    assert spread(replies[:1], sizes) == list(range(max(sizes[0], 1) if sizes else 0))


def test_the_error_of_a_command_is_that_of_all_its_calls() -> None:
    error = NoScriptError("no")
    assert spread([error, 7], [3, 0]) == [error, error, error, 7]


ADDS = (
    JobOptions(attempts=2, remove_on_complete=Retention(0)),
    JobOptions(deduplication=Deduplication("same")),
    JobOptions(delay_ms=60_000),
    JobOptions(priority=3),
    JobOptions(lifo=True, remove_on_complete=Retention(2)),
)


async def live(redis: Redis, link: Link, *, batched: bool) -> tuple[list[Any], dict[str, Any]]:
    """A life of jobs with every batched script; all replies, and what is left of it."""
    keys = QueueKeys("q")
    scripts = QueueScripts(keys)
    replies: list[Any] = []

    async def run(calls: list[Call]) -> list[Any]:
        got = await (link.run(calls) if batched else link.execute(one_by_one(calls)))
        replies.extend(got if calls[0].batch.script.name.startswith("add") else map(told, got))
        return replies[-len(calls) :]

    for pick in range(len(ADDS)):
        await run([
            scripts.add_job(f"j{pick}-{n}", NEW, '{"n":1}', ADDS[pick], 1000 + n) for n in range(4)
        ])  # fmt: skip
    await run([scripts.add_job("j0-0", NEW, "{}", ADDS[0], 1)])  # an id that is taken
    tokens = [f"t{n}" for n in range(20)]
    claims = [scripts.move_to_active(5000, scripts.claim_options(token, CLAIM)) for token in tokens[:6]]
    held = [(str(reply[0]), token) for reply, token in zip(await run(claims), tokens, strict=False)]
    finishes = [
        scripts.move_to_finished(
            job_id, Finish(token, "null", Retention(0) if n % 2 else Retention(1), 2, failed=n % 3 == 2),
            6000 + n, fetch_next=n < 3, claim=CLAIM,
        )
        for n, (job_id, token) in enumerate(held[:4])
    ]  # fmt: skip
    await run(sorted(finishes, key=lambda call: call.shared[2]))
    await run([
        scripts.move_to_delayed(job_id, Delay(token, delay, skip_attempt=True), 7000, fetch_next=True, claim=CLAIM)
        for delay, (job_id, token) in zip((500, 0), held[4:], strict=True)  # the second is due at once
    ])  # fmt: skip
    await run(
        [
            scripts.move_to_finished(
                "gone", Finish("t", "null", Retention(), 1), 1, fetch_next=False, claim=CLAIM
            )
        ]
    )
    await run([
        scripts.move_to_active(5000, scripts.claim_options(token, CLAIM)) for token in tokens[6:]
    ])  # fmt: skip
    return replies, await dump(redis)


async def test_many_runs_in_one_call_leave_what_single_calls_leave(redis: Redis, link: Link) -> None:
    many = await live(redis, link, batched=True)
    await redis.flushall()
    single = await live(redis, link, batched=False)
    assert len(many[0]) == len(single[0]) > 40
    assert many == single


async def test_rows_are_logged_where_the_script_did_its_work(redis: Redis, link: Link) -> None:
    scripts = QueueScripts(QueueKeys("q"))
    await link.run([scripts.add_job(f"j{n}", NEW, "{}", JobOptions(), 1) for n in range(4)])
    await link.run([scripts.move_to_active(1, scripts.claim_options(f"t{n}", CLAIM)) for n in range(4)])
    await redis.set("bull:q:j3:logs", "not a list")
    rows = pack([2, "one", "two", "three"])
    replies = await link.run([
        scripts.move_to_finished(
            f"j{n}", Finish(token, "null", Retention(), 1, packed_log=rows), 1,
            fetch_next=False, claim=CLAIM,
        )
        for n, token in enumerate(("t0", "not the lock's", "t2", "t3"))
    ])  # fmt: skip
    assert replies == [0, -6, 0, 0]
    assert [await redis.exists(f"bull:q:j{n}:logs") for n in range(3)] == [1, 0, 1]
    assert await redis.lrange("bull:q:j0:logs", 0, -1) == ["two", "three"]
    again = Delay("t1", 0, packed_log=rows)
    assert await link.run([scripts.retry_job("j1", again, 1, lifo=False)]) == [0]
    assert await redis.lrange("bull:q:j1:logs", 0, -1) == ["two", "three"]


async def test_one_that_raises_hinders_no_other(redis: Redis, link: Link) -> None:
    scripts = QueueScripts(QueueKeys("q"))
    await redis.rpush("bull:q:de:1", "not an id")
    adds = [
        scripts.add_job(f"j{n}", NewJob("name", None, None, f"{n}"), "{}", JobOptions(), 1) for n in range(3)
    ]
    replies = await link.run(adds)
    assert replies[0::2] == ["j0", "j2"]
    assert isinstance(replies[1], ResponseError)
    assert await redis.lrange("bull:q:wait", 0, -1) == ["j2", "j0"]


async def test_an_error_of_a_command_inside_is_told(redis: Redis, link: Link) -> None:
    await redis.set("bull:q:wait", "not a list")
    scripts = QueueScripts(QueueKeys("q"))
    replies = await link.run([scripts.add_job(f"j{n}", NEW, "{}", JobOptions(), 1) for n in range(2)])
    assert [type(reply) for reply in replies] == [ResponseError] * 2
    assert "WRONGTYPE" in str(replies[0])
