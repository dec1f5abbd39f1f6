"""Which items of a page are one picture in several sizes. Pure.

The store keeps every candidate of a `srcset` as an item of its own, in the order of the page. Those of
one element stand side by side and share its alt text; an `img.src` begins the next element, unless
sources of a `<picture>` stand before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mediascrape.store import StoredMedia


def variants_of(media_id: int, on_page: Sequence[StoredMedia]) -> list[StoredMedia]:
    """The item and its other sizes, the widest first; empty for a picture that has but one."""
    for group in _elements(on_page):
        if any(item.id == media_id for item in group):
            return sorted(group, key=lambda item: -(item.width or 0)) if _has_choice(group) else []
    return []


def _has_choice(group: Sequence[StoredMedia]) -> bool:
    return len(group) > 1 and any(item.via.endswith("srcset") for item in group)


def _elements(on_page: Sequence[StoredMedia]) -> Iterator[list[StoredMedia]]:
    group: list[StoredMedia] = []
    for item in on_page:
        if group and not _belongs(group[-1], item):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _belongs(before: StoredMedia, item: StoredMedia) -> bool:
    if item.via in ("source.srcset", "img.src"):
        return before.via == "source.srcset"
    return item.via.endswith("srcset") and before.via.endswith(("srcset", "src")) and item.alt == before.alt
