from __future__ import annotations

import platform
import subprocess
import sys

PROGRAM = """
import resource
from mediascrape.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(200):
        pieces = [bytes(16_384) for _ in range(13)]
        body = b"".join(pieces)
        del pieces, body
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
told = keep_freed_memory()
faults()
print(told, faults() < 200)
"""


def test_pages_are_no_longer_faulted_in_anew() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    glibc = platform.libc_ver()[0] == "glibc"
    assert done.stdout.split() == [str(glibc), "True" if glibc else done.stdout.split()[1]]
