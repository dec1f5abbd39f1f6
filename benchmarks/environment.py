"""On what and with what was measured: a line for the machine, one for each peer."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path

import psutil
from benchmarks.peer_list import Peer
from benchmarks.stack import valkey_binary


def machine() -> str:
    """Processor, cores, memory, system and the run-times that all peers share."""
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    valkey = subprocess.run([valkey_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"v=(\S+)", valkey)
    return (
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GB; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, Node {node.removeprefix('v') or 'none'}, "
        f"Valkey {version[1] if version else '?'}"
    )


def versions(peer: Peer) -> str:
    """The packages the peer asks for by name, at the versions its lock file pins."""
    asked, pinned = peer.folder / "requirements.in", peer.folder / "requirements.txt"
    if asked.exists():
        names = [re.split(r"[\[<>=]", line)[0] for line in asked.read_text().split()]
        pins = dict(line.split("==") for line in pinned.read_text().split() if "==" in line)
        return ", ".join(f"{name} {pins[name]}" for name in names)
    package, lock = peer.folder / "package.json", peer.folder / "package-lock.json"
    if package.exists():
        installed = json.loads(lock.read_text())["packages"]
        names = json.loads(package.read_text())["dependencies"]
        return ", ".join(f"{name} {installed[f'node_modules/{name}']['version']}" for name in names)
    return "this tree"
