"""What Python source imports, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Import:
    """One module that is imported.

    module    dotted; relative imports begin with their dots
    name      what `from module import name` takes from it; None for `import module`
    optional  it may fail: it stands in a `try` that catches ImportError
    """

    line: int
    module: str
    name: str | None = None
    optional: bool = False

    @property
    def top(self) -> str:
        """The first part of the module's name; empty for a relative import."""
        return self.module.partition(".")[0]


def imports_of(source: str) -> Iterator[Import]:
    """Find the imports of a module, those in functions included, those for type checkers only left out.

    Errors: SyntaxError.

    >>> for each in imports_of("import a.b\\ntry:\\n    from .c import d\\nexcept ImportError:\\n    d = None"):
    ...     print(each.line, each.module, each.name, each.optional)
    1 a.b None False
    3 .c d True
    """
    yield from _imports(ast.parse(source), optional=False)


def _imports(node: ast.AST, *, optional: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(node.lineno, alias.name, None, optional) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield from (Import(node.lineno, module, alias.name, optional) for alias in node.names)
    elif isinstance(node, ast.If) and _is_for_type_checkers(node.test):
        for statement in node.orelse:
            yield from _imports(statement, optional=optional)
    elif isinstance(node, ast.Try):
        tried = optional or any(map(_catches_import_error, node.handlers))
        # What stands in for a missing module is not needed where that one is there.
        for part in (*node.body, *node.handlers, *node.orelse, *node.finalbody):
            yield from _imports(part, optional=tried)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, optional=optional)


def _is_for_type_checkers(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {ast.unparse(each) for each in caught if each is not None}
    return handler.type is None or bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
