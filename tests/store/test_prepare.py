"""Digests and columns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.store.prepare import hosts_of, prepare

Make = Callable[..., Any]


@given(
    flags=st.sets(st.sampled_from(["icon", "pixel", "tracker", "placeholder", "in_noscript"])),
    name=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5),
)
def test_equal_items_have_equal_digests(record: Make, item: Make, flags: set[str], name: str) -> None:
    def digest(order: list[str]) -> bytes:
        return prepare(record("1", items=[item("a", alt=name, flags=frozenset(order))])).items_hash

    assert digest(sorted(flags)) == digest(sorted(flags, reverse=True))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "video"},
        {"via": "img.srcset"},
        {"places": ("img.src", "meta.og:image")},
        {"alt": "x"},
        {"title": "x"},
        {"width": 1},
        {"height": 1},
        {"mime_type": "image/png"},
        {"flags": frozenset({"icon"})},
        {"provider": "youtube"},
        {"provider_id": "x"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_counts(record: Make, item: Make, change: dict[str, Any]) -> None:
    before = prepare(record("1", items=[item("a")]))
    after = prepare(record("1", items=[item("a", **change)]))
    assert before.items_hash != after.items_hash


_DIGEST = """
from types import SimpleNamespace as N
from mediascrape.store import PageRecord, ScrapeRecord
from mediascrape.store.prepare import prepare
flags = frozenset(["icon", "pixel", "tracker", "placeholder", "in_noscript"])
item = N(url="u", kind="image", via="v", places=("v",), alt=None, title=None, width=1, height=None,
         mime_type=None, flags=flags, provider=None, provider_id=None)
print(prepare(ScrapeRecord("1", "u", 0, 1, page=PageRecord(), items=[item])).items_hash.hex())
"""


def test_the_digest_is_the_same_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://cdn.example/a/b.png", "cdn.example"),
        ("https://cdn.example:8443/a", "cdn.example:8443"),
        ("https://cdn.example", "cdn.example"),
        ("https://user:pass@cdn.example/@a", "cdn.example"),
        ("https://[2001:db8::1]:80/a", "[2001:db8::1]:80"),
        ("data:image/png;base64,AAAA", ""),
        ("x", ""),
    ],
)
def test_host(url: str, host: str) -> None:
    assert hosts_of([url]) == [host]
    assert hosts_of(["https://other.example/", url]) == ["other.example", host]
