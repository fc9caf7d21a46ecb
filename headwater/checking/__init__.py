"""All that can be known of a project without running it."""

from __future__ import annotations

from headwater.checking.client_methods import client_method_findings
from headwater.checking.declared_schema import schema_findings
from headwater.checking.finding import Finding
from headwater.checking.fivetran_api import api_findings
from headwater.checking.functions import function_findings
from headwater.checking.layout import (
    asking_findings,
    configuration_findings,
    exit_findings,
    layout_findings,
    options_findings,
)
from headwater.checking.requirements import helper_findings, hidden_package_findings, requirement_findings
from headwater.checking.secrets_written import secret_findings
from headwater.checking.source import read_sources
from headwater.project import Project
from headwater.project_files import find_project_files

__all__ = ["Finding", "check"]


def check(project: Project) -> list[Finding]:
    """Look at every file of a project; nothing is run, and nothing is written.

    Gives what was found, in the order of files and lines.
    """
    files = find_project_files(project.path)
    sources = read_sources(project.path, files.files)
    found = {
        *sources.findings,
        *layout_findings(project.path, files, sources),
        *configuration_findings(project.path),
        *options_findings(project.path),
        *exit_findings(sources),
        *asking_findings(sources),
        *requirement_findings(project.path, sources),
        *helper_findings(sources),
        *hidden_package_findings(sources),
        *api_findings(sources),
        *function_findings(sources),
        *schema_findings(sources),
        *client_method_findings(sources),
        *secret_findings(project.path, files.files, sources),
    }
    return sorted(found, key=lambda finding: (finding.file, finding.line or 0, finding.level, finding.what))
