"""What a peer and the runner say to each other: see benchmarks/README.md, "How a peer is run"."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

TASK = json.loads(os.environ["BENCH"])
NOOP: bool = TASK["mode"] == "noop"
ADD: bool = TASK["mode"] == "add"
CONCURRENCY: int = TASK["concurrency"]
REDIS_URL = f"redis://127.0.0.1:{TASK['redis_port']}"
JOBS: list[str] = (
    [f"http://host/{n}" for n in range(TASK["jobs"])]
    if NOOP or ADD
    else Path(TASK["urls"]).read_text().split()
)


def ready() -> None:
    """Block until the runner starts the clock."""
    print(json.dumps({"event": "ready"}), flush=True)
    sys.stdin.readline()


@dataclass
class Count:
    """Jobs done so far; reports when all are."""

    ok: int = 0
    failed: int = 0
    media: int = 0
    all_done: asyncio.Event = field(default_factory=asyncio.Event)

    def job_ended(self, ok: bool) -> None:
        if ok:
            self.ok += 1
        else:
            self.failed += 1
        if self.ok + self.failed == len(JOBS):
            self.all_done.set()

    def all_added(self) -> None:
        """Report that the jobs are in the queue, where that was the task."""
        self.ok = len(JOBS)
        self.report()

    def report(self) -> None:
        """Say the result, then stay until the runner has measured."""
        print(
            json.dumps({"event": "done", "ok": self.ok, "failed": self.failed, "media": self.media}),
            flush=True,
        )
        sys.stdin.read()
