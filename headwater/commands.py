"""What each command does, as a Python call of the same name: for a notebook, a scheduler, a script.

    from headwater import commands

    result = commands.debug("shop")
    assert result.status == "succeeded", result.error

Nothing is printed and nothing is asked; a call that needs an answer on the command line takes it as an argument.
Every `project` is the folder that holds connector.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigurationError

if TYPE_CHECKING:
    from headwater.checking import Finding
    from headwater.deploying import Deployed
    from headwater.packaging import Package
    from headwater.project import Project
    from headwater.reading import Rows, Selection
    from headwater.resetting import Leftovers
    from headwater.runs import Run
    from headwater.sync import Limits, Result
    from headwater.verifying import Verdict

__all__ = [
    "alias",
    "check",
    "configuration",
    "debug",
    "deploy",
    "init",
    "package",
    "reset",
    "runs",
    "show",
    "state",
    "verify",
]


def init(project: str | Path, *, template: str = "quickstart/hello", replace: bool = False) -> list[Path]:
    """Make a project out of a template; give its files.

    replace  files of the same names that are there already

    Errors: ConfigurationError for a template there is not, or files in the way.
    """
    from headwater.project_templates import find_template, in_the_way, project_files, write_project

    folder = Path(project)
    files = project_files(find_template(template))
    if not replace and (other := in_the_way(folder, files)):
        raise ConfigurationError(f"{folder} holds other files of these names: {', '.join(other)}")
    write_project(folder, files)
    return [folder / name for name in sorted(files)]


def debug(
    project: str | Path = ".",
    *,
    configuration: Mapping[str, str] | None = None,
    state: Mapping[str, Any] | None = None,
    full_resync: bool = False,
    limits: Limits | None = None,
    **options: Any,
) -> Result:
    """Run the connector once, and load what it emits; how it ended is in the result.

    configuration  instead of configuration.json
    state          instead of the committed state
    options        what wins over headwater.toml: destination, schema, naming, strict, memory_mb, retries

    Errors: Busy while another sync of the project runs; ConfigurationError, DestinationError before it begins;
    what importing connector.py raises.
    """
    from headwater.compat import fivetran
    from headwater.configuration import check_configuration
    from headwater.log import redact
    from headwater.project_sync import ProjectSync, Request
    from headwater.state import dump_state
    from headwater.sync import Limits, Quiet

    fivetran.install()
    fivetran.set_environment()
    folder = _project(project)
    values = _values(folder) if configuration is None else check_configuration(dict(configuration), "configuration")
    redact.learn(values)
    request = Request(
        options=options,
        state=None if state is None else dump_state(dict(state)),
        full_resync=full_resync,
        limits=limits or Limits(),
    )
    return ProjectSync(folder, values, request, Quiet()).run(None)


def check(project: str | Path = ".") -> list[Finding]:
    """Say all that can be known of a project without running it."""
    from headwater.checking import check

    return check(_project(project))


def configuration(project: str | Path, values: Mapping[str, str], *, encrypted: bool = True) -> Path:
    """Write configuration.json, the passwords of the connector's form encrypted; give the file.

    Errors: ConnectorError when the connector has no form; ConfigurationError for values that are no texts.
    """
    from headwater.configuration import check_configuration
    from headwater.configuring import load_form, write_configuration

    folder = _project(project)
    checked = check_configuration(dict(values), "configuration")
    return write_configuration(folder, load_form(folder), checked, encrypted=encrypted)


def package(project: str | Path = ".", *, vendor: bool = False) -> Package:
    """Write files/NAME.zip for Fivetran, the same bytes for the same project.

    vendor  put the modules of sdk_helpers in that the project uses

    Errors: ConfigurationError for what cannot be packaged; ConnectorError when the form cannot be made.
    """
    from headwater.packaging import package

    return package(_project(project), vendor=vendor)


def deploy(project: str | Path, connection: str, *, api_key: str, **wanted: Any) -> Deployed:
    """Bring a project to Fivetran: create the connection, or update it.

    api_key  in base64
    wanted   the other fields of `headwater.deploying.Deployment`: destination, configuration, python_version…

    Errors: ConfigurationError for what cannot be asked for; FivetranError, TransientError.
    """
    from headwater.deploying import Deployment, deploy
    from headwater.fivetran_rest import FivetranApi, base_url

    api = FivetranApi(api_key, base_url())
    done = deploy(_project(project), api, Deployment(connection, **wanted), lambda question: True)
    assert done is not None, "the answer was yes"
    return done


def verify(project: str | Path = ".", *, configuration: Mapping[str, str] | None = None, **how: Any) -> Verdict:
    """Prove that a connector resumes from each of its checkpoints.

    how  sample, ignored, recording: see `headwater.verifying.verify`

    Errors: ConnectorError when the undisturbed sync fails.
    """
    from headwater.compat import fivetran
    from headwater.log import redact
    from headwater.verifying import verify

    fivetran.set_environment()
    folder = _project(project)
    values = _values(folder) if configuration is None else dict(configuration)
    redact.learn(values)
    return verify(folder, values, **how)


def alias() -> Path:
    """Put a command `fivetran` into this environment that is headwater's; give the file.

    Errors: ConfigurationError where the official package is installed.
    """
    from headwater.fivetran_alias import add_alias

    return add_alias()


def state(
    project: str | Path = ".", new: Mapping[str, Any] | None = None, *, destination: str | None = None
) -> dict[str, Any]:
    """Read the committed state, or commit `new` in its place; `{}` clears it. Give what is committed now.

    Errors: Busy while a sync runs; ConfigurationError for a state no checkpoint would take.
    """
    from headwater.committed_state import read_committed_state, replace_committed_state

    folder = _project(project)
    if new is not None:
        replace_committed_state(folder, dict(new), destination=destination)
    return read_committed_state(folder, destination=destination).state


def reset(project: str | Path = ".") -> Leftovers:
    """Remove the tables, the state and the history that syncs have left, and nothing else; say what that was.

    Errors: Busy while a sync runs; DestinationError, with nothing removed.
    """
    from headwater.resetting import reset

    return reset(_project(project))


def show(
    project: str | Path = ".",
    table: str | None = None,
    selection: Selection | None = None,
    *,
    sql: str | None = None,
    destination: str | None = None,
) -> Rows:
    """Read rows of a table, `schema.name`, or those of one query; nothing can be changed.

    selection  which rows and columns; left out, all of them

    Errors: ConfigurationError for a table there is not, or a query the database refuses; Busy while a sync has a
    DuckDB file.
    """
    from headwater.options import read_options
    from headwater.reading import Selection, open_warehouse

    folder = _project(project).path
    if (table is None) is (sql is None):
        raise ConfigurationError("show takes a table or sql=")
    with open_warehouse(read_options(folder).with_flags(destination=destination), folder) as warehouse:
        if sql is not None:
            return warehouse.query(sql, None)
        found = {str(each): each for each in warehouse.tables()}
        if table not in found:
            raise ConfigurationError(f"there is no table {table!r}: there are {', '.join(found) or 'none yet'}")
        return warehouse.rows(found[table], selection or Selection())


def runs(project: str | Path = ".") -> list[Run]:
    """List the syncs of a project, newest first."""
    from headwater.past_runs import past_runs

    return past_runs(_project(project))


def _project(project: str | Path) -> Project:
    from headwater.project import Project

    return Project(Path(project))


def _values(project: Project) -> dict[str, str]:
    from headwater.configuration import find_configuration, read_configuration
    from headwater.configuration_values import usable_values

    return usable_values(read_configuration(find_configuration(project.path, None)))
