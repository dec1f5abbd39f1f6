"""Packages from npm that tests run, installed once beside the package.json that names them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def installed(directory: Path) -> Path:
    """`node_modules` as the lock file there says; where npm is missing the test is skipped, except in CI."""
    modules = directory / "node_modules"
    lock = directory / "package-lock.json"
    stamp = modules / ".lock-installed"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        if shutil.which("npm") is None:
            assert os.environ.get("CI") != "true", "these tests need node and npm"
            pytest.skip("node and npm are not installed")
        done = subprocess.run(["npm", "ci"], cwd=directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        stamp.write_bytes(lock.read_bytes())
    return modules
