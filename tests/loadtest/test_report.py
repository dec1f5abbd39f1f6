"""The report: complete in itself, and nothing in it is taken for markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from selectolax.lexbor import LexborHTMLParser

from mediascrape.loadtest.measures import LoadResult, Outcome, Percentiles, Sample
from mediascrape.loadtest.report import render


def result(looks: int = 8) -> LoadResult:
    samples = [Sample(n / 4, 10 * n, 8 * n, 2 * n, {"worker": (50 + n) << 20}) for n in range(looks)]
    outcomes = [Outcome("ok", 0.0, n / 8, n / 4) for n in range(30)] + [Outcome("<b>odd</b>", 0.0, 1.0, 2.0)]
    return LoadResult("scrape", 31, 2.0, 1.0, Percentiles(1, 2, 3, 4), outcomes=outcomes, samples=samples)


def test_the_report_holds_its_charts_and_asks_for_nothing() -> None:
    text = render(result(), title="a run")
    assert text.count("<svg") == 4
    assert "<script" not in text
    assert not re.search(r"""(src|href)=["'](?!#)|@import|url\((?!#)""", text)
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)


def test_text_of_others_is_escaped() -> None:
    tree = LexborHTMLParser(render(result(), title="<img src=x onerror=alert(1)>"))
    assert not tree.css("img, b")
    assert "<img src=x" in tree.body.text()  # type: ignore[union-attr]


def test_a_long_run_is_thinned() -> None:
    short, long = render(result(400), title=""), render(result(4000), title="")
    assert len(long) < 1.5 * len(short)


def test_a_run_without_jobs_or_looks_still_has_a_report() -> None:
    text = render(LoadResult("enqueue", 0, 0.0, 0.0, Percentiles()), title="nothing")
    assert "<svg" not in text
    assert "0 of 0" in text
