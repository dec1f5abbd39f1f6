"""Documentation is part of the feature: what is not described, or described wrongly, fails here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from command_line import CommandLine
from mediascrape.cli import COMMANDS, cli
from mediascrape.loadtest.options import OriginOptions
from mediascrape.loadtest.process import running_origin
from mediascrape.variables import describe_settings, render_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def walk(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, (*path, name))


COMMAND_TREE = list(walk(cli))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    assert f"`mediascrape {name}" in README


@pytest.mark.parametrize(
    ("path", "command"), COMMAND_TREE, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_and_option_has_help(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)} {parameter.opts[0]}"


def test_subcommands_are_in_the_readme() -> None:
    for path, _ in COMMAND_TREE:
        if len(path) == 2:
            row = next(line for line in README.splitlines() if line.startswith(f"| `mediascrape {path[0]}"))
            assert path[1] in row


def test_every_setting_is_documented_with_its_default_and_help() -> None:
    assert all(setting.help for setting in describe_settings())
    assert (ROOT / "docs" / "settings.md").read_text() == render_settings() + "\n", (
        "out of date: make settings"
    )


def test_documents_link_to_files_that_exist() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_dependency_has_its_line() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    section = pyproject.split("dependencies = [", 1)[1].split("]\n", 1)[0]
    table = (ROOT / "docs" / "dependencies.md").read_text()
    for name in re.findall(r'^\s*"([A-Za-z0-9.-]+)', section, re.MULTILINE):
        assert f"| {name} |" in table, f"{name} has no line in docs/dependencies.md"


@pytest.mark.parametrize("number", range(len(PYTHON_BLOCKS)))
async def test_the_readme_s_programs_run(number: int, tmp_path: Path) -> None:
    async with running_origin(OriginOptions(hosts=1, pages=2, mean_size=10_000)) as origin:
        program = tmp_path / "program.py"
        program.write_text(PYTHON_BLOCKS[number].replace('"https://example.org/"', f'"{origin.url(0)}"'))
        result = subprocess.run(
            [sys.executable, "-W", "error", program], cwd=tmp_path, env=CommandLine(tmp_path).environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert not result.stderr


def test_the_readme_has_programs() -> None:
    assert len(PYTHON_BLOCKS) >= 4
