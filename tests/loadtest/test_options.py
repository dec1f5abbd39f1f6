"""The origin's options and their command line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.loadtest.answers import fault_of
from mediascrape.loadtest.options import (
    FAULTS,
    OriginOptions,
    parse_arguments,
    parse_fault,
    parse_latency,
)

small = st.integers(min_value=0, max_value=10_000)
latencies = st.one_of(
    st.floats(min_value=0, max_value=60).map(str),
    st.tuples(st.floats(0, 1), st.floats(1, 2)).map(lambda pair: f"uniform:{pair[0]}:{pair[1]}"),
    st.just("lognormal:0.2:0.7"),
)


@given(
    st.builds(
        OriginOptions,
        hosts=small,
        port=small,
        latency=latencies,
        pages=small,
        mean_size=small,
        faults=st.dictionaries(st.sampled_from(sorted(FAULTS)), st.floats(0, 1)),
        retry_after=small,
        gzip=st.booleans(),
        robots=st.text(st.characters(codec="ascii")),
        directory=st.sampled_from([None, Path("pages"), Path("/srv/with space")]),
        seed=small,
    )
)
def test_options_survive_the_command_line(options: OriginOptions) -> None:
    assert parse_arguments(options.arguments()) == options


@given(latencies, small)
def test_latencies_are_never_negative(text: str, seed: int) -> None:
    sample = parse_latency(text, random.Random(seed))
    assert all(sample() >= 0 for _ in range(20))


def test_a_uniform_latency_stays_in_its_range() -> None:
    sample = parse_latency("uniform:0.1:0.3", random.Random(1))
    values = [sample() for _ in range(200)]
    assert 0.1 <= min(values) < 0.15
    assert 0.25 < max(values) <= 0.3


@pytest.mark.parametrize(
    "text",
    ["", "abc", "-1", "nan", "inf", "uniform:2:x", "uniform:2:1", "uniform:1", "lognormal:0:1", "gauss:1:1"],
)
def test_what_is_not_a_latency_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a latency"):
        parse_latency(text, random.Random(1))


@pytest.mark.parametrize("text", ["404", "404=2", "404=-1", "teapot=0.1", "404=x"])
def test_what_is_not_a_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        parse_fault(text)


def test_faults_come_in_their_shares_and_stay_with_their_page() -> None:
    options = OriginOptions(faults={"404": 0.1, "reset": 0.05})
    kinds = [fault_of(number, options) for number in range(20_000)]
    assert kinds.count("404") == pytest.approx(2000, rel=0.1)
    assert kinds.count("reset") == pytest.approx(1000, rel=0.15)
    assert kinds == [fault_of(number, options) for number in range(20_000)]
    assert kinds != [
        fault_of(number, OriginOptions(faults=options.faults, seed=1)) for number in range(20_000)
    ]
