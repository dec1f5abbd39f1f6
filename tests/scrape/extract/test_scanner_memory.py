"""The scanner in C touches no memory but its own, whatever the text: built with the sanitizers and given odd ones."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mediascrape.scrape.extract import scanner

SOURCE = Path(scanner.__file__).parent / "_scanner.c"
FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-shared", "-fPIC")
#: Texts of its own allocation each, cut anywhere, read from and to places within and outside.
READ = """
import random, sys
from _scanner import Scanner
scanner = Scanner(tags=["a", "img", "/video"], stops=["script"], extensions=["jpg", "m3u8"], attributes=["src"])
words = ["<img", "<", ".jpg", ".m3u", ".", '"', "'", "=", ">", "/", "itemprop", "item", "itemscop", "back", " ",
         "background", "url(", "image-set(", "(", "<!--", "<scrip", "<script", "</", "</v", "<?", "\\xe9", "x" * 40,
         " src=a", " y='"]
rng = random.Random(1)
for _ in range(200_000):
    text = "".join(rng.choice(words) for _ in range(rng.randrange(14)))
    text = text[: rng.randrange(len(text) + 1)]
    start = rng.randrange(-2, len(text) + 3)
    scanner.landmarks(text, start, rng.randrange(-2, len(text) + 90), rng.random() < 0.5)
    scanner.attributes(text, start)
print("done")
"""


def test_odd_texts_under_the_address_sanitizer(tmp_path: Path) -> None:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    binary = tmp_path / f"_scanner{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{sysconfig.get_path('include')}"
    try:
        subprocess.run([compiler, *FLAGS, include, SOURCE, "-o", binary], check=True, capture_output=True)
        library = subprocess.check_output([compiler, "-print-file-name=libasan.so"], text=True).strip()
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no compiler with sanitizers: {error}")
    environment = {"LD_PRELOAD": library, "PYTHONMALLOC": "malloc", "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
