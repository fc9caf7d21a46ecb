"""The committed state of a project, read and replaced between syncs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isinf
from typing import Any

from headwater.destinations import Destination, open_destination
from headwater.errors import ConfigurationError, ConnectorError, TransientError
from headwater.log import redact
from headwater.options import Options, read_options
from headwater.project import Project
from headwater.reading import duckdb_path, has_reader, open_warehouse
from headwater.runs import Runs
from headwater.state import Commit, choose_state, dump_state, load_state, read_copy
from headwater.whole_file import write_whole
from headwater.written_json import json_hint, repeated_names


class StateChanged(TransientError):
    """A sync has committed another state since this one was read."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a destination holds of a connection.

    state        `{}` before the first commit
    copy_edited  someone has edited files/state.json: the next sync starts from that instead
    """

    state: dict[str, Any]
    copy_edited: bool


def read_committed_state(project: Project, *, destination: str | None = None) -> Found:
    """Read the committed state.

    destination  a URL that wins over headwater.toml

    Errors: Busy while a sync runs; DestinationError when it cannot be opened or is older than the last sync left it.
    """
    options = _options(project, destination)
    if _is_new(project, options):
        return _found(project, None)
    with _looked_at(project, options) as committed:
        return _found(project if _runs(project, options).wrote_copy() else None, committed)


def replace_committed_state(
    project: Project, state: dict[str, Any], *, destination: str | None = None, instead_of: dict[str, Any] | None = None
) -> Commit:
    """Commit a state without rows: the next sync starts from it.

    instead_of  the state it was made from; when another one is committed by now, nothing is changed

    Errors: StateChanged; ConfigurationError for a state no checkpoint would take; else as `read_committed_state`.
    """
    try:
        text = dump_state(state)
    except (TypeError, ConnectorError) as error:
        raise ConfigurationError(str(error)) from error
    options = _options(project, destination)
    with project.locked(), _opened(project, options) as (destination_, committed):
        if instead_of is not None and json.dumps(_as_dict(committed)) != json.dumps(instead_of):
            raise StateChanged(
                "a sync has committed another state in the meantime; nothing was changed",
                hint="Look at it with `headwater state get`, and begin again.",
            )
        commit = destination_.commit(text)
        # The copy may be that of another destination, where the last sync went.
        if _runs(project, options).wrote_copy():
            write_whole(project.state_copy, text)
        return commit


def _found(project: Project | None, committed: Commit | None) -> Found:
    """Compare the committed state with the copy; `project` is None where the copy is another destination's."""
    text = read_copy(project.state_copy) if project else None
    return Found(_as_dict(committed), copy_edited=choose_state(committed, text)[1])


def _as_dict(committed: Commit | None) -> dict[str, Any]:
    return load_state(committed.state, "the committed state") if committed else {}


def _options(project: Project, destination: str | None) -> Options:
    options = read_options(project.path).with_flags(destination=destination)
    if options.destination.partition(":")[0] == "memory":
        raise ConfigurationError(
            "a destination in memory keeps no state from one sync to the next",
            hint="Start a sync from a state with `headwater debug --state FILE`.",
        )
    return options


def _is_new(project: Project, options: Options) -> bool:
    """Whether the destination is a file that is not there and never was: to look must not make it."""
    kind, _, rest = options.destination.partition(":")
    if kind != "duckdb" or (project.path / rest.removeprefix("//")).exists():
        return False
    return not (project.files / "runs.db").exists()


def _runs(project: Project, options: Options) -> Runs:
    return Runs(project.files / "runs.db", redact(options.connection))


@contextmanager
def _looked_at(project: Project, options: Options) -> Iterator[Commit | None]:
    """Give the committed state without a trace, where headwater knows how: a project may be read-only."""
    if not has_reader(options):
        with project.locked(), _opened(project, options) as (_, committed):
            yield committed
        return
    project.require_idle()
    path = duckdb_path(options, project.path)
    if path is not None and not path.exists():
        _runs(project, options).require_as_left(None, epoch=0)
        yield None
        return
    with open_warehouse(options, project.path) as warehouse:
        epoch, committed = warehouse.committed(options.schema)
        _runs(project, options).require_as_left(committed, epoch)
        yield committed


@contextmanager
def _opened(project: Project, options: Options) -> Iterator[tuple[Destination, Commit | None]]:
    destination = open_destination(
        options.destination, folder=project.path, connection=options.schema, memory_mb=options.memory_mb
    )
    try:
        epoch, committed = destination.open()
        _runs(project, options).require_not_older(committed, epoch)
        yield destination, committed
    finally:
        destination.close()


def parse_state(text: str, where: str) -> dict[str, Any]:
    """Read a state that a person has written.

    Errors: ConfigurationError that begins with `where`.

    >>> parse_state('{"cursor": 3}', "the state")
    {'cursor': 3}
    """
    try:
        state = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        repeated = repeated_names(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where} is not JSON: {error}", hint=json_hint(error)) from error
    if not isinstance(state, dict):
        raise ConfigurationError(
            f"{where} must be a JSON object, not {type(state).__name__}", hint='Write it as {"cursor": "…"}.'
        )
    if repeated:
        raise ConfigurationError(f"{where} says {repeated[0]!r} twice")
    return state


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it has no {name}")


def _finite(text: str) -> float:
    """Read a number; one that no double holds would be committed as Infinity, which is no JSON."""
    number = float(text)
    if isinf(number):
        raise ValueError(f"it has no {text}, which is more than a double holds")
    return number
