"""What the doctor sees, on real servers, and what it makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import CommandLine
from mediascrape.cli.findings import (
    Finding,
    judge_clock,
    judge_connections,
    judge_disk,
    judge_files,
    judge_memory,
    judge_server,
)
from mediascrape.queue.connection import connect
from mediascrape.queue.embedded import EmbeddedValkey

GB = 1024**3


async def test_nothing_wrong_here(mediascrape: CommandLine) -> None:
    well = await mediascrape.run("doctor", "--json")
    assert well.status == 0, well.out
    seen = {finding["check"]: finding["text"] for finding in json.loads(well.out)}
    assert set(seen) >= {"version", "settings", "data", "files", "memory", "queue", "clock", "store", "names"}
    assert "valkey" in seen["queue"]
    assert seen["store"].startswith("SQLite 3.")


async def test_services_out_of_reach(mediascrape: CommandLine) -> None:
    queue = await mediascrape.run("doctor", REDIS_URL="redis://me:secret@127.0.0.1:1")
    assert queue.status == 4
    assert "127.0.0.1:1" in queue.out
    store = await mediascrape.run("doctor", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/media")
    assert store.status == 4
    assert "secret" not in queue.out + store.out


async def test_a_server_that_evicts_and_one_that_forgets(mediascrape: CommandLine, tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "other") as valkey:
        client = connect(valkey.url)
        await client.config_set("appendonly", "no")
        forgets = await mediascrape.run("doctor", REDIS_URL=valkey.url)
        assert forgets.status == 0
        assert "set appendonly yes" in forgets.out
        await client.config_set("maxmemory-policy", "allkeys-lru")
        evicts = await mediascrape.run("doctor", REDIS_URL=valkey.url)
        assert evicts.status == 2
        assert "CONFIG SET maxmemory-policy noeviction" in evicts.out
        await client.aclose()


async def test_a_data_directory_that_is_none(mediascrape: CommandLine) -> None:
    place = mediascrape.directory / "file"
    place.write_text("")
    result = await mediascrape.run("doctor", MEDIASCRAPE_DATA_DIR=str(place / "data"))
    assert result.status == 2
    assert "MEDIASCRAPE_DATA_DIR" in result.out


@pytest.mark.parametrize("command", [("store", "info"), ("media", "list"), ("queue", "counts"), ("monitor",)])
@pytest.mark.parametrize("inside", ["", "data"])
async def test_a_file_as_data_directory_is_wrong_usage_everywhere(
    mediascrape: CommandLine, command: tuple[str, ...], inside: str
) -> None:
    place = mediascrape.directory / "file"
    place.write_text("")
    result = await mediascrape.run(*command, MEDIASCRAPE_DATA_DIR=str(place / inside))
    assert (result.status, "set MEDIASCRAPE_DATA_DIR" in result.err) == (2, True), result.err


async def test_an_unknown_variable_is_told_by_every_command_and_the_doctor(mediascrape: CommandLine) -> None:
    listed = await mediascrape.run("media", "list", MEDIASCRAPE_CONCURENCY="7")
    assert listed.status == 0
    assert listed.err == (
        "mediascrape: warning: MEDIASCRAPE_CONCURENCY is no setting; did you mean MEDIASCRAPE_CONCURRENCY?\n"
    )
    doctor = await mediascrape.run("doctor", MEDIASCRAPE_CONCURENCY="7")
    assert "MEDIASCRAPE_CONCURENCY is no setting" in doctor.out


@pytest.mark.parametrize(
    ("finding", "word"),
    [
        (judge_disk("data", "/data", GB // 2), "make room"),
        (judge_files(1024, 4096, 5256), "LimitNOFILE"),
        (judge_memory(GB // 2, GB // 10), "MEDIASCRAPE_MAX_CONCURRENCY"),
        (judge_clock(5), "NTP"),
        (judge_connections(95, 100), "MEDIASCRAPE_DATABASE_CONNECTIONS"),
        (next(judge_server({"maxmemory": 100, "used_memory": 90})), "maxmemory"),
        (next(judge_server({"aof_last_write_status": "err"})), "log"),
        (next(judge_server({"maxclients": 100, "connected_clients": 90})), "maxclients"),
    ],
)
def test_what_is_wrong_comes_with_advice(finding: Finding | None, word: str) -> None:
    assert finding is not None
    assert finding.verdict != "ok"
    assert word in finding.advice


@pytest.mark.parametrize(
    "finding",
    [
        judge_disk("data", "/data", 9 * GB),
        judge_files(1024, None, 5256),
        judge_files(None, None, 5256),
        judge_memory(GB, GB // 2),
        judge_clock(0.1),
    ],
)
def test_what_is_well_needs_none(finding: Finding) -> None:
    assert (finding.verdict, finding.advice) == ("ok", "")


def test_a_server_with_room_is_not_mentioned() -> None:
    assert judge_connections(4, 100) is None
    assert not [
        *judge_server({"maxmemory": 0, "used_memory": 10**9, "maxclients": 10_000, "connected_clients": 9})
    ]
