"""The functions that Connector(…) is given, and whether they take what they are called with."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headwater.checking.finding import Finding
from headwater.checking.layout import CONNECTOR
from headwater.checking.source import Source, Sources

# In the order in which Connector(…) takes them.
_ARGUMENTS = ("update", "schema", "configuration_form")
_UPDATE_TAKES = ("configuration", "state")


def given_function(source: Source, argument: str) -> ast.FunctionDef | None:
    """Find the function that Connector(…) is given for an argument; None when this file does not define it."""
    name = _given_name(source, argument)
    return next(
        (node for node in source.tree.body if isinstance(node, ast.FunctionDef) and node.name == name),
        None,
    )


def function_findings(sources: Sources) -> Iterator[Finding]:
    """Say which of them fails as soon as it is called (rule A-04); a decorator may change what one takes."""
    source = sources.read.get(CONNECTOR)
    if source is None:
        return
    update, schema = (given_function(source, argument) for argument in ("update", "schema"))
    if update is not None and not update.decorator_list and (wrong := _wrong_with_update(update.args)):
        what = f"{update.name}() is called with configuration=… and state=…, and {wrong}"
        hint = f"Write it as: def {update.name}(configuration, state):"
        yield Finding(CONNECTOR, update.lineno, "error", what, hint)
    if schema is not None and not schema.decorator_list and not _takes_one(schema.args):
        hint = f"Write it as: def {schema.name}(configuration):"
        yield Finding(CONNECTOR, schema.lineno, "error", f"{schema.name}() is called with the configuration", hint)


def _given_name(source: Source, argument: str) -> str | None:
    """Name what Connector(…) is given; where nothing here calls it, what the argument is called."""
    place = _ARGUMENTS.index(argument)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Connector":
            given = [each.value for each in node.keywords if each.arg == argument] or node.args[place : place + 1]
            return given[0].id if given and isinstance(given[0], ast.Name) else None
    return argument


def _wrong_with_update(args: ast.arguments) -> str | None:
    by_name = [each.arg for each in (*args.args, *args.kwonlyargs)]
    if args.kwarg is None and (missing := [name for name in _UPDATE_TAKES if name not in by_name]):
        return f"does not take {', '.join(missing)}"
    if more := [name for name in _required(args) if name not in _UPDATE_TAKES]:
        return f"wants {', '.join(more)} too"
    return None


def _takes_one(args: ast.arguments) -> bool:
    """Whether one argument by place is what a function takes."""
    places = len(args.posonlyargs) + len(args.args)
    return (places > 0 or args.vararg is not None) and len(_required(args)) <= 1 and not _required_by_name(args)


def _required(args: ast.arguments) -> list[str]:
    places = [each.arg for each in (*args.posonlyargs, *args.args)]
    return [*places[: len(places) - len(args.defaults)], *_required_by_name(args)]


def _required_by_name(args: ast.arguments) -> list[str]:
    return [each.arg for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
