"""What the simulated origin can be told, and its command line."""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FAULTS: Final = {
    "404": "answers 404",
    "500": "answers 500",
    "503": "answers 503 with Retry-After",
    "429": "answers 429 with Retry-After",
    "flaky": "answers 500 to the first request for a page, then the page",
    "reset": "resets the connection in the middle of the body",
    "truncate": "closes the connection before Content-Length bytes were sent",
    "hang": "never answers",
    "drip": "sends the body one byte a second",
    "huge": "sends a document without an end",
    "bomb": "sends 1 MB of gzip that unpacks to 1 GB",
    "empty": "answers 200 with no body",
    "binary": "sends an image labelled as HTML",
    "loop": "redirects to itself",
}


@dataclass(frozen=True, slots=True)
class OriginOptions:
    """The simulated origin.

    hosts: how many, each an address of its own on Linux (127.1.x.y) and a port of its own elsewhere.
    port: of all hosts on Linux; 0 takes a free one.
    latency: seconds before each answer, as `parse_latency` reads it.
    pages: distinct documents held in memory; page N is document N modulo this.
    mean_size: bytes, mean of the documents.
    faults: kind → share (0..1) of the pages under `/p/` that fail so; see `FAULTS`.
    retry_after: seconds, what 429 and 503 ask for.
    gzip: answer compressed to clients that accept it.
    robots: text of robots.txt.
    directory: serve the `*.html` and `*.html.gz` of this folder instead of generated pages.
    seed: of everything random: documents, faults, latencies.
    """

    hosts: int = 16
    port: int = 0
    latency: str = "0"
    pages: int = 128
    mean_size: int = 200_000
    faults: dict[str, float] = field(default_factory=dict)
    retry_after: int = 1
    gzip: bool = False
    robots: str = "User-agent: *\nDisallow: /private/\n"
    directory: Path | None = None
    seed: int = 0

    def arguments(self) -> list[str]:
        """The command-line arguments that `parse_arguments` turns into an equal object."""
        arguments = [f"--hosts={self.hosts}", f"--port={self.port}", f"--latency={self.latency}"]
        arguments += [f"--pages={self.pages}", f"--mean-size={self.mean_size}", f"--seed={self.seed}"]
        arguments += [f"--retry-after={self.retry_after}", f"--robots={self.robots}"]
        arguments += [f"--fault={kind}={share}" for kind, share in self.faults.items()]
        arguments += ["--gzip"] if self.gzip else []
        arguments += [f"--directory={self.directory}"] if self.directory else []
        return arguments


def parse_latency(text: str, rng: random.Random) -> Callable[[], float]:
    """A sampler of seconds: `0.2` or `fixed:0.2`, `uniform:LOW:HIGH`, `lognormal:MEDIAN:SIGMA`.

    Raises ValueError for anything else.
    """
    name, *numbers = text.split(":") if ":" in text else ["fixed", text]
    match name, [_number(number) for number in numbers]:
        case "fixed", [seconds] if seconds >= 0:
            return lambda: seconds
        case "uniform", [low, high] if 0 <= low <= high:
            return lambda: rng.uniform(low, high)
        case "lognormal", [median, sigma] if median > 0 and sigma >= 0:
            return lambda: median * rng.lognormvariate(0, sigma)
    raise ValueError(f"not a latency: {text!r} (SECONDS, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA)")


def parse_fault(text: str) -> tuple[str, float]:
    """`KIND=SHARE` → (kind, share). Raises ValueError."""
    kind, _, share = text.partition("=")
    if kind not in FAULTS:
        raise ValueError(f"not a fault: {kind!r} (one of {', '.join(FAULTS)})")
    if not 0 <= _number(share) <= 1:
        raise ValueError(f"the share of a fault is a number between 0 and 1, not {share!r}")
    return kind, float(share)


def _number(text: str) -> float:
    """NaN, which no range holds, for what is no finite number."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def check_latency(text: str) -> str:
    """The text itself where `parse_latency` can read it. Raises ValueError."""
    parse_latency(text, random.Random())
    return text


def parse_arguments(arguments: Sequence[str] | None = None) -> OriginOptions:
    """Read the origin's command line; exits with status 2 and a usage message when it is wrong."""
    defaults = OriginOptions()
    parser = argparse.ArgumentParser(
        prog="python -m mediascrape.loadtest.origin", description="A simulated origin."
    )
    parser.add_argument("--hosts", type=int, default=defaults.hosts, help="number of hosts")
    parser.add_argument("--port", type=int, default=defaults.port, help="port, 0 for a free one")
    parser.add_argument(
        "--latency",
        type=check_latency,
        default=defaults.latency,
        help="seconds before an answer: SECONDS, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA",
    )
    parser.add_argument("--pages", type=int, default=defaults.pages, help="distinct documents")
    parser.add_argument(
        "--mean-size", type=int, default=defaults.mean_size, help="mean size of a document, bytes"
    )
    parser.add_argument(
        "--fault",
        type=parse_fault,
        action="append",
        default=[],
        help=f"KIND=SHARE, KIND one of {', '.join(FAULTS)}",
    )
    parser.add_argument(
        "--retry-after", type=int, default=defaults.retry_after, help="seconds, with 429 and 503"
    )
    parser.add_argument("--gzip", action="store_true", help="compress for clients that accept it")
    parser.add_argument("--robots", default=defaults.robots, help="text of robots.txt")
    parser.add_argument("--directory", type=Path, help="serve *.html and *.html.gz of this folder")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="of pages, faults and latencies")
    values = vars(parser.parse_args(arguments))
    values["faults"] = dict(values.pop("fault"))
    return OriginOptions(**values)
