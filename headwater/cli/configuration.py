"""`headwater configuration`: enter the configuration of a connector, and test it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headwater.cli.arguments import json_option, project_argument
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
@json_option
def command(project: Path, test: bool, disable_encryption: bool, as_json: bool) -> None:
    """Ask for the fields of the connector's configuration_form() and write configuration.json, passwords encrypted.

    A value ${NAME} is taken from the environment whenever a sync runs. Examples:

        headwater configuration shop

        headwater configuration shop --test
    """
    from headwater.cli.author_call import author_call
    from headwater.configuring import load_form
    from headwater.project import Project

    if not test:
        require_terminal("there is no terminal to ask on: write configuration.json, with passwords as ${NAME}")
    folder = Project(project)
    form = author_call(folder, lambda: load_form(folder))
    if not test:
        _ask(folder, form, encrypted=not disable_encryption)
    elif not _test(folder, form, as_json):
        sys.exit(1)


def _ask(project: Project, form: ConfigurationForm, *, encrypted: bool) -> None:
    from headwater.configuring import stored_configuration, write_configuration

    values = stored_configuration(project)
    for field in form.fields:
        answer = _answer(field, values.get(field.name))
        redact.learn({field.name: answer})
        if answer:
            values[field.name] = answer
        else:
            values.pop(field.name, None)
    path = write_configuration(project, form, values, encrypted=encrypted)
    click.echo(f"written: {path}")


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
    from headwater.configuration_values import usable_values
    from headwater.configuring import stored_configuration

    values = usable_values(stored_configuration(project))
    results = [(name, test.label, _run(form, name, values)) for name, test in form.tests.items()]
    if as_json:
        report = [
            {"test": name, "label": label, "ok": result.ok, "message": redact(result.message)}
            for name, label, result in results
        ]
        click.echo(json.dumps(report, indent=2))
    else:
        for _, label, result in results:
            ending = "passed" if result.ok else f"failed: {result.message}"
            click.echo(printable(redact(f"{label}: {ending}")))
        if not results:
            click.echo("The form has no tests.")
    return all(result.ok for _, _, result in results)


def _run(form: ConfigurationForm, name: str, values: dict[str, str]) -> TestResult:
    from headwater.cli.failure import explained
    from headwater.configuration_form import Test

    try:
        return form.run_test(name, values)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a test is the author's code, and this is the edge
        return Test.failure(explained(error).sentence)
