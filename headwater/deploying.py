"""Deployment of a project to Fivetran: package, upload, create or update a connection (rules G-01 to G-07)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headwater.errors import ConfigurationError, HeadwaterError
from headwater.fivetran_rest import Connection, FivetranApi, PackageRecord
from headwater.naming import CONNECTION_NAME
from headwater.packaging import Package, package
from headwater.project import Project

SERVICE = "connector_sdk"
PYTHON_VERSIONS = ("3.14", "3.13", "3.12", "3.11", "3.10")
_FAILED = {"FAILED", "JOB_FAILED"}
# The field with the host to reach through a proxy, where none is named.
_PROXY_HOST_KEYS = ("host", "hosts")


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is asked for.

    destination     its name; may be left out where an account has only one
    connection      its name, which is the schema in the destination
    configuration   None keeps what a connection has; a value may be null (rule A-120)
    configuration_if_new  asked for the configuration of a new connection, where `configuration` is None
    package_id      run this package, which Fivetran has, instead of the project
    python_version  None leaves the choice to Fivetran
    naming          FIVETRAN or SOURCE; a connection that is there keeps the one it was made with
    proxy_host_key  the field of the configuration with the host to reach through the proxy; left out: host or hosts
    vendor          put the helpers in that the project uses
    """

    connection: str
    destination: str | None = None
    configuration: Mapping[str, str | None] | None = None
    configuration_if_new: Callable[[], Mapping[str, str | None]] | None = None
    package_id: str | None = None
    python_version: str | None = None
    naming: str | None = None
    hybrid_agent: str | None = None
    proxy: str | None = None
    proxy_host_key: str | None = None
    vendor: bool = False


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was done.

    sha256        of the package that it runs now
    failed_tests  title and message of the setup tests that failed
    notes         what was asked for and could not be done
    """

    connection: str
    package_id: str
    sha256: str
    created: bool
    failed_tests: list[tuple[str, str]]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A package that was written, and the id it has at Fivetran."""

    id: str
    package: Package


def deploy(project: Project, api: FivetranApi, wanted: Deployment, confirm: Callable[[str], bool]) -> Deployed | None:
    """Deploy a project; an existing connection is updated after `confirm` has answered a question with yes.

    Gives None when the answer is no: then nothing was changed at Fivetran. A package that was uploaded for nothing
    is deleted again.

    Errors: ConfigurationError for what cannot be asked for; FivetranError, TransientError.
    """
    _require_possible(wanted)
    destination, name = _destination(api, wanted.destination)
    existing = api.connection(destination, wanted.connection)
    if existing is None and wanted.configuration is None and wanted.configuration_if_new is not None:
        wanted = replace(wanted, configuration=wanted.configuration_if_new())
    wanted = _with_proxy_host(wanted)
    _require_compatible(existing, wanted)
    code = (
        package(project, vendor=wanted.vendor) if wanted.package_id is None else api.require_package(wanted.package_id)
    )
    if existing is not None and not confirm(_question(api, existing, wanted, name)):
        return None
    connection, package_id, answer = _applied(api, existing, wanted, destination, code)
    return Deployed(
        connection, package_id, code.sha256, existing is None, _failed_tests(answer), list(_notes(existing, wanted))
    )


def create_package(project: Project, api: FivetranApi, *, vendor: bool = False) -> Uploaded:
    """Package a project and upload it; connections run it after a deployment that names its id.

    Errors: as those of `package`; FivetranError, TransientError.
    """
    written = package(project, vendor=vendor)
    return Uploaded(api.upload(written.path), written)


def update_package(
    project: Project, api: FivetranApi, id: str, confirm: Callable[[str], bool], *, vendor: bool = False
) -> Uploaded | None:
    """Package a project and put it in the place of a package that Fivetran has.

    Where several connections run that, `confirm` is asked before; None when the answer is no.

    Errors: as those of `package`; FivetranError, also for an id that Fivetran has not; TransientError.
    """
    users = api.require_package(id).connections
    written = package(project, vendor=vendor)
    if len(users) > 1 and not confirm(
        f"{len(users)} connections run the package {id}, and will run the new code. Go on?"
    ):
        return None
    api.replace_package(id, written.path)
    return Uploaded(id, written)


def _applied(
    api: FivetranApi, existing: Connection | None, wanted: Deployment, destination: str, code: Package | PackageRecord
) -> tuple[str, str, dict[str, Any]]:
    """Upload what is new, and make or update the connection.

    Gives the ids of connection and package, and what Fivetran answers.
    """
    package_id = api.upload(code.path) if isinstance(code, Package) else code.id
    try:
        if existing is None:
            connection, answer = api.create(_creation(wanted, destination, package_id))
        else:
            connection, answer = existing.id, api.update(existing.id, _change(wanted, package_id))
    except BaseException as error:
        if isinstance(code, Package):
            _clean_up(api, package_id, error)
        raise
    return connection, package_id, answer


def _require_possible(wanted: Deployment) -> None:
    if not CONNECTION_NAME.fullmatch(wanted.connection):
        raise ConfigurationError(
            f"connection: {wanted.connection!r} cannot be a name",
            hint="Use small letters, digits and _, and no digit first.",
        )
    if wanted.python_version not in (None, *PYTHON_VERSIONS):
        raise ConfigurationError(
            f"Fivetran has no Python {wanted.python_version}", hint=f"Use one of {', '.join(PYTHON_VERSIONS)}."
        )
    if wanted.proxy is None and wanted.proxy_host_key is not None:
        raise ConfigurationError("the field with the host is named, but no proxy", hint="Name it with --proxy-id.")
    if wanted.proxy is not None and wanted.hybrid_agent is not None:
        raise ConfigurationError("a connection goes through a proxy or runs on a hybrid agent, not both")


def _with_proxy_host(wanted: Deployment) -> Deployment:
    """Find the field of the configuration with the host to reach through the proxy, where there is one.

    Errors: ConfigurationError when there is no such field.
    """
    if wanted.proxy is None:
        return wanted
    known = wanted.configuration
    if wanted.proxy_host_key is not None:
        if known is not None and wanted.proxy_host_key not in known:
            raise ConfigurationError(
                f"the configuration has no field {wanted.proxy_host_key!r} for the host of the proxy"
            )
        return wanted
    found = next((key for key in _PROXY_HOST_KEYS if key in (known or {})), None)
    if found is None:
        raise ConfigurationError(
            "a proxy needs to know which field of the configuration holds the host",
            hint="Name it with --proxy-host-config-key.",
        )
    return replace(wanted, proxy_host_key=found)


def _destination(api: FivetranApi, name: str | None) -> tuple[str, str]:
    known = []
    for id, each in api.destinations():
        if each == name:
            return id, each
        known.append((id, each))
    if name is None and len(known) == 1:
        return known[0]
    names = ", ".join(each for _, each in known) or "none"
    what = "name a destination with --destination" if name is None else f"there is no destination {name!r}"
    raise ConfigurationError(what, hint=f"There are: {names}.")


def _require_compatible(existing: Connection | None, wanted: Deployment) -> None:
    if existing is None:
        if wanted.configuration is None:
            raise ConfigurationError(
                "a new connection needs a configuration", hint="Name a file with --configuration; {} in it will do."
            )
    elif existing.service != SERVICE:
        raise ConfigurationError(
            f"the connection {wanted.connection} is one of {existing.service}; nothing was changed",
            hint="Choose another name.",
        )


def _notes(existing: Connection | None, wanted: Deployment) -> Iterator[str]:
    if existing is not None and wanted.naming is not None:
        yield f"the naming of {wanted.connection} was fixed when it was made, and stays"


def _question(api: FivetranApi, existing: Connection, wanted: Deployment, destination: str) -> str:
    code = "the new code" if wanted.package_id is None else f"the package {wanted.package_id}"
    lines = [f"The connection {wanted.connection} in {destination} will run {code}"]
    kept = "its configuration stays" if wanted.configuration is None else "its configuration is replaced"
    id = api.package_of(existing.id)
    current = api.package(id) if id else None
    others = [each for each in current.connections if each != existing.id] if current else []
    if others:
        lines.append(f"{len(others)} more run the package it has now, and keep that")
    return "; ".join([*lines, kept]) + ". Go on?"


def _creation(wanted: Deployment, destination: str, package_id: str) -> dict[str, Any]:
    payload = {
        "group_id": destination,
        "service": SERVICE,
        "config": {"schema": wanted.connection, **_config(wanted, package_id)},
        "paused": True,
        "run_setup_tests": True,
        "sync_frequency": "360",
        "destination_schema_names": f"{(wanted.naming or 'FIVETRAN').upper()}_NAMING",
        "hybrid_deployment_agent_id": wanted.hybrid_agent,
    }
    if wanted.proxy is not None:
        payload |= {"proxy_agent_id": wanted.proxy, "networking_method": "ProxyAgent"}
    return payload


def _change(wanted: Deployment, package_id: str) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "config": _config(wanted, package_id),
        "run_setup_tests": True,
        "proxy_agent_id": wanted.proxy,
        "networking_method": "Directly" if wanted.proxy is None else "ProxyAgent",
    }
    if wanted.proxy is None:
        # Without a proxy the connection goes back to its own network.
        payload["config"]["proxy_host_config_key"] = None
    if wanted.hybrid_agent is not None:
        payload["hybrid_deployment_agent_id"] = wanted.hybrid_agent
    return payload


def _config(wanted: Deployment, package_id: str) -> dict[str, Any]:
    config: dict[str, Any] = {"package_id": package_id}
    if wanted.configuration is not None:
        config["secrets_list"] = [{"key": key, "value": value} for key, value in wanted.configuration.items()]
    if wanted.python_version is not None:
        config["python_version"] = wanted.python_version
    if wanted.proxy_host_key is not None:
        config["proxy_host_config_key"] = wanted.proxy_host_key
    return config


def _clean_up(api: FivetranApi, package_id: str, error: BaseException) -> None:
    """Delete a package that was uploaded for nothing; where that fails, say beside the first error that it stays."""
    try:
        found = api.package(package_id)
        if found is not None and found.connections:
            # The answer got lost, not the request: the connection is there, and runs it.
            left = f"The package {package_id} stays at Fivetran: the connection {', '.join(found.connections)} runs it."
        else:
            api.delete_package(package_id)
            return
    except HeadwaterError as failure:
        error.add_note(f"the package {package_id} could not be deleted: {failure}")
        left = f"The package {package_id} stays at Fivetran, unused."
    if isinstance(error, HeadwaterError):
        error.hint = f"{error.hint}\n{left}" if error.hint else left


def _failed_tests(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(test.get("title")), str(test.get("message")))
        for test in answer.get("setup_tests") or []
        if test.get("status") in _FAILED
    ]
