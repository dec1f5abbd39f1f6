"""The three forms in which media leave the store."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.errors import ConfigurationError
from mediascrape.store import MEDIA_RECORD_FIELDS
from mediascrape.store.export import Format, Record, open_writer

_TEXT = st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
_RECORDS = st.lists(
    st.fixed_dictionaries(
        {name: _TEXT for name in MEDIA_RECORD_FIELDS if name not in ("width", "height")}
        | {"width": st.none() | st.integers(0, 2**31 - 1), "height": st.none() | st.integers(0, 2**31 - 1)}
    ),
    max_size=5,
)


def written(form: Format, records: list[Record], **options: Any) -> bytes:
    out = io.BytesIO()
    with open_writer(form, out, **options) as writer:
        for record in records:
            writer.write(record)
    assert not out.closed
    return out.getvalue()


@given(_RECORDS)
def test_json_lines_round_trip(records: list[Record]) -> None:
    lines = written("jsonl", records).decode().split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == records


@given(_RECORDS)
def test_csv_round_trip(records: list[Record]) -> None:
    text = written("csv", records, formulas=True).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows == [
        {name: "" if record[name] is None else str(record[name]) for name in MEDIA_RECORD_FIELDS}
        for record in records
    ]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("//evil")'])
def test_csv_runs_no_formula(cell: str) -> None:
    record: Record = {"url": "https://a.example/", "alt": cell, "width": 5}
    rows = list(csv.DictReader(io.StringIO(written("csv", [record]).decode(), newline="")))
    assert rows[0]["alt"] == f"'{cell}"
    assert (rows[0]["url"], rows[0]["width"], rows[0]["title"]) == ("https://a.example/", "5", "")


@pytest.mark.parametrize("amount", [0, 3, 25_000])
def test_parquet_round_trip(amount: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    records: list[Record] = [
        dict.fromkeys(MEDIA_RECORD_FIELDS) | {"url": f"https://a.example/{n}", "width": n}
        for n in range(amount)
    ]
    table = parquet.read_table(io.BytesIO(written("parquet", records)))
    assert table.column_names == list(MEDIA_RECORD_FIELDS)
    assert table.to_pylist() == records


def test_parquet_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"mediascrape\[parquet\]"):
        open_writer("parquet", io.BytesIO())
