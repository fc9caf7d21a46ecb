"""What a connector calls, against what fivetran-connector-sdk 2.13.1 has: the same file must deploy there."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from headwater.checking.finding import Finding
from headwater.checking.source import Source, Sources

SDK = "fivetran_connector_sdk"
NAMES = {
    "ByteStream", "ConfigurationForm", "Connector", "FileUpload", "Logging", "Operations", "Test", "form_field",
}  # fmt: skip

# Its modules in 2.13.1; `logger` and `helpers` were there before.
MODULES = {
    "cli", "configuration_form", "constants", "file_upload", "form_field", "operation_stream", "operations", "plugin",
    "protos", "schema_processing", "test", "type_coercion",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Call:
    """The arguments a call takes: positional ones, and those that have to be named."""

    positional: tuple[str, ...]
    named: tuple[str, ...] = ()


# Source: rules.
_OPERATIONS = {
    "upsert": _Call(("table", "data"), ("schema", "file")),
    "update": _Call(("table", "modified"), ("schema", "file")),
    "delete": _Call(("table", "keys"), ("schema",)),
    "truncate": _Call(("table",), ("schema",)),
    "checkpoint": _Call(("state",)),
    "warning": _Call(("message",)),
    "error": _Call(("message", "trace")),
}
_LOGGING = {
    **dict.fromkeys(["debug", "fine", "info", "warning"], _Call(("message",))),
    **dict.fromkeys(["error", "severe", "critical"], _Call(("message", "exception"))),
}
_CONNECTOR = _Call(("update", "schema", "configuration_form"))
_LATER = {("truncate", "deferred"): "It came with 3.1.0; without it all rows that came before are marked."}


def api_findings(sources: Sources) -> Iterator[Finding]:
    for source in sources.read.values():
        names = _names(source)
        for each in source.imports:
            if each.module == SDK and each.name not in (None, "*") and each.name not in NAMES:
                hint = f"It has {', '.join(sorted(NAMES))}."
                yield Finding(source.name, each.line, "error", f"Fivetran's SDK has no {each.name}", hint)
            package, _, module = each.module.partition(".")
            if package == SDK and module and module.partition(".")[0] not in MODULES:
                hint = f"Import what it has from the package itself: from {SDK} import {each.name or 'Connector'}."
                yield Finding(source.name, each.line, "error", f"Fivetran's SDK has no module {each.module}", hint)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                yield from _call_findings(source.name, node, names)


def _names(source: Source) -> dict[str, str]:
    """Give what each name in this file stands for: `op` for Operations, and so on."""
    names: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module == SDK and not node.level:
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: SDK for alias in node.names if alias.name == SDK}
    return names


def _call_findings(file: str, call: ast.Call, names: dict[str, str]) -> Iterator[Finding]:
    match _dotted(call.func, names):
        case ["Operations", method]:
            yield from _method_findings(file, call, f"op.{method}", _OPERATIONS)
        case ["Logging", method] if not method[:1].isupper():
            yield from _method_findings(file, call, f"log.{method}", _LOGGING)
        case ["Connector"]:
            yield from _argument_findings(file, call, "Connector", _CONNECTOR)


def _dotted(function: ast.expr, names: dict[str, str]) -> list[str]:
    """Write a called name in the SDK's own words; nothing when it is somebody else's.

    >>> _dotted(ast.parse("op.upsert").body[0].value, {"op": "Operations"})
    ['Operations', 'upsert']
    """
    parts: list[str] = []
    while isinstance(function, ast.Attribute):
        parts.insert(0, function.attr)
        function = function.value
    if not isinstance(function, ast.Name) or function.id not in names:
        return []
    meaning = names[function.id]
    return parts if meaning == SDK else [meaning, *parts]


def _method_findings(file: str, call: ast.Call, name: str, known: dict[str, _Call]) -> Iterator[Finding]:
    method = name.partition(".")[2]
    if method in known:
        yield from _argument_findings(file, call, name, known[method])
        return
    near = difflib.get_close_matches(method, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(known)}."
    yield Finding(file, call.lineno, "error", f"Fivetran's SDK has no {name}()", hint)


def _argument_findings(file: str, call: ast.Call, name: str, takes: _Call) -> Iterator[Finding]:
    known = (*takes.positional, *takes.named)
    hint = f"It takes {', '.join(known)}."
    for keyword in call.keywords:
        if keyword.arg is not None and keyword.arg not in known:
            what = f"Fivetran's {name}() has no argument {keyword.arg!r}"
            later = _LATER.get((name.partition(".")[2], keyword.arg))
            yield Finding(file, keyword.value.lineno, "error", what, later or hint)
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return
    if len(call.args) > len(takes.positional):
        what = f"Fivetran's {name}() takes {len(takes.positional)} arguments by place, not {len(call.args)}"
        named = f" Give {', '.join(takes.named)} by name." if takes.named else ""
        yield Finding(file, call.lineno, "error", what, hint + named)
