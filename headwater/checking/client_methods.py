"""The names of a service client's methods, against the rules of Parsons: `get_`, `create_`, `update_`, `delete_`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from headwater.checking.finding import Finding
from headwater.checking.source import Sources
from headwater.vendoring import PACKAGE

# Source: Parsons, How to Build a Connector, "Your connector's methods".
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
# Other words for the same, by what the rule says. What is none of these, as `search_`, names more than an endpoint.
_SYNONYMS = {
    **dict.fromkeys(["list", "fetch", "retrieve", "read", "show", "pull"], "get"),
    **dict.fromkeys(["add", "insert", "new", "make", "post"], "create"),
    **dict.fromkeys(["edit", "modify", "change", "set", "put", "patch"], "update"),
    **dict.fromkeys(["remove", "destroy", "drop", "erase"], "delete"),
}
# These mean the same in every client, whatever request is behind them.
_CERTAIN = {"list", "fetch", "retrieve", "remove", "destroy", "edit", "modify"}

_CLIENT_CLASS = re.compile(r"(Session|Client|Connector)$", re.IGNORECASE)
_CLIENT_MODULES = {"requests", "httpx"}
_REQUEST = re.compile(r"(get|post|put|patch|delete)(_json|_request)?")

_MANY = re.compile(r"(list|List|(Async)?(Iterator|Iterable|Generator)|Sequence|Table|DataFrame)\b")
_ONE = re.compile(r"(dict|Dict|Mapping)\b")
_BEFORE_A_CONDITION = {"by", "for", "from", "in", "of", "on", "since", "to", "via", "with", "without"}
# Words that are many without an s, or name no resource.
_NOT_SINGULAR = {
    "all", "batch", "children", "content", "criteria", "data", "everything", "feedback", "history", "info",
    "information", "inventory", "json", "media", "men", "metadata", "next", "page", "people", "response", "staff",
    "text", "women",
}  # fmt: skip
_IRREGULAR = {"person": "people", "child": "children", "man": "men", "woman": "women"}

_Method = ast.FunctionDef | ast.AsyncFunctionDef


def client_method_findings(sources: Sources) -> Iterator[Finding]:
    """Say which public methods of the project's service clients are named against the rules.

    A service client is a class that keeps an HTTP client or session, or sends requests itself.
    """
    for source in sources.read.values():
        if source.name.startswith(f"{PACKAGE}/"):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                for line, what, hint in _Client(node).findings():
                    yield Finding(source.name, line, "warning", what, hint)


@dataclass(slots=True)
class _Requests:
    """What a method sends: the kinds of its requests, as far as they are written out, and whether it sends any."""

    kinds: set[str] = field(default_factory=set)
    any: bool = False

    def __ior__(self, other: _Requests) -> _Requests:
        self.kinds |= other.kinds
        self.any = self.any or other.any
        return self


class _Client:
    """A class that may be a service client."""

    def __init__(self, node: ast.ClassDef) -> None:
        self._name = node.name
        self._methods = {each.name: each for each in node.body if isinstance(each, _Method)}
        self._clients = set(_kept_clients(node))

    def findings(self) -> Iterator[tuple[int, str, str]]:
        """Give line, what is wrong and what to do for each method."""
        for name, method in self._methods.items():
            requests = self._requests(method, ())
            if name.startswith("_") or method.decorator_list or not requests.any:
                continue
            better = _better_verb(name, requests.kinds) or _better_number(name, method)
            if better is not None:
                reason, proposal = better
                yield method.lineno, f"{self._name}.{name}: {reason}", f"Name it {proposal}."

    def _requests(self, method: _Method, callers: tuple[str, ...]) -> _Requests:
        """Find the requests of a method, those of the private methods that it calls included."""
        found = _Requests()
        for node in ast.walk(method):
            if isinstance(node, ast.Call):
                found |= self._sent(node)
                called = _own_attribute(node.func)
                if called and called.startswith("_") and called in self._methods and called not in callers:
                    found |= self._requests(self._methods[called], (*callers, called))
            elif _own_attribute(node) in self._clients:
                found.any = True
        return found

    def _sent(self, call: ast.Call) -> _Requests:
        """Tell what request a call sends, if any."""
        if not isinstance(call.func, ast.Attribute):
            return _Requests()
        name, receiver = call.func.attr, call.func.value
        is_client = _own_attribute(receiver) in self._clients or (
            isinstance(receiver, ast.Name) and receiver.id in _CLIENT_MODULES
        )
        # A client that inherits its requests, as from Parsons' APIConnector.
        inherits = isinstance(receiver, ast.Name) and receiver.id == "self" and name.endswith("_request")
        if not is_client and not inherits:
            return _Requests()
        if match := _REQUEST.fullmatch(name):
            return _Requests({match[1].upper()}, any=True)
        written = {each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)}
        return _Requests(_VERBS.keys() & {text.upper() for text in written}, any=True)


def _kept_clients(node: ast.ClassDef) -> Iterator[str]:
    """Name the attributes of `self` that hold an HTTP client."""
    for each in ast.walk(node):
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call):
            made = ast.unparse(each.value.func).rpartition(".")[2]
            if _CLIENT_CLASS.search(made):
                yield from filter(None, map(_own_attribute, each.targets))


def _own_attribute(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None


def _better_verb(name: str, kinds: set[str]) -> tuple[str, str] | None:
    """Give what is wrong with the verb of a name, and a better name; None when it is good, or nobody can tell.

    >>> _better_verb("list_members", {"GET"}), _better_verb("add_tag", {"POST"}), _better_verb("add_tag", set())
    (('a GET is named get_…', 'get_members'), ('a POST is named create_…', 'create_tag'), None)
    """
    first, _, rest = name.partition("_")
    verb = _SYNONYMS.get(first)
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    if verb is None or (kind is None and (kinds or first not in _CERTAIN)) or (kind and _VERBS[kind] != verb):
        return None
    reason = f"a {kind} is named {verb}_…" if kind else f"the word for {first} is {verb}_…"
    if first == "list" and rest:
        before, underscore, last = rest.rpartition("_")
        rest = f"{before}{underscore}{_plural(last)}"
    return reason, f"{verb}_{rest}" if rest else f"{verb}_ and the resource"


def _better_number(name: str, method: _Method) -> tuple[str, str] | None:
    """Give what is wrong with singular or plural in a name, and a better name; None when it is good."""
    if not name.startswith("get_"):
        return None
    words = name.removeprefix("get_").split("_")
    end = next((at for at, word in enumerate(words) if at and word in _BEFORE_A_CONDITION), len(words))
    noun = words[end - 1]
    if _gives_many(method) and not _is_plural(noun):
        return "several are named by the plural", "_".join(["get", *words[: end - 1], _plural(noun), *words[end:]])
    singular = _singular(noun)
    parameters = {each.arg for each in [*method.args.args, *method.args.kwonlyargs]}
    if _gives_one(method) and singular is not None and f"{singular}_id" in parameters:
        return "one is named by the singular", "_".join(["get", *words[: end - 1], singular, *words[end:]])
    return None


def _gives_many(method: _Method) -> bool:
    return bool(_MANY.match(_returned(method))) or any(
        isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(method)
    )


def _gives_one(method: _Method) -> bool:
    return bool(_ONE.match(_returned(method)))


def _returned(method: _Method) -> str:
    """Write what a method is annotated to return, without module names, `Optional` and quotes."""
    text = ast.unparse(method.returns).strip("'\"") if method.returns is not None else ""
    return re.sub(r"^(Optional\[|None \| )+", "", re.sub(r"\b\w+\.", "", text))


def _is_plural(word: str) -> bool:
    return word in _NOT_SINGULAR or (word.endswith("s") and not word.endswith(("ss", "us", "is")))


def _plural(word: str) -> str:
    """Write the plural of a word.

    >>> [_plural(word) for word in ("list", "entry", "person", "address", "members", "day")]
    ['lists', 'entries', 'people', 'addresses', 'members', 'days']
    """
    if _is_plural(word):
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search(r"(s|x|z|ch|sh)$", word) else f"{word}s"


def _singular(word: str) -> str | None:
    """Write the singular of a plural; None when it is none.

    >>> [_singular(word) for word in ("lists", "entries", "people", "addresses", "status")]
    ['list', 'entry', 'person', 'address', None]
    """
    if not _is_plural(word):
        return None
    endings = [("ies", "y"), ("es", ""), ("s", "")]
    candidates = [*_IRREGULAR, *(word.removesuffix(end) + instead for end, instead in endings if word.endswith(end))]
    return next((each for each in candidates if each != word and _plural(each) == word), None)
