"""The connector as authors import it: their functions, and what a script does with them.

The command line imports the connector of `headwater.connector`; this one stands above both, since its methods do
what the commands do.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater import connector
from headwater.errors import ConfigurationError
from headwater.log import Level, Logging

if TYPE_CHECKING:
    import grpc


class PromptMode(Enum):
    """Whether `Connector.deploy` asks before it changes a connection; all but INTERACTIVE mean yes."""

    INTERACTIVE = None
    DEFAULT_ANSWER = "--non-interactive"
    YES = "--yes"
    FORCE = "--force"


class Connector(connector.Connector):
    """One connector.

    update              called as `update(configuration=…, state=…)`; may be a generator: what it yields is ignored
    schema              called as `schema(configuration)`; without it every table is found from the operations
    configuration_form  called without arguments, to ask for the configuration
    """

    def debug(
        self,
        project_path: str | None = None,
        configuration: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        naming: str | None = None,
        log_level: Level | int = Level.DEBUG,
    ) -> bool:
        """Run one sync into the project's files/warehouse.db, as `headwater debug` does.

        project_path   the project's folder; left out, the folder of the calling script
        configuration  instead of the project's configuration.json
        state          instead of the committed state

        Errors: SystemExit(1) when the sync fails, after its summary has been printed.
        """
        from headwater.cli.debug import debug_connector

        project = _folder(project_path)
        debug_connector(self, project, configuration=configuration, state=state, naming=naming, log_level=log_level)
        return True

    def run(
        self,
        port: int = 50049,
        configuration: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        log_level: Level | int = Level.INFO,
    ) -> grpc.Server:
        """Serve the connector over gRPC, in Fivetran's public connector protocol, and give the running server.

        It listens on every address, without encryption, as 2.13.1 does. A script that ends here goes on to serve
        until it is ended, or its server is stopped.

        port           0 takes one that is free; the log says which
        configuration  instead of what clients send
        state          the same

        Errors: ConfigurationError when grpcio is not installed, the port is taken, or the configuration breaks a rule.
        """
        server = _grpc_server()
        Logging.LOG_LEVEL = log_level
        running: grpc.Server
        running, _ = server.serve(self, server.every_address(port), configuration, state)
        server.stay_until_stopped(running)
        return running

    def deploy(
        self,
        project_path: str,
        deploy_key: str,
        group: str | None,
        connection: str,
        hd_agent_id: str | None = None,
        configuration: dict[str, Any] | None = None,
        config_path: str | None = None,
        python_version: str | None = None,
        prompt_mode: PromptMode = PromptMode.INTERACTIVE,
        naming: str | None = None,
        proxy_id: str | None = None,
        proxy_host_config_key: str | None = None,
        target_package_id: str | None = None,
    ) -> None:
        """Bring the project to Fivetran, as `headwater deploy` does.

        deploy_key   the API key, in base64
        group        the name of the destination; None takes the only one there is
        config_path  the file to read where `configuration` is left out; without both, a connection keeps what it has
        naming       FIVETRAN_NAMING or SOURCE_NAMING
        target_package_id  run this package, which Fivetran has, instead of the project

        Errors: SystemExit(1) when a setup test fails or the answer is no; ConfigurationError, FivetranError.
        """
        from headwater.cli.deploy import deploy_and_print, sendable
        from headwater.configuration import read_configuration_to_deploy
        from headwater.deploying import Deployment
        from headwater.fivetran_rest import FivetranApi, base_url
        from headwater.project import Project

        if configuration is None and config_path is not None:
            configuration = dict(read_configuration_to_deploy(Path(project_path, config_path)))
        wanted = Deployment(
            connection,
            destination=group,
            configuration=None if configuration is None else sendable(configuration),
            package_id=target_package_id,
            python_version=python_version,
            naming=naming.removesuffix("_NAMING") if naming else None,
            hybrid_agent=hd_agent_id or None,
            proxy=proxy_id,
            proxy_host_key=proxy_host_config_key,
        )
        sure = PromptMode(prompt_mode) is not PromptMode.INTERACTIVE
        _exit(deploy_and_print(Project(Path(project_path)), FivetranApi(deploy_key, base_url()), wanted, sure=sure))

    def generate_configuration(
        self, project_path: str | None = None, run_tests: bool = False, disable_encryption: bool = False
    ) -> None:
        """Ask for the fields of the form and write configuration.json, as `headwater configuration` does.

        project_path  the project's folder; left out, the folder of the calling script
        run_tests     run the tests of the form on the configuration there is, instead

        Errors: SystemExit(1) when a test fails; ConnectorError when the connector has no form; click.UsageError where
        there is no terminal to ask on.
        """
        from headwater.cli.configuration import configure
        from headwater.configuring import form_of
        from headwater.project import Project

        project = Project(_folder(project_path))
        _exit(configure(project, lambda: form_of(self), test=run_tests, encrypted=not disable_encryption))


def _grpc_server() -> Any:
    try:
        from headwater.compat import server
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("grpc", "google"):
            raise
        raise ConfigurationError(
            f"connector.run() needs the package {'grpcio' if error.name.startswith('grpc') else 'protobuf'}",
            hint="Install it: pip install 'headwater[grpc]'.",
        ) from error
    return server


def _folder(project_path: str | None) -> Path:
    """Give the project's folder: what was passed, or the folder of the script that called the method."""
    if isinstance(project_path, dict):
        raise ConfigurationError(
            "the first argument is the project's folder, not its configuration",
            hint="Give it by name: connector.debug(configuration=configuration).",
        )
    if project_path:
        return Path(project_path)
    name = sys._getframe(2).f_globals.get("__file__")
    if name is None:
        raise ConfigurationError(
            "the connector was started outside a file, so its project is not known",
            hint="Name it: project_path='…'.",
        )
    return Path(name).resolve().parent


def _exit(code: int) -> None:
    if code:
        raise SystemExit(code)
