"""What one answer must keep to: sizes and pace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """All in bytes. max_bytes bounds the body both as sent and as decoded.

    A body's first reservation in the budget is its announced length, or `usual_bytes` when none is
    announced, at most `max_first_reservation`; later ones are `reservation_step` at a time.
    `max_drain_bytes` of an unwanted body are read to keep its connection.
    """

    max_bytes: int = 10 * 1024 * 1024
    max_head_bytes: int = 64 * 1024
    max_drain_bytes: int = 64 * 1024
    usual_bytes: int = 64 * 1024
    max_first_reservation: int = 512 * 1024
    reservation_step: int = 128 * 1024


@dataclass(frozen=True, slots=True)
class Pace:
    """A body must bring `min_bytes_per_s` over each `window_s`; a head must be whole within one window
    of its first line; everything must be over within `total_s`."""

    total_s: float = 30.0
    window_s: float = 4.0
    min_bytes_per_s: int = 500
    interval_s: float = 0.5
