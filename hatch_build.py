"""Build the compiled part of headwater, the files `headwater/_*.c`, where there is a C compiler.

Without one the wheel holds Python alone, and says so; see `headwater/compiled.py`.
HEADWATER_PURE_PYTHON=1 asks for that.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError


class CompiledPart(BuildHookInterface[Any]):
    """Compiles each module against the stable ABI: what is built with Python 3.11 serves all later ones."""

    PLUGIN_NAME = "custom"
    _folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not _wants_it():
            return
        self._folder = Path(tempfile.mkdtemp(prefix="headwater-build-"))
        try:
            built = self._compile(self._folder)
        except (BaseError, CCompilerError) as error:
            self.app.display_warning(
                f"headwater is installed without its compiled part, which makes it slower: {error}"
            )
            return
        if version == "editable":
            for module in built:
                shutil.copyfile(module, Path(self.root, "headwater", module.name))
            return
        build_data["force_include"] |= {str(module): f"headwater/{module.name}" for module in built}
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _compile(self, folder: Path) -> list[Path]:
        sources = {f"headwater.{source.stem}": source for source in Path(self.root, "headwater").glob("_*.c")}
        modules = [Extension(name, [str(source)], py_limited_api=True) for name, source in sources.items()]
        command = build_ext(Distribution({"ext_modules": modules}))
        command.build_lib = str(folder)
        command.build_temp = str(folder / "objects")
        command.ensure_finalized()
        command.run()
        return [Path(command.get_ext_fullpath(name)) for name in sources]


def _wants_it() -> bool:
    """Say whether this Python can load a module of the stable ABI: CPython with its lock."""
    pure = os.environ.get("HEADWATER_PURE_PYTHON", "0") not in ("", "0")
    return not pure and sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
