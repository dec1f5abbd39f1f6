from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mediascrape.queue.adding import JobIds


@given(
    st.lists(st.integers(1_700_000_000_000, 1_700_000_000_005), min_size=1, max_size=50),
    st.sampled_from([0, 2**19 - 1, 2**20 - 1]),
)
def test_ids_never_repeat_nor_sort_backwards_whatever_the_clock_does(clock: list[int], low: int) -> None:
    """`low` is where the counter starts, also just before it overflows."""
    ids = JobIds(lambda bits: min(low, 2**bits - 1) if low < 2**20 - 1 else 2**20 - 1)
    made = [ids.next(now) for now in clock for _ in range(3)]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {19}
    assert not any(one.isdecimal() or ":" in one for one in made)


def test_ids_of_two_producers_of_one_millisecond_differ() -> None:
    first, second = JobIds(), JobIds()
    assert not {first.next(1) for _ in range(1000)} & {second.next(1) for _ in range(1000)}
