"""Deployment of a project to Fivetran: package, upload, create or update a connection (rules G-01 to G-07)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headwater.errors import ConfigurationError, HeadwaterError
from headwater.fivetran_rest import Connection, FivetranApi
from headwater.naming import CONNECTION_NAME
from headwater.packaging import Package, package
from headwater.project import Project

SERVICE = "connector_sdk"
PYTHON_VERSIONS = ("3.14", "3.13", "3.12", "3.11", "3.10")
_FAILED = {"FAILED", "JOB_FAILED"}


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is asked for.

    destination     its name; may be left out where an account has only one
    connection      its name, which is the schema in the destination
    configuration   None keeps what a connection has
    configuration_if_new  asked for the configuration of a new connection, where `configuration` is None
    python_version  None leaves the choice to Fivetran
    naming          FIVETRAN or SOURCE; only for a new connection
    proxy_host_key  the field of the configuration that holds the host to reach through the proxy
    vendor          put the helpers in that the project uses
    """

    connection: str
    destination: str | None = None
    configuration: Mapping[str, str] | None = None
    configuration_if_new: Callable[[], Mapping[str, str]] | None = None
    python_version: str | None = None
    naming: str | None = None
    hybrid_agent: str | None = None
    proxy: str | None = None
    proxy_host_key: str | None = None
    vendor: bool = False


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was done.

    failed_tests  title and message of the setup tests that failed
    """

    connection: str
    package: Package
    package_id: str
    created: bool
    failed_tests: list[tuple[str, str]]


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
        _require_possible(wanted)
    _require_compatible(existing, wanted)
    written = package(project, vendor=wanted.vendor)
    if existing is not None and not confirm(_question(api, existing, wanted, name)):
        return None
    package_id = api.upload(written.path)
    try:
        if existing is None:
            answer = api.create(_creation(wanted, destination, package_id))
        else:
            answer = api.update(existing.id, _change(wanted, package_id))
    except BaseException as error:
        _clean_up(api, package_id, error)
        raise
    connection = existing.id if existing is not None else str(answer.get("id"))
    return Deployed(connection, written, package_id, existing is None, _failed_tests(answer))


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
    if (wanted.proxy is None) is not (wanted.proxy_host_key is None):
        raise ConfigurationError("a proxy needs both: its id, and the field of the configuration with the host")
    if wanted.proxy is not None and wanted.hybrid_agent is not None:
        raise ConfigurationError("a connection goes through a proxy or runs on a hybrid agent, not both")
    if wanted.proxy_host_key and wanted.configuration is not None and wanted.proxy_host_key not in wanted.configuration:
        raise ConfigurationError(f"the configuration has no field {wanted.proxy_host_key!r} for the host of the proxy")


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
    elif wanted.naming is not None:
        raise ConfigurationError(f"the naming of {wanted.connection} was fixed when it was made", hint="Leave it out.")


def _question(api: FivetranApi, existing: Connection, wanted: Deployment, destination: str) -> str:
    lines = [f"The connection {wanted.connection} in {destination} will run the new code"]
    kept = "its configuration stays" if wanted.configuration is None else "its configuration is replaced"
    current = api.package_of(existing.id)
    others = [each for each in api.connections_of(current) if each != existing.id] if current else []
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
    try:
        api.delete_package(package_id)
    except HeadwaterError as failure:
        # The first error is the one to act on; this one is told beside it.
        error.add_note(f"the package {package_id} could not be deleted: {failure}")
        if isinstance(error, HeadwaterError):
            left = f"The package {package_id} stays at Fivetran, unused."
            error.hint = f"{error.hint}\n{left}" if error.hint else left


def _failed_tests(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (str(test.get("title")), str(test.get("message")))
        for test in answer.get("setup_tests") or []
        if test.get("status") in _FAILED
    ]
