"""How the C library's allocator treats the memory of pages, and Python's collector that of objects.

A page's body and its parse tree are hundreds of kilobytes that live for milliseconds. By default glibc
returns the top of its heap to the kernel whenever 128 KB of it are free, and maps large blocks singly, so
that each page is faulted in anew: 48 page faults, 0.15 ms of the 0.41 ms that a 200 KB page costs to
fetch. Told to keep a few megabytes, it faults none.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

#: Parameters of glibc, from its malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def keep_freed_memory(
    keep_bytes: int = 32 * 1024 * 1024, *, map_above_bytes: int = 4 * 1024 * 1024, arenas: int = 2
) -> bool:
    """Tells glibc to keep up to `keep_bytes` of freed heap; whether there was a glibc to tell.

    Blocks above `map_above_bytes` are still mapped singly, and so returned when freed. `arenas` bounds the
    heaps that threads make for themselves. To be called once, before threads start.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl has no such thing
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    settings = {
        _M_TRIM_THRESHOLD: keep_bytes,
        _M_TOP_PAD: 1024 * 1024,
        _M_MMAP_THRESHOLD: map_above_bytes,
        _M_ARENA_MAX: arenas,
    }
    results = [mallopt(parameter, value) for parameter, value in settings.items()]
    return all(result == 1 for result in results)


def settle_garbage_collector(*, young: int = 10_000) -> None:
    """To be called when a long-running process has started: what is there stays, so no collection looks at
    it again, and the young ones are looked at once per `young` new containers instead of Python's 700.

    With hundreds of requests in flight, most young objects are still in use at each look: an eighth of the
    time of a busy server went into looking at them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, 20, 20)
