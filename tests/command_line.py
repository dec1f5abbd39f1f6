"""The command as a user runs it: its own process, its own data directory, pages on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "mediascrape"]


@dataclass(frozen=True)
class Result:
    """What a finished command left."""

    status: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class CommandLine:
    """Runs `mediascrape` with a data directory of its own; loopback pages are allowed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        keep = {
            name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}
        }
        self.environment = keep | {
            "MEDIASCRAPE_DATA_DIR": str(directory / "data"),
            "MEDIASCRAPE_ALLOW_NETWORKS": "127.0.0.0/8",
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.directory, env=self.environment | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        return await asyncio.to_thread(self._run, arguments, stdin, environment)

    def _run(self, arguments: tuple[str, ...], stdin: str, environment: dict[str, str]) -> Result:
        with self.start(*arguments, **environment) as process:
            try:
                out, err = process.communicate(stdin, timeout=60)
            except BaseException:
                process.send_signal(signal.SIGKILL)
                raise
            return Result(process.returncode, out, err)
