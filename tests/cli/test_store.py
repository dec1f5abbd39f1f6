"""Looking after the database from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import CommandLine
from mediascrape.loadtest.process import RunningOrigin


async def info(mediascrape: CommandLine, **environment: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (await mediascrape.run("store", "info", "--json", **environment)).out
    )
    return found


async def test_a_store_is_copied_pruned_and_vacuumed(mediascrape: CommandLine, origin: RunningOrigin) -> None:
    await mediascrape.run("scrape", *origin.urls(4), "--format", "jsonl")
    before = await info(mediascrape)
    assert before["pages"] == 4
    assert str(before["database"]).startswith("SQLite 3.")
    source = mediascrape.directory / "data" / "mediascrape.db"
    target = mediascrape.directory / "copy.db"
    copied = await mediascrape.run("store", "copy", str(source), str(target))
    assert copied.status == 0, copied.err
    assert [line.split() for line in copied.out.splitlines()][1] == ["pages", "4"]
    there = await info(mediascrape, DATABASE_URL=f"sqlite:///{target}")
    assert {**there, "bytes": 0} == {**before, "bytes": 0}

    again = await mediascrape.run("store", "copy", str(source), str(target))
    assert again.status == 0
    assert "went on after" in again.err
    assert again.out == copied.out

    assert "0 scrapes" in (await mediascrape.run("store", "prune", "--older-than", "1h")).out
    assert "4 scrapes" in (await mediascrape.run("store", "prune", "--older-than", "0s")).out
    assert (await mediascrape.run("store", "optimize")).status == 0
    assert "after" in (await mediascrape.run("store", "vacuum")).out
    assert (await info(mediascrape))["media"] == before["media"]
    assert (await info(mediascrape))["scrapes"] == {}


async def test_nothing_to_copy(mediascrape: CommandLine, tmp_path: Path) -> None:
    result = await mediascrape.run("store", "copy", str(tmp_path / "typo.db"), str(tmp_path / "copy.db"))
    assert (result.status, "no store to copy" in result.err) == (2, True)


@pytest.mark.parametrize("age", ["30", "month", "-1d", ""])
async def test_what_is_no_age(mediascrape: CommandLine, age: str) -> None:
    result = await mediascrape.run("store", "prune", "--older-than", age)
    assert (result.status, "write 30d" in result.err) == (2, True)
