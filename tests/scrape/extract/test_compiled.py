"""What mypyc made of the extractor does what the plain source does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mediascrape
from mediascrape.scrape.extract import extract, reader
from scrape.extract.soup import Soup

#: Reads documents from standard input, prints what is in each.
PLAIN_READER = """
import json, sys
from mediascrape.scrape.extract import extract, reader
assert reader.__file__.endswith(".py"), reader.__file__
for html in json.load(sys.stdin):
    document = extract(html.encode("utf-8", "surrogatepass"), base_url="https://example.org/a/b")
    print(json.dumps([document.title, document.base_url, [item.to_record(None) for item in document.items]]))
"""


@pytest.fixture(scope="module")
def documents() -> list[str]:
    return ["".join(Soup(seed).pieces(12)) for seed in range(300)]


def test_continuous_integration_runs_the_compiled_extractor() -> None:
    if not os.environ.get("CI"):
        pytest.skip("without a C compiler the plain source is what runs")
    assert reader.__file__.endswith(".so")


def test_who_asks_for_binaries_gets_them_or_an_error(tmp_path: Path) -> None:
    """An image built where Python's headers are missing would be the slow one, and nobody would know."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"COMPILE_EXTRACTOR": "1", "CC": "/no/compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode != 0
    assert "cannot be compiled: there is no C compiler" in built.stderr
    assert not [*tmp_path.iterdir()]


def test_compiled_and_plain_find_the_same(documents: list[str], tmp_path: Path) -> None:
    if reader.__file__.endswith(".py"):
        pytest.skip("the extractor is not compiled here")
    package = Path(mediascrape.__file__).parent
    shutil.copytree(package, tmp_path / "mediascrape", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    plain = subprocess.run(
        [sys.executable, "-c", PLAIN_READER],
        input=json.dumps(documents),
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    for html, line in zip(documents, plain.stdout.splitlines(), strict=True):
        assert json.loads(line) == _found(html), html


def _found(html: str) -> list[Any]:
    document = extract(html.encode("utf-8", "surrogatepass"), base_url="https://example.org/a/b")
    return [document.title, document.base_url, [item.to_record(None) for item in document.items]]
