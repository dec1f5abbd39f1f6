"""The cache on disk keeps to its bytes, whatever is put into it."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from mediascrape.web.thumbnails.cache import DiskCache

KEYS = st.sampled_from("abcdef")


def on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


@given(st.lists(st.tuples(st.booleans(), KEYS, st.integers(1, 60)), max_size=40))
def test_it_is_the_least_recently_used_that_goes(steps: list[tuple[bool, str, int]]) -> None:
    model: OrderedDict[str, int] = OrderedDict()
    with TemporaryDirectory() as folder:
        cache = DiskCache(Path(folder), 100)
        for put, key, size in steps:
            if put:
                cache.put(key, bytes([size]) * size)
                model.pop(key, None)
                model[key] = size
                while sum(model.values()) > 100:
                    model.popitem(last=False)
            else:
                expected = bytes([model[key]]) * model[key] if key in model else None
                assert cache.get(key) == expected
                if key in model:
                    model.move_to_end(key)
            assert cache.size == sum(model.values()) == on_disk(Path(folder))


def test_a_new_process_finds_the_files_and_their_order(tmp_path: Path) -> None:
    first = DiskCache(tmp_path, 100)
    for age, key in enumerate("abc"):
        first.put(key, bytes([1]) * 30)
        os.utime(tmp_path / f"{key}.webp", (1000 + age, 1000 + age))
    (tmp_path / "tmpdraft").write_bytes(b"left by a killed process")
    second = DiskCache(tmp_path, 100)
    assert second.get("a") is not None  # now the latest
    second.put("d", bytes([1]) * 30)
    assert [second.get(key) is not None for key in "abcd"] == [True, False, True, True]
    assert not (tmp_path / "tmpdraft").exists()


def test_a_file_that_went_or_is_empty_is_a_miss(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 100)
    cache.put("a", b"1234")
    cache.put("b", b"1234")
    (tmp_path / "a.webp").unlink()
    (tmp_path / "b.webp").write_bytes(b"")
    assert cache.get("a") is cache.get("b") is None
    assert cache.size == 0


def test_what_is_larger_than_all_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 100)
    cache.put("a", b"1234")
    cache.put("b", bytes(101))
    assert cache.get("b") is None
    assert cache.get("a") == b"1234"
