"""The programs compared, and how each is installed and started."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEERS_DIR = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """One program. `lacks` names what it leaves undone of what mediascrape does."""

    name: str
    title: str
    lacks: str
    needs_valkey: bool = True
    #: What takes part in the comparison of queues alone; empty for what has none.
    queue_title: str = ""

    @property
    def modes(self) -> frozenset[str]:
        return frozenset({"pages", "noop", "add"} if self.queue_title else {"pages"})

    @property
    def folder(self) -> Path:
        return PEERS_DIR / self.name

    def command(self) -> list[str]:
        if (self.folder / "peer.mjs").exists():
            return ["node", "peer.mjs"]
        own = self.folder / ".venv" / "bin" / "python"
        return [str(own) if own.exists() else sys.executable, "peer.py"]

    def install(self) -> None:
        """Install its dependencies into its own folder, once."""
        if (self.folder / "package.json").exists() and not (self.folder / "node_modules").exists():
            print(f"installing {self.name}", file=sys.stderr)
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                cwd=self.folder,
                check=True,
            )
        requirements, venv = self.folder / "requirements.txt", self.folder / ".venv"
        if requirements.exists() and not venv.exists():
            print(f"installing {self.name}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            pip = [
                str(venv / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            subprocess.run([*pip, "-r", requirements], check=True)


_UNSAFE = "a store, retries, robots.txt and pacing, an address guard, limits on bodies"

PEERS = {
    peer.name: peer
    for peer in (
        # It starts a Valkey of its own.
        Peer("mediascrape", "mediascrape", "", needs_valkey=False, queue_title="mediascrape"),
        Peer("bare", "bare loop: libcurl + Lexbor", f"a queue, absolute URLs, {_UNSAFE}", needs_valkey=False),
        Peer(
            "crawlee_lexbor",
            "Crawlee HTTP crawler + Lexbor",
            f"a durable queue, {_UNSAFE}",
            needs_valkey=False,
        ),
        Peer("scrapy_tuned", "Scrapy, tuned, + Lexbor", f"a durable queue, {_UNSAFE}", needs_valkey=False),
        Peer("node_tuned", "BullMQ + undici + htmlparser2", _UNSAFE, queue_title="BullMQ (Node)"),
        Peer(
            "bullmq_python", "bullmq for Python + aiohttp + Lexbor", _UNSAFE, queue_title="bullmq for Python"
        ),
        Peer("saq_httpx", "saq + httpx + Lexbor", _UNSAFE, queue_title="saq"),
        Peer("node_original", "BullMQ + axios + cheerio (the original design)", _UNSAFE),
    )
}
