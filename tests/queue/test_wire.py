from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgpack import unpackb

from mediascrape.queue.wire import decode_json, encode_json, json_or_text, pack, to_int

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert decode_json(encode_json(value)) == value


@pytest.mark.parametrize("value", [object(), {1: 2}, "\ud800", 2**70, {1, 2}])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encode_json(value)


def test_what_only_other_producers_write_is_read() -> None:
    assert decode_json(r'"\ud800"') == "\ud800"
    assert math.isnan(decode_json("NaN"))


def test_a_field_that_is_not_json_stays_text() -> None:
    assert json_or_text("half done", 0) == "half done"
    assert json_or_text("50", 0) == 50
    assert json_or_text(None, 0) == 0
    assert json_or_text("[" * 100_000, 0) == "[" * 100_000


@pytest.mark.parametrize(
    ("value", "number"),
    [("12", 12), (12.9, 12), ("12.9", 12), (None, 0), ("x", 0), ("inf", 0), (math.inf, 0), (math.nan, 0),
     (True, 1), ([], 0), ("-3", -3)],
)  # fmt: skip
def test_numbers_of_foreign_producers(value: object, number: int) -> None:
    assert to_int(value) == number


def test_a_value_that_cannot_be_packed_leaves_nothing_behind() -> None:
    for refused in ([1, object()], ["a", "\ud800"]):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            pack(refused)
        assert unpackb(pack([2])) == [2]
