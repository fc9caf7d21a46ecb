"""The Python files of a project, read and parsed once."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from importlib.util import decode_source
from pathlib import Path

from headwater.checking.finding import Finding
from headwater.imports import Import, imports_of
from headwater.project_files import ProjectFile


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file."""

    name: str
    text: str
    tree: ast.Module
    imports: tuple[Import, ...]


@dataclass(slots=True)
class Sources:
    """The Python files of a project, and what cannot be parsed of them."""

    project: Path
    read: dict[str, Source] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def own_modules(self) -> set[str]:
        """The names under which the project's own files can be imported."""
        return {name.removesuffix(".py") if "/" not in name else name.partition("/")[0] for name in self.read}

    def left_out(self, module: str) -> Path | None:
        """Find a module that lies in the project's folder, but is no part of the project; None when there is none."""
        if module in self.own_modules:
            return None
        paths = (self.project / f"{module}.py", self.project / module / "__init__.py")
        return next((path for path in paths if path.exists()), None)


def read_sources(project: Path, files: list[ProjectFile]) -> Sources:
    """Read the Python files among these; each that cannot be parsed is a finding."""
    sources = Sources(project)
    for file in files:
        if file.name.endswith(".py"):
            try:
                # As Python reads it: a byte order mark and a coding line count.
                content = file.path.read_bytes()
                tree = ast.parse(content, file.name)
                text = decode_source(content)
                sources.read[file.name] = Source(file.name, text, tree, tuple(imports_of(text)))
            except SyntaxError as error:
                hint = "Python cannot read the file: mend this line."
                sources.findings.append(Finding(file.name, error.lineno, "error", f"{error.msg}", hint))
            except (ValueError, RecursionError, MemoryError) as error:
                # Python's parser says MemoryError, and no more, of what is nested too deeply.
                what = f"Python cannot read the file: {str(error) or 'it is nested too deeply'}"
                hint = "Save it as UTF-8, and split what is nested too deeply."
                sources.findings.append(Finding(file.name, None, "error", what, hint))
    return sources
