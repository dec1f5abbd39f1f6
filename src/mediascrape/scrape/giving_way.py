"""Where a thread of compiled code lets the others run.

The interpreter takes its lock from a thread only between two steps of interpreted code. What mypyc has compiled has
none, so a long loop of it would hold up the event loop until its end.
"""

from __future__ import annotations

from typing import Final

#: A mask: a loop of steps of some microseconds calls `give_way` where their number has none of these bits.
STEPS: Final = 0x1FF


def give_way() -> None:
    """Nothing but a step of interpreted code; so this module must not be compiled."""
