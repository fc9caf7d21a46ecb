"""A project folder for each test of the command line, and an account at Fivetran for those that need one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cli_project import CliProject, environment
from tests.cli.fivetran_stand_in import KEY, Account, stand_in


@pytest.fixture
def project(tmp_path: Path) -> CliProject:
    folder = tmp_path / "shop"
    folder.mkdir()
    return CliProject(folder.resolve(), environment(tmp_path / "shadows"))


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def deployable(project: CliProject, account: Account, tmp_path: Path) -> Iterator[CliProject]:
    """A project whose commands take the stand-in for Fivetran, and have the key to it."""
    project.connector("pass").configuration({"api_key": "${SHOP_KEY}"})
    with stand_in(account) as url:
        project.environment |= {
            "HOME": str(tmp_path),
            "FIVETRAN_API_KEY": KEY,
            "SHOP_KEY": "canary-shop-key",
            "NO_PROXY": "*",
        }
        settings = tmp_path / ".fivetran" / "connector_sdk" / "_config.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps({"production_base_url": url}))
        yield project
