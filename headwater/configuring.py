"""A project's configuration, entered through its form, and tested."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from headwater.compat import fivetran
from headwater.configuration import read_configuration
from headwater.configuration_form import ConfigurationForm
from headwater.configuration_values import is_reference
from headwater.connector import Connector
from headwater.encryption import encrypt, is_encrypted
from headwater.errors import ConnectorError
from headwater.form_field import FormField, TextField, password
from headwater.project import Project
from headwater.project_files import CONFIGURATION
from headwater.whole_file import remove_halves, write_whole


def load_form(project: Project) -> ConfigurationForm:
    """Import connector.py and ask it for its form.

    Errors: ConnectorError when it has none; what connector.py itself raises.
    """
    fivetran.install()
    return form_of(project.load_connector(), f"{project.path / 'connector.py'}")


def form_of(connector: Connector, where: str = "the connector") -> ConfigurationForm:
    """Ask a connector for its form.

    Errors: ConnectorError, which begins with `where`, when it has none; what the author's function raises.
    """
    method = connector.configuration_form_method
    if method is None:
        raise ConnectorError(
            f"{where} has no configuration form",
            hint="Give it one, Connector(…, configuration_form=…), or write configuration.json by hand.",
        )
    form = method()
    if not isinstance(form, ConfigurationForm):
        raise ConnectorError(f"configuration_form() must return a ConfigurationForm, not {type(form).__name__}")
    return form


def stored_configuration(project: Project) -> dict[str, str]:
    """Read configuration.json as it stands, encrypted values included; `{}` where there is none."""
    path = project.path / CONFIGURATION
    return read_configuration(path) if path.exists() else {}


def write_configuration(
    project: Project, form: ConfigurationForm, values: Mapping[str, str], *, encrypted: bool = True
) -> Path:
    """Write configuration.json, for the owner's eyes only: the passwords of the form encrypted, unless told not to.

    References to the environment are written as they are.
    """
    passwords = {field.name for field in form.fields if is_password(field)}
    sealed = {
        name: encrypt(name, value)
        if encrypted and name in passwords and value and not is_encrypted(value) and not is_reference(value)
        else value
        for name, value in values.items()
    }
    path = project.path / CONFIGURATION
    remove_halves(path)
    write_whole(path, json.dumps(sealed, indent=2, ensure_ascii=False) + "\n", private=True)
    return path


def is_password(field: FormField) -> bool:
    return isinstance(field, TextField) and field.field_type == password
