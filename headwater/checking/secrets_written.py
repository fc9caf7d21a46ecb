"""Secrets that stand in a project's files; what is found is never shown."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from headwater.checking.finding import Finding
from headwater.checking.source import Sources
from headwater.log import Redactor
from headwater.project_files import CONFIGURATION, ProjectFile

MAX_BYTES = 1_000_000
_HINT = "Take it from the configuration, change the secret where it was made, and remove this."

# Shapes that no other text has, with whose they are.
_SHAPES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    "a Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a signed token (JWT)": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@'\"{}<>]+:[^/\s@'\"{}<>*]{3,}@[\w.-]+"),
}
_SECRET_NAME = re.compile(r"(^|_)(api_?key|secret|passw(or)?d|pwd|token|private_?key)s?$", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"<.*>|\$\{.*\}|\{.*\}|.*(your|example|change.?me|placeholder|dummy|xxx|\*\*\*|\.\.\.|…).*",
    re.IGNORECASE | re.DOTALL,
)


def secret_findings(project: Path, files: list[ProjectFile], sources: Sources) -> Iterator[Finding]:
    configured = _configured_secrets(project)
    for file in files:
        if file.path.stat().st_size > MAX_BYTES:
            continue
        try:
            text = file.path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield from _shape_findings(file.name, text)
        for field, value in configured.items():
            if (at := text.find(value)) >= 0:
                what = f"the value of {field} in {CONFIGURATION} stands here"
                yield Finding(file.name, text.count("\n", 0, at) + 1, "error", what, _HINT)
    for source in sources.read.values():
        yield from _assigned(source.name, source.tree)


def _shape_findings(file: str, text: str) -> Iterator[Finding]:
    for what, shape in _SHAPES.items():
        for match in shape.finditer(text):
            if not _PLACEHOLDER.fullmatch(match[0]):
                line = text.count("\n", 0, match.start()) + 1
                yield Finding(file, line, "error", f"{what} stands here", _HINT)


def _configured_secrets(project: Path) -> dict[str, str]:
    """Read the secrets of configuration.json: by the names and looks that are kept out of logs."""
    try:
        values = json.loads((project / CONFIGURATION).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}  # for another check to report
    if not isinstance(values, dict):
        return {}
    texts = {str(name): value for name, value in values.items() if isinstance(value, str)}
    return {name: value for name, value in texts.items() if len(value) >= 6 and _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    redactor = Redactor()
    redactor.learn({name: value})
    return redactor(value) != value and not _PLACEHOLDER.fullmatch(value)


def _assigned(file: str, tree: ast.Module) -> Iterator[Finding]:
    """Find literals given to a name that means a secret."""
    for node in ast.walk(tree):
        for name, value in _named_values(node):
            if _SECRET_NAME.search(name) and _looks_secret(value):
                yield Finding(file, node.lineno, "warning", f"{name} is written out", _HINT)  # type: ignore[attr-defined]  # every node with a value has a line


def _named_values(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((_last_name(target), node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield _last_name(node.target), node.value
    elif isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


def _last_name(target: ast.expr) -> str:
    return ast.unparse(target).rpartition(".")[2]


def _looks_secret(value: ast.expr) -> bool:
    """Whether a literal can be a secret: longer than a word, with a digit, no blank, and nothing to be filled in."""
    text = value.value if isinstance(value, ast.Constant) else None
    if not isinstance(text, str) or len(text) < 8 or _PLACEHOLDER.fullmatch(text):
        return False
    return bool(re.search(r"\d", text)) and not re.search(r"\s", text)
