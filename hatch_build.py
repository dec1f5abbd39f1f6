"""Compiles the modules that every page runs through, where a C compiler is to be had.

mypyc makes C of the typed Python source as it stands, and the scanner and what recognises a URL have a twin in C:
extracting a page costs less than half.
Without a compiler, or Python's headers, or with COMPILE_EXTRACTOR=0, all runs as plain Python. COMPILE_EXTRACTOR=1
makes a failure to compile an error, for those who build wheels.

Which modules: `[tool.hatch.build.targets.wheel.hooks.custom]` in pyproject.toml. An editable installation gets its
binaries beside the sources, and must be installed anew when one of these has changed; `make run` and `make test` do.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_BINARIES = f"*{sysconfig.get_config_var('EXT_SUFFIX')}"


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the binaries to a wheel, or puts them beside the sources of an editable installation."""

    def dependencies(self) -> list[str]:
        return ["mypy>=2.4", "setuptools>=80"] if self._is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        source = Path(self.root, "src")
        if version == "editable":
            for binary in source.rglob(_BINARIES):
                binary.unlink()
        if os.environ.get("COMPILE_EXTRACTOR") == "1" and (obstacle := _obstacle()):
            raise RuntimeError(f"the extractor cannot be compiled: {obstacle}")
        if not self._is_wanted():
            self.app.display_info(
                f"not compiled ({_obstacle() or 'COMPILE_EXTRACTOR=0'}): runs as plain Python"
            )
            return
        self._temporary = tempfile.TemporaryDirectory()
        binaries = source if version == "editable" else Path(self._temporary.name, "binaries")
        try:
            self._compile(source, binaries)
        except subprocess.CalledProcessError as error:
            output = error.stdout[-2000:]
            if os.environ.get("COMPILE_EXTRACTOR") == "1":
                raise RuntimeError(f"mypyc could not compile:\n{output}") from error
            self.app.display_warning(f"not compiled, runs as plain Python:\n{output}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"].update(
                {str(path): str(path.relative_to(binaries)) for path in binaries.rglob(_BINARIES)}
            )

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_temporary"):
            self._temporary.cleanup()

    def _is_wanted(self) -> bool:
        return self.target_name == "wheel" and os.environ.get("COMPILE_EXTRACTOR") != "0" and not _obstacle()

    def _compile(self, source: Path, binaries: Path) -> None:
        """In a process of its own: mypy ends the one it runs in when it finds an error."""
        self.app.display_info("compiling the extractor (half a minute; COMPILE_EXTRACTOR=0 leaves it out)")
        modules = sorted(
            str(path.relative_to(source)) for name in self.config["modules"] for path in source.glob(name)
        )
        command = [sys.executable, __file__, self._temporary.name, str(binaries), *modules]
        subprocess.run(
            command, cwd=source, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


def _obstacle() -> str | None:
    """Why nothing can be compiled here; None if it can."""
    if platform.python_implementation() != "CPython":
        return "mypyc compiles for CPython"
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if os.name != "nt" and shutil.which(shlex.split(compiler)[0]) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are missing"
    return None


def _compile_modules(temporary: str, binaries: str, modules: list[str]) -> None:
    from mypyc.build import mypycify
    from setuptools import Extension, setup

    # What the modules import is not installed in an isolated build, and is taken as untyped everywhere.
    untyped = ["--follow-imports=skip", "--ignore-missing-imports"]
    python = [module for module in modules if module.endswith(".py")]
    extensions = mypycify(
        ["--config-file=", f"--cache-dir={temporary}/mypy", *untyped, *python],
        opt_level="2",
        debug_level="0",
        group_name="mediascrape",
        target_dir=f"{temporary}/c",
    )
    if os.name != "nt":
        for extension in extensions:
            # Functions call one another, not through the linker's table: nobody puts others in their place.
            extension.extra_compile_args.append("-fno-semantic-interposition")
    for module in modules:
        if module.endswith(".c"):
            name = module.removesuffix(".c").replace("/", ".")
            extensions.append(Extension(name, [module], extra_compile_args=["-O3"]))
    options = ["build_ext", "--build-lib", binaries, "--build-temp", f"{temporary}/objects"]
    setup(name="mediascrape", ext_modules=extensions, script_args=options)


if __name__ == "__main__":
    _compile_modules(sys.argv[1], sys.argv[2], sys.argv[3:])
