"""A form for the configuration, with a test of what was entered."""

from typing import Any

import requests

from headwater import ConfigurationForm, Connector, Test, form_field
from headwater import Operations as op
from headwater.configuration_form import TestResult


def the_key_is_good(configuration: dict[str, Any]) -> TestResult:
    answer = requests.get(f"{configuration['base_url']}/me", headers={"X-Key": configuration["api_key"]}, timeout=30)
    return Test.success() if answer.ok else Test.failure(f"the API answers {answer.status_code}")


def configuration_form() -> ConfigurationForm:
    return (
        ConfigurationForm()
        .add_field(form_field.TextField("base_url", "Address", required=True, placeholder="https://api.example.com"))
        .add_field(form_field.TextField("api_key", "Key", form_field.password, required=True))
        .add_field(
            form_field.DropdownField(
                "region", "Region", fields=[form_field.DropdownFieldParam("eu"), form_field.DropdownFieldParam("us")]
            )
        )
        .add_field(form_field.ToggleField("archived", "Archived records too"))
        .add_test(label="The key is good", func=the_key_is_good)
    )


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    op.checkpoint(state)


connector = Connector(update=update, configuration_form=configuration_form)
