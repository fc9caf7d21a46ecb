"""The environment of the MIT package, built once for whichever test asks first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mit_sdk.stream import EnvironmentUnavailable, Operation, python, stream

CONNECTORS = Path(__file__).with_name("connectors")


@pytest.fixture(scope="session")
def mit_stream() -> Callable[..., list[Operation]]:
    try:
        python()
    except EnvironmentUnavailable as reason:
        pytest.skip(f"cannot compare with fivetran-connector-sdk 2.13.1: {reason}")

    def of(connector: str, **options: object) -> list[Operation]:
        return stream(CONNECTORS / connector, **options)  # type: ignore[arg-type]  # passed on as they are

    return of
