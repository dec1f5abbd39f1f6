"""Codecs of BullMQ's wire: JSON as Node writes it, MessagePack as the scripts' cmsgpack reads it."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import orjson
from msgpack import Packer


def now_ms() -> int:
    """Milliseconds since the epoch, as the wire's timestamps are."""
    return time.time_ns() // 1_000_000


def encode_json(value: object) -> str:
    """JSON without spaces. Raises TypeError for what JSON cannot say: other types, integers beyond
    64 bits, lone surrogates. NaN becomes null, as with JSON.stringify."""
    return orjson.dumps(value).decode()


def decode_json(text: str | bytes) -> Any:
    """Raises ValueError or RecursionError. Also takes what orjson does not but other producers
    write: lone surrogates as escapes, NaN."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def json_or_text(text: str | None, default: Any) -> Any:
    """A field that should be JSON; the text itself where a producer wrote something else."""
    if text is None:
        return default
    try:
        return decode_json(text)
    except (ValueError, RecursionError):
        return text


def flat_fields(reply: Any) -> list[str]:
    """HGETALL is a flat list from scripts and RESP2, a map in RESP3."""
    if isinstance(reply, dict):
        return [part for pair in reply.items() for part in pair]
    return list(reply)


def to_int(value: object) -> int:
    """A number of a foreign producer; 0 for what is none."""
    if value is None:
        return 0
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        pass
    return int(to_float(value))


def to_float(value: object) -> float:
    """A finite number of a foreign producer; 0 for what is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0


#: Making one costs more than most of what it packs. It forgets a value that it refused.
_PACKER = Packer(use_bin_type=True)


def pack(value: object) -> bytes:
    """One value as MessagePack."""
    packed: bytes = _PACKER.pack(value)
    return packed
