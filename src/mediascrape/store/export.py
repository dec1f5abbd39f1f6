"""Media records as JSON Lines, CSV or Parquet, in bounded memory.

with open_writer("csv", file) as writer:
    async for item in store.iter_media(MediaQuery()):
        writer.write(item.to_record())
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, BinaryIO, Literal, Protocol

import orjson

from mediascrape.errors import ConfigurationError

from .records import MEDIA_RECORD_FIELDS

Format = Literal["jsonl", "csv", "parquet"]
Record = Mapping[str, str | int | None]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_PARQUET_ROWS = 10_000


class RecordWriter(AbstractContextManager["RecordWriter"], Protocol):
    """Writes records one by one; leaving the context completes the output, the file stays open."""

    def write(self, record: Record) -> None:
        """Add a record; fields that no format knows are left out of CSV and Parquet."""
        ...


def open_writer(form: Format, out: BinaryIO, *, formulas: bool = False) -> RecordWriter:
    """A writer of that format.

    formulas: write CSV cells as they are. By default a text that a spreadsheet would run as a formula
    (it begins with `=`, `+`, `-`, `@`, tab or return) gets an apostrophe before it: alt and title come
    from strangers' pages. Raises ConfigurationError for Parquet without `mediascrape[parquet]`.
    """
    if form == "csv":
        return _CSVWriter(out, formulas)
    if form == "parquet":
        return _ParquetWriter(out)
    return _JSONLinesWriter(out)


class _JSONLinesWriter(RecordWriter):
    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, record: Record) -> None:
        self._out.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def __exit__(self, *_: object) -> None:
        self._out.flush()


class _CSVWriter(RecordWriter):
    """RFC 4180 with a header line; absent values are empty."""

    def __init__(self, out: BinaryIO, formulas: bool) -> None:
        self._text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
        self._formulas = formulas
        self._csv = csv.writer(self._text)
        self._csv.writerow(MEDIA_RECORD_FIELDS)

    def write(self, record: Record) -> None:
        self._csv.writerow([self._cell(record.get(name)) for name in MEDIA_RECORD_FIELDS])

    def _cell(self, value: str | int | None) -> str | int | None:
        if not self._formulas and isinstance(value, str) and value.startswith(_FORMULA_STARTS):
            return f"'{value}"
        return value

    def __exit__(self, *_: object) -> None:
        self._text.flush()
        self._text.detach()


class _ParquetWriter(RecordWriter):
    """Row groups of ten thousand records, compressed with zstd."""

    def __init__(self, out: BinaryIO) -> None:
        try:
            pa: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError as error:
            raise ConfigurationError("Parquet needs pyarrow: install mediascrape[parquet]") from error
        numbers = {"width", "height"}
        fields = [(name, pa.int32() if name in numbers else pa.string()) for name in MEDIA_RECORD_FIELDS]
        self._schema = pa.schema(fields)
        self._table = pa.table
        self._parquet = parquet.ParquetWriter(out, self._schema, compression="zstd")
        self._rows: list[Record] = []

    def write(self, record: Record) -> None:
        self._rows.append(record)
        if len(self._rows) >= _PARQUET_ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = {name: [row.get(name) for row in self._rows] for name in MEDIA_RECORD_FIELDS}
        self._parquet.write_table(self._table(columns, schema=self._schema))
        self._rows.clear()

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._flush()
        self._parquet.close()
