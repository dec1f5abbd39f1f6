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
    assert {**there, "bytes": 0, "place": ""} == {**before, "bytes": 0, "place": ""}

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


async def test_a_store_is_not_copied_into_itself(mediascrape: CommandLine, tmp_path: Path) -> None:
    await mediascrape.run("media", "list")
    source = mediascrape.directory / "data" / "mediascrape.db"
    (tmp_path / "other.db").symlink_to(source)
    for target in (str(source), f"sqlite:///{source}", str(tmp_path / "other.db")):
        result = await mediascrape.run("store", "copy", str(source), target)
        assert (result.status, result.out) == (2, "")
        assert "FROM and TO are the same database" in result.err


async def test_which_database_it_is(mediascrape: CommandLine) -> None:
    shown = (await mediascrape.run("store", "info")).out
    assert str(mediascrape.directory / "data" / "mediascrape.db") in shown


async def test_a_database_url_that_is_none_is_a_wrong_setting(
    mediascrape: CommandLine, tmp_path: Path
) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("Dear diary")
    for path, told in ((diary, "is no SQLite database"), (tmp_path, "is a directory")):
        result = await mediascrape.run("media", "list", DATABASE_URL=f"sqlite:///{path}")
        assert (result.status, result.out) == (2, "")
        assert f"{path} {told}" in result.err


@pytest.mark.parametrize("age", ["30", "month", "-1d", ""])
async def test_what_is_no_age(mediascrape: CommandLine, age: str) -> None:
    result = await mediascrape.run("store", "prune", "--older-than", age)
    assert (result.status, "write 30d" in result.err) == (2, True)
