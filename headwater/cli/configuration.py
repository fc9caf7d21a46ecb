"""`headwater configuration`: enter the configuration of a connector, and test it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headwater.cli.arguments import json_option, project_argument, yes_option
from headwater.cli.asking import require_terminal
from headwater.log import printable, redact

if TYPE_CHECKING:
    from headwater.configuration_form import ConfigurationForm, TestResult
    from headwater.form_field import DropdownField, FormField
    from headwater.project import Project


@click.command("configuration")
@project_argument
@click.option("--test", is_flag=True, help="Run the tests of the form on the configuration there is.")
@click.option("--disable-encryption", is_flag=True, help="Write passwords as they are.")
@yes_option
@json_option
def command(project: Path, test: bool, disable_encryption: bool, sure: bool, as_json: bool) -> None:
    """Ask for the fields of the connector's configuration_form() and write configuration.json, passwords encrypted.

    A value ${NAME} is taken from the environment whenever a sync runs. With --yes the values that are in the file
    already are checked and kept, and its passwords are encrypted. Examples:

        headwater configuration shop

        headwater configuration shop --test
    """
    from headwater.configuring import load_form
    from headwater.project import Project

    folder = Project(project)
    encrypted = not disable_encryption
    sys.exit(configure(folder, lambda: load_form(folder), test=test, encrypted=encrypted, sure=sure, as_json=as_json))


def configure(
    project: Project,
    load: Callable[[], ConfigurationForm],
    *,
    test: bool,
    encrypted: bool = True,
    sure: bool = False,
    as_json: bool = False,
) -> int:
    """Ask for the fields of a form, or run its tests; give the exit code.

    load  the call into the author's code that gives the form
    sure  nothing is asked: what is in configuration.json is the answer

    Errors: click.UsageError where there is nobody to ask; ConfigurationError for an answer that cannot be taken.
    """
    from headwater.cli.author_call import author_call

    if not test and not sure:
        require_terminal("there is no terminal to ask on: write configuration.json, and have it checked with --yes")
    form = author_call(project, load)
    if test:
        return 0 if _test(project, form, as_json) else 1
    path = _answer_all(project, form, _kept if sure else _answer, encrypted=encrypted)
    click.echo(json.dumps({"written": str(path)}) if as_json else f"written: {path}")
    return 0


def _answer_all(
    project: Project,
    form: ConfigurationForm,
    answered: Callable[[FormField, str | None], str],
    *,
    encrypted: bool,
) -> Path:
    """Write a configuration with an answer to each field; give the file.

    answered  gives the answer to a field, of which it is told the stored value
    """
    from headwater.configuring import stored_configuration, write_configuration

    values = stored_configuration(project)
    for field in form.fields:
        answer = answered(field, values.get(field.name))
        redact.learn({field.name: answer})
        if answer:
            values[field.name] = answer
        else:
            values.pop(field.name, None)
    return write_configuration(project, form, values, encrypted=encrypted)


def _kept(field: FormField, stored: str | None) -> str:
    """Take the stored value for the answer to a field.

    Errors: ConfigurationError when the field takes no such answer.
    """
    from headwater.configuration_values import is_reference
    from headwater.encryption import decrypt, is_encrypted
    from headwater.errors import ConfigurationError
    from headwater.form_field import DropdownField, ToggleField

    if stored and is_encrypted(stored):
        decrypt(field.name, stored)  # what no sync can read is not to be called written
    values: list[str] | None = None
    if isinstance(field, ToggleField):
        values, stored = ["true", "false"], stored or "false"
    elif isinstance(field, DropdownField):
        values = [str(each.value) for each in field.fields]
    if not stored and getattr(field, "required", False):
        raise ConfigurationError(
            f"{field.name} is required, and configuration.json has none",
            hint="Write it there, or say it on a terminal.",
        )
    if stored and values is not None and stored not in values and not is_reference(stored):
        raise ConfigurationError(f"{field.name} must be one of {', '.join(values)}")
    return stored or ""


def _answer(field: FormField, stored: str | None) -> str:
    """Ask for one field until the answer can be taken; empty for a field that is left out."""
    from headwater.form_field import DropdownField, ToggleField

    if description := getattr(field, "description", None):
        click.echo(printable(description))
    label = printable(field.label or field.name)
    if isinstance(field, ToggleField):
        return "true" if click.confirm(label, default=stored == "true") else "false"
    if isinstance(field, DropdownField):
        return _choice(field, label, stored)
    while True:
        answer = _typed(field, label, stored)
        if answer or not getattr(field, "required", False):
            return answer
        click.echo(f"{label} is required")


def _typed(field: FormField, label: str, stored: str | None) -> str:
    """Ask for a line of text once; of a password only that there is one is shown."""
    from headwater.configuring import is_password

    if placeholder := getattr(field, "placeholder", None):
        label = f"{label} ({printable(placeholder)})"
    if not is_password(field):
        return str(click.prompt(label, default=stored or "", show_default=bool(stored))).strip()
    label = f"{label} [leave empty to keep it]" if stored else label
    return str(click.prompt(label, default="", show_default=False, hide_input=True)).strip() or stored or ""


def _choice(field: DropdownField, label: str, stored: str | None) -> str:
    """Ask for one of the choices, by its number or value."""
    values = [str(each.value) for each in field.fields]
    click.echo(label)
    for number, each in enumerate(field.fields, 1):
        named = " – ".join(filter(None, [str(each.label or each.value), each.description]))
        click.echo(printable(f"  {number}  {named}"))
    while True:
        known = stored if stored in values else ""
        answer = str(click.prompt(f"1 to {len(values)}, or the value", default=known, show_default=bool(known))).strip()
        if answer in values or (not answer and not field.required):
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(values):
            return values[int(answer) - 1]
        click.echo("that is none of them")


def _test(project: Project, form: ConfigurationForm, as_json: bool) -> bool:
    """Run every test of a form, and print how each ended; say whether all of them passed."""
    from headwater.cli.author_call import screened
    from headwater.configuration_values import usable_values
    from headwater.configuring import stored_configuration

    values = usable_values(stored_configuration(project))
    redact.learn(values)
    with screened():
        results = [(name, test.label, _run(form, name, values)) for name, test in form.tests.items()]
    if as_json:
        report = [
            {"test": name, "label": label, "ok": result.success, "message": redact(result.failure)}
            for name, label, result in results
        ]
        click.echo(json.dumps(report, indent=2))
    else:
        for _, label, result in results:
            ending = "passed" if result.success else f"failed: {result.failure}"
            click.echo(printable(redact(f"{label}: {ending}")))
        if not results:
            click.echo("The form has no tests.")
    return all(result.success for _, _, result in results)


def _run(form: ConfigurationForm, name: str, values: dict[str, str]) -> TestResult:
    from headwater.cli.failure import explained
    from headwater.configuration_form import Test

    try:
        return form.run_test(name, values)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a test is the author's code, and this is the edge
        return Test.failure(explained(error).sentence)
