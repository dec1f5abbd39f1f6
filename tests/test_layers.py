"""Imports go one way: cli, web -> service -> pipeline -> {queue | scrape | store} -> settings, errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mediascrape

PACKAGE = Path(mediascrape.__file__).parent

BASE = frozenset({"settings", "errors", "histogram"})
PARTS = BASE | {"queue", "scrape", "store"}
SERVICE = frozenset(
    {
        "allocator",
        "service",
        "parts",
        "pipeline",
        "observing",
        "tracing",
        "admission",
        "submission",
        "scheduling",
        "governor",
        "upkeep",
    }
)
#: part of the package -> the parts it may import besides itself
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "allocator": frozenset(),
    "histogram": frozenset(),
    "tracing": BASE,
    "observing": BASE | {"queue"},
    "settings": frozenset({"errors"}),
    "variables": frozenset({"settings"}),
    "queue": BASE,
    "scrape": BASE,
    "store": BASE,
    "governor": BASE,
    "admission": BASE | {"queue", "scrape"},
    "submission": BASE | {"scrape"},
    "pipeline": PARTS | {"observing"},
    "upkeep": PARTS,
    "scheduling": PARTS | {"pipeline", "submission"},
    "parts": PARTS | {"pipeline", "admission", "governor", "observing", "upkeep"},
    "service": PARTS | {"parts", "pipeline", "submission", "scheduling", "governor", "observing", "tracing"},
    "loadtest": PARTS | SERVICE | {"variables"},
    "web": PARTS | SERVICE,
    "cli": PARTS | SERVICE | {"variables", "web", "loadtest"},
}


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path}: an import from another part must be absolute"
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "mediascrape")


SOURCES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.parent != PACKAGE or path.stem not in {"__init__", "__main__"}
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_layers(path: Path) -> None:
    part = _part(path)
    parts = {name.split(".")[1] for name in _imports(path) if name.startswith("mediascrape.")}
    assert parts - {part} <= MAY_IMPORT[part]


def test_only_settings_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    }
    # TERM belongs to the terminal, not to us; a child process is given the environment as it is.
    assert readers <= {"settings.py", "cli/terminal.py", "loadtest/served.py"}
