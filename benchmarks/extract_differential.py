"""The extractor beside Chromium on documents made from a seed, and on real ones cut and mixed.

    python -m benchmarks.extract_differential --documents 500 --seed 0
    python -m benchmarks.extract_differential --corpus ../shared/corpus/pages --documents 300
    python -m benchmarks.extract_differential --corpus PAGES --whole

Pages are `STEM.html.gz` with a `STEM.json` that names their `page_url`. With `--whole` they are read as they are, and
each URL that either finds alone is printed. Else: prints each kind of difference once, with the smallest document
that shows it. The browser is Chromium, scripts off, nothing but the document answered.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from chromium import Chromium  # noqa: E402
from scrape.extract.oracle import BASE, Difference, compare, compare_parsed  # noqa: E402
from scrape.extract.soup import Soup  # noqa: E402

Case = tuple[list[str], str]


def generated(seed: int, pieces: int) -> Case:
    """A document of the grammar."""
    return Soup(seed).pieces(pieces), BASE


def mutated(seed: int, pages: list[Path]) -> Case:
    """A real page with tags taken out, doubled, cut or mixed with soup, as a list of its tags and texts."""
    chance = random.Random(seed)
    path = chance.choice(pages)
    body = gzip.decompress(path.with_suffix(".html.gz").read_bytes())
    parts = re.split(r"(?=<)", body.decode("utf-8", "replace"))
    start = chance.randrange(len(parts))
    parts = parts[start : start + 400]
    soup = Soup(seed)
    for _ in range(chance.randrange(1, 40)):
        place = chance.randrange(len(parts) + 1)
        match chance.randrange(4):
            case 0:
                del parts[place : place + chance.randrange(1, 5)]
            case 1:
                parts.insert(place, soup.wrapped())
            case 2 if place < len(parts) and parts[place]:
                parts[place] = parts[place][: chance.randrange(len(parts[place]))]
            case _ if place < len(parts):
                parts.insert(place, parts[chance.randrange(len(parts))])
    return parts, json.loads(path.read_text())["page_url"]


def smallest(pieces: list[str], differs: Callable[[list[str]], bool]) -> list[str]:
    """Pieces, then characters, taken out for as long as the difference stays."""
    for unit in ("pieces", "characters"):
        if unit == "characters":
            pieces = re.findall(r"[A-Za-z0-9_.-]+|.", "".join(pieces), re.DOTALL)
        size = max(1, len(pieces) // 2)
        while size:
            position = 0
            while position < len(pieces):
                fewer = pieces[:position] + pieces[position + size :]
                if differs(fewer):
                    pieces = fewer
                else:
                    position += size
            size //= 2
    return pieces


#: Turns a page that leaves itself into one that stays, of the same length.
_without_refresh = partial(re.compile(rb"(?i)(http-equiv=[\"']?)r(?=efresh)").sub, rb"\1x")


def read_whole(browser: Chromium, pages: list[Path]) -> None:
    """Print what either finds alone in unchanged pages."""
    known: Counter[tuple[str, str]] = Counter()
    for path in pages:
        body = _without_refresh(gzip.decompress(path.with_suffix(".html.gz").read_bytes()))
        difference = compare(browser, body, json.loads(path.read_text())["page_url"])
        for kind, found in (("missed", difference.missed), ("invented", difference.invented)):
            for via, url in sorted(found):
                known[kind, via] += 1
                print(path.stem, kind, via, url, flush=True)
    print(f"{len(pages)} pages, {known.total()} differences: {dict(known)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pieces", type=int, default=8, help="forms of media in one document")
    parser.add_argument("--corpus", type=Path, help="folder of saved pages with their JSON, to be mutated")
    parser.add_argument("--whole", action="store_true", help="the saved pages as they are")
    parser.add_argument("--encoding", help="show each document as a page in this encoding")
    parser.add_argument("--show", type=int, default=3, help="examples of each kind of difference")
    options = parser.parse_args()
    pages = sorted(options.corpus.glob("*.json")) if options.corpus else []
    known: Counter[tuple[str, str]] = Counter()
    documents = differing = 0
    with Chromium() as browser:
        if options.whole:
            read_whole(browser, pages)
            return

        def look(pieces: list[str], base: str) -> Difference:
            text = "".join(pieces)
            if options.encoding is None:
                return compare_parsed(browser, [text], base)[0]
            body = text.encode(options.encoding, "replace")
            return compare(browser, body, base, "text/html; charset=" + options.encoding)

        for seed in range(options.seed, options.seed + options.documents):
            pieces, base = mutated(seed, pages) if pages else generated(seed, options.pieces)
            difference = look(pieces, base)
            documents += 1
            differing += bool(difference)
            for kind in sorted(difference.kinds()):
                known[kind] += 1
                if known[kind] <= options.show:
                    least = smallest(
                        pieces, lambda some, kind=kind, base=base: kind in look(some, base).kinds()
                    )
                    rest = look(least, base)
                    print(seed, *kind, repr("".join(least)), sorted(rest.missed | rest.invented), flush=True)
    print(f"{documents} documents, {differing} differ: {dict(known)}")


if __name__ == "__main__":
    main()
