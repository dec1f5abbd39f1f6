"""The extractor's score on saved pages, beside what others find in the same bytes, and what each costs.

    pip install gallery-dl        # optional: one of the others
    python -m benchmarks.extract_compare --corpus ../shared/corpus

The corpus is a folder `pages/` of `STEM.html.gz` with what a browser found in `STEM.json`, and its `score.py`, which
compares URLs after normalising them. Times are CPU milliseconds a page, the best of the rounds; to be compared within
one run only. A reader that takes more than a second of CPU time for a page finds nothing there; the second counts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from mediascrape.scrape.extract import extract

Reader = Callable[[bytes, str], list[str]]


#: CPU seconds that a reader may take for one page.
PATIENCE = 1.0


@dataclass(frozen=True)
class SavedPage:
    """A page of the corpus."""

    stem: str
    url: str
    body: bytes


def ours(body: bytes, url: str) -> list[str]:
    """All items, as `mediascrape extract` prints them."""
    return [item.url for item in extract(body, base_url=url, content_type="text/html").items]


def plain(body: bytes, url: str) -> list[str]:
    """What most scripts do: `img[src], video[src]`."""
    nodes = LexborHTMLParser(body).css("img[src], video[src]")
    return [urljoin(url, node.attributes["src"] or "") for node in nodes if node.attributes["src"]]


def gallery_dl() -> Reader | None:
    """gallery-dl's extractor for any page, by its own code."""
    try:
        from gallery_dl.extractor.generic import GenericExtractor
    except ImportError:
        return None

    def read(body: bytes, url: str) -> list[str]:
        extractor = GenericExtractor.from_url("generic:" + url)
        return [found for found, _ in extractor.images(body.decode("utf-8", "replace"))]

    return read


class GivenUpError(Exception):
    """A reader took longer than PATIENCE for one page."""


def _give_up(*_: object) -> None:
    raise GivenUpError


def patient(read: Reader) -> Reader:
    """The reader, which finds nothing in pages that cost it more than PATIENCE."""

    def bounded(body: bytes, url: str) -> list[str]:
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
        try:
            return read(body, url)
        except GivenUpError:
            return []
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    return bounded


def score(scorer: Path, pages: Path, predictions: dict[str, list[str]]) -> dict[str, Any]:
    """The corpus's scorer on one reader's URLs."""
    with tempfile.TemporaryDirectory() as folder:
        for stem, urls in predictions.items():
            Path(folder, stem + ".pred.json").write_text(json.dumps(urls))
        result = Path(folder, "result.json")
        command = [sys.executable, scorer, pages, "--pred", folder, "--json", result]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def milliseconds(read: Callable[[bytes, str], object], pages: list[SavedPage], rounds: int) -> float:
    """CPU time a page, the best round's."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for page in pages:
            read(page.body, page.url)
        best = min(best, time.process_time() - start)
    return best / len(pages) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = options.corpus / "pages"
    pages = []
    for file in sorted(folder.glob("*.json")):
        body = gzip.decompress(file.with_suffix(".html.gz").read_bytes())
        pages.append(SavedPage(file.stem, json.loads(file.read_text())["page_url"], body))
    readers: dict[str, Reader | None] = {
        "mediascrape": ours,
        "gallery-dl, generic": gallery_dl(),
        "img[src], video[src]": plain,
    }
    signal.signal(signal.SIGVTALRM, _give_up)
    bare = milliseconds(lambda body, _: LexborHTMLParser(body), pages, options.rounds)
    size = sum(len(page.body) for page in pages) / len(pages) / 1000
    print(f"{len(pages)} pages, mean {size:.0f} KB; bare Lexbor parse {bare:.2f} ms\n")
    print("| reader | recall | precision | ms a page | of the bare parse |\n|---|---|---|---|---|")
    scores = {}
    for name, read in readers.items():
        if read is None:
            print(f"| {name} | not installed | | | |")
            continue
        read = patient(read)
        start = time.process_time()
        predictions = {page.stem: read(page.body, page.url) for page in pages}
        spent = (time.process_time() - start) / len(pages) * 1000
        if spent < 10:
            spent = milliseconds(read, pages, options.rounds)
        scores[name] = found = score(options.corpus / "score.py", folder, predictions)
        print(
            f"| {name} | {found['recall']:.2%} ({found['found']:,} of {found['wanted']:,})"
            f" | {found['precision']:.2%} ({found['correct']:,} of {found['predicted']:,})"
            f" | {spent:.2f} | {spent / bare:.1f} × |"
        )
    print("\n| where it stands | URLs | " + " | ".join(scores) + " |\n|---|---|" + "---|" * len(scores))
    forms = scores["mediascrape"]["via"]
    for form, (_, wanted) in sorted(forms.items(), key=lambda form: (-form[1][1], form[0])):
        if not form.startswith("="):
            shares = (f"{found['via'][form][0] / wanted:.1%}" for found in scores.values())
            print(f"| `{form}` | {wanted} | " + " | ".join(shares) + " |")


if __name__ == "__main__":
    main()
