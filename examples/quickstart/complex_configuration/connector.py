"""Configuration values are always text: how to make a list, a number, a truth value and a dict of them."""

import json
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

PRICES: list[dict[str, Any]] = [
    {"product": "tent", "region": "eu", "price": 240},
    {"product": "tent", "region": "us", "price": 260},
    {"product": "lamp", "region": "eu", "price": 35},
    {"product": "lamp", "region": "apac", "price": 30},
    {"product": "sample", "region": "eu", "price": 0},
]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "price", "primary_key": ["product", "region"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    regions = as_list(configuration["regions"])
    minimum = as_int(configuration, "minimum_price")
    include_free = as_bool(configuration, "include_free")
    currencies = as_dict(configuration, "currencies")

    for row in PRICES:
        wanted = row["price"] >= minimum or (include_free and row["price"] == 0)
        if row["region"] in regions and wanted:
            op.upsert(table="price", data={**row, "currency": currencies.get(row["region"])})
    op.checkpoint(state=state)


def as_list(text: str) -> list[str]:
    """Split text at its commas.

    >>> as_list("eu, us,")
    ['eu', 'us']
    """
    return [item.strip() for item in text.split(",") if item.strip()]


def as_int(configuration: dict[str, str], name: str) -> int:
    try:
        return int(configuration[name])
    except ValueError:
        raise ValueError(f"{name} must be a whole number, not {configuration[name]!r}") from None


def as_bool(configuration: dict[str, str], name: str) -> bool:
    # bool("false") is True: every text but the empty one is.
    text = configuration[name].strip().lower()
    if text not in ("true", "false"):
        raise ValueError(f"{name} must be true or false, not {configuration[name]!r}")
    return text == "true"


def as_dict(configuration: dict[str, str], name: str) -> dict[str, Any]:
    try:
        value = json.loads(configuration[name])
    except ValueError as error:
        raise ValueError(f"{name} must be a JSON object: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a JSON object, not {configuration[name]!r}")
    return value


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
