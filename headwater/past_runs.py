"""The syncs a project has seen, for whoever looks back."""

from __future__ import annotations

from dataclasses import replace

from headwater.errors import Busy, ConfigurationError
from headwater.project import Project
from headwater.runs import Run, Runs


def past_runs(project: Project) -> list[Run]:
    """List the syncs of a project, newest first.

    A sync that was killed says `died`: its record says `running` until the next one begins.
    """
    path = project.files / "runs.db"
    if not path.is_file():
        return []
    runs = Runs(path, destination="").all()
    if not any(run.status == "running" for run in runs) or _is_syncing(project):
        return runs
    # Read again: the sync may have ended, and written so, between the two looks.
    return [replace(run, status="died") if run.status == "running" else run for run in Runs(path, destination="").all()]


def past_run(project: Project, id: int) -> Run:
    """Find one sync.

    Errors: ConfigurationError when there is none with this number.
    """
    runs = past_runs(project)
    for run in runs:
        if run.id == id:
            return run
    known = f"there are 1 to {runs[0].id}" if runs else "there was none yet"
    raise ConfigurationError(f"there is no sync {id} of {project.path}: {known}")


def _is_syncing(project: Project) -> bool:
    try:
        project.require_idle()
    except Busy:
        return True
    return False
