"""What is in C touches no memory but its own, whatever the text: built with the sanitizers and given odd ones."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mediascrape import scrape

SCRAPE = Path(scrape.__file__).parent
FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-shared", "-fPIC")
#: Texts of its own allocation each, cut anywhere, read from and to places within and outside.
SCAN = """
import random, sys
from _scanner import Scanner
scanner = Scanner(tags=["a", "img", "/video"], stops=["script"], extensions=["jpg", "m3u8"], attributes=["src"])
words = ["<img", "<", ".jpg", ".m3u", ".", '"', "'", "=", ">", "/", "itemprop", "item", "itemscop", "back", " ",
         "background", "url(", "image-set(", "(", "<!--", "<scrip", "<script", "</", "</v", "<?", "\\xe9", "x" * 40,
         " src=a", " y='", "-->", "--", "!", "</script", "</style>", " = ", "ld+json", "+"]
rng = random.Random(1)
for _ in range(200_000):
    text = "".join(rng.choice(words) for _ in range(rng.randrange(14)))
    text = text[: rng.randrange(len(text) + 1)]
    start = rng.randrange(-2, len(text) + 3)
    scanner.landmarks(text, start, rng.randrange(-2, len(text) + 90), rng.random() < 0.5)
    scanner.attributes(text, start)
    scanner.end_of_hidden(text, start)
    scanner.end_of_mere_script(text, start)
    scanner.end_of_raw(text, start, rng.choice(["script", "style", "", "\\xe9"]))
    scanner.may_be_inside(text, start, rng.randrange(-2, len(text) + 3))
print("done")
"""
JOIN = """
import random
from _urls import is_normal, joined
words = ["http", "https", ":", "//", "/", "a.b", "example.com", ".", "xn--", "127.0.0.1", "1", "255", ":80", ":8080",
         "%2e", "%2", "%", "?", "#", "-", "_", "a_", "x.png", "A", "\\xe9", "\\u0100", "\\0"]
rng = random.Random(1)
for _ in range(200_000):
    base, ref = ("".join(rng.choice(words) for _ in range(rng.randrange(9))) for _ in range(2))
    base = rng.choice(["", "https://", "https://example.com/"]) + base
    base = base[: rng.randrange(len(base) + 1)]
    is_normal(base)
    joined(base, ref)
print("done")
"""


@pytest.mark.parametrize(
    ("source", "script"),
    [(SCRAPE / "extract/_scanner.c", SCAN), (SCRAPE / "_urls.c", JOIN)],
    ids=["scanner", "urls"],
)
def test_odd_texts_under_the_address_sanitizer(source: Path, script: str, tmp_path: Path) -> None:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    binary = tmp_path / f"{source.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = f"-I{sysconfig.get_path('include')}"
    try:
        subprocess.run([compiler, *FLAGS, include, source, "-o", binary], check=True, capture_output=True)
        library = subprocess.check_output([compiler, "-print-file-name=libasan.so"], text=True).strip()
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no compiler with sanitizers: {error}")
    environment = {"LD_PRELOAD": library, "PYTHONMALLOC": "malloc", "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
