from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediascrape.histogram import SECONDS, Histogram


@given(st.lists(st.floats(0, 100)))
def test_each_bound_counts_the_values_up_to_it(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    assert histogram.cumulative() == [
        (bound, sum(value <= bound for value in values)) for bound in (*SECONDS, float("inf"))
    ]
    assert histogram.count == len(values)
    assert abs(histogram.sum - sum(values)) < 1e-6
