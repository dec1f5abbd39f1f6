"""The load test's report: one HTML file with its charts inside, which needs no network to be read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from mediascrape.loadtest.measures import LoadResult, Percentiles, Sample, by_second

# pygal hooks itself into every import of the process, in a way that Python 3.12 no longer knows and
# 3.11 warns of; its charts need no plug-ins.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]

#: A chart with more points shows nothing more.
_MAX_POINTS: Final = 400
_MB: Final = 1 << 20
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#475569")

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>mediascrape load test</title>
<style>
:root {{ color-scheme: light; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; color: #1e293b;
  margin: 2rem auto; padding: 0 1rem; }}
h1 {{ margin-bottom: 0; }} h2 {{ margin: 2rem 0 0; font-size: 1.1rem; }}
dl {{ display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; }} dt {{ color: #475569; }}
dd {{ margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .2rem 1.2rem .2rem 0; text-align: right; border-bottom: 1px solid #e2e8f0; }}
th:first-child, td:first-child {{ text-align: left; }}
figure {{ margin: 0; }} svg {{ width: 100%; height: auto; }}
</style></head><body>
{body}
</body></html>
"""


def render(result: LoadResult, *, title: str) -> str:
    """The report as an HTML document. `title` tells what was run; it is escaped, as all text is."""
    parts = [f"<h1>Load test</h1><p>{escape(title)}</p>", _figures(result), _tables(result)]
    parts += [
        f"<h2>{escape(heading)}</h2><figure>{chart(result)}</figure>"
        for heading, chart in _CHARTS
        if result.samples
    ]
    return _PAGE.format(body="\n".join(parts))


def _figures(result: LoadResult) -> str:
    failed = sum(result.errors.values())
    figures = {
        "rate": f"{result.rate:,.0f} jobs/s",
        "succeeded": f"{result.succeeded:,} of {result.jobs:,}",
        "failed": f"{failed:,}",
        "not ended": f"{result.pending:,}",
        "elapsed": f"{result.elapsed:.1f} s",
        "most in flight": f"{result.max_in_flight:,}",
    }
    return "<dl>" + "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in figures.items()) + "</dl>"


def _tables(result: LoadResult) -> str:
    times = [
        ("submitting a batch", result.submit),
        ("waiting in the queue", result.wait),
        ("running", result.run),
    ]
    rows = [(name, *(f"{value:,.1f}" for value in (p.p50, p.p95, p.p99, p.max))) for name, p in times]
    parts = [_table(("milliseconds", "p50", "p95", "p99", "max"), rows)]
    parts.append(
        _table(
            ("process", "peak MB"),
            [(name, f"{used / _MB:,.0f}") for name, used in result.peak_memory.items()],
        )
    )
    if result.errors:
        parts.append(_table(("error", "jobs"), [(code, f"{n:,}") for code, n in result.errors.items()]))
    return "".join(f"<p></p>{part}" for part in parts)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heading)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _thinned(samples: Sequence[Sample]) -> Sequence[Sample]:
    step = -(-len(samples) // _MAX_POINTS)
    return samples[::step]


def _chart(lines: dict[str, list[tuple[float, float]]], unit: str) -> str:
    style = Style(
        background="transparent",
        plot_background="transparent",
        colors=_COLOURS,
        font_family="system-ui, sans-serif",
        title_font_size=13,
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=13,
        foreground="#475569",
        foreground_strong="#1e293b",
        guide_stroke_color="#e2e8f0",
        major_guide_stroke_color="#cbd5e1",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        stroke_width=2,
    )
    chart = pygal.XY(
        style=style,
        width=1100,
        height=320,
        show_dots=False,
        legend_at_bottom=True,
        x_title="seconds",
        y_title=unit,
        include_x_axis=True,
        xrange=(0, max((x for points in lines.values() for x, _ in points), default=1)),
        range=(0, max((y for points in lines.values() for _, y in points), default=0) or 1),
    )
    for name, points in lines.items():
        chart.add(name, points)
    chart.add_xml_filter(_without_scripts)
    return str(chart.render(is_unicode=True, disable_xml_declaration=True))


def _without_scripts(svg: Any) -> Any:
    """Drop pygal's tooltips: they would come from a web server."""
    for parent in svg.iter():
        for script in [child for child in parent if child.tag == "script"]:
            parent.remove(script)
    return svg


def _throughput(result: LoadResult) -> str:
    def rates(count: Callable[[Sample], int]) -> list[tuple[float, float]]:
        looks = _thinned(result.samples)
        return [(b.at, (count(b) - count(a)) / (b.at - a.at)) for a, b in pairwise(looks) if b.at > a.at]

    return _chart(
        {"submitted": rates(lambda s: s.submitted), "ended": rates(lambda s: s.ended)}, "jobs per second"
    )


def _in_flight(result: LoadResult) -> str:
    looks = _thinned(result.samples)
    return _chart(
        {
            "in flight": [(s.at, s.in_flight) for s in looks],
            "waiting": [(s.at, max(s.submitted - s.ended - s.in_flight, 0)) for s in looks],
        },
        "jobs",
    )


def _latency(result: LoadResult) -> str:
    start = min((outcome.submitted_at for outcome in result.outcomes), default=0.0)
    lines: dict[str, list[tuple[float, float]]] = {
        "wait p50": [],
        "wait p95": [],
        "run p50": [],
        "run p95": [],
    }
    for second, outcomes in by_second(result.outcomes, start):
        wait, run = Percentiles.of(o.wait for o in outcomes), Percentiles.of(o.run for o in outcomes)
        for name, value in zip(lines, (wait.p50, wait.p95, run.p50, run.p95), strict=True):
            lines[name].append((second + 0.5, value))
    return _chart(lines, "milliseconds")


def _memory(result: LoadResult) -> str:
    looks = _thinned(result.samples)
    labels = list(result.peak_memory)
    return _chart({name: [(s.at, s.memory.get(name, 0) / _MB) for s in looks] for name in labels}, "MB")


_CHARTS: Final = (
    ("Throughput", _throughput),
    ("In flight and waiting", _in_flight),
    ("Latency of the jobs that ended in each second", _latency),
    ("Memory", _memory),
)
