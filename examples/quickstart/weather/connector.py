"""A real public API: the forecast of the United States' National Weather Service (api.weather.gov).

The API needs no key, but a User-Agent that says who is asking. It is asked twice: which forecast belongs
to a point, then for that forecast. The state keeps when the forecast was made: until there is a newer
one, a sync writes nothing.
"""

from typing import Any

import requests
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

HEADERS = {"User-Agent": "weather-example (you@example.com)", "Accept": "application/geo+json"}


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "forecast",
            "primary_key": ["office", "grid_x", "grid_y", "start_time"],
            "columns": {
                "office": "STRING",
                "grid_x": "INT",
                "grid_y": "INT",
                "start_time": "UTC_DATETIME",
                "end_time": "UTC_DATETIME",
                "name": "STRING",
                "is_daytime": "BOOLEAN",
                "temperature": "INT",
                "temperature_unit": "STRING",
                "chance_of_rain_percent": "INT",
                "wind": "STRING",
                "summary": "STRING",
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    point = get(f"{configuration['base_url']}/points/{configuration['latitude']},{configuration['longitude']}")
    forecast = get(point["forecast"])
    if forecast["updateTime"] == state.get("updated"):
        log.info("The forecast has not changed since the last sync")
        return

    for period in forecast["periods"]:
        op.upsert(table="forecast", data=forecast_row(point, period))
    op.checkpoint(state={"updated": forecast["updateTime"]})


def get(url: str) -> dict[str, Any]:
    """Ask the API; what it has to say is in `properties`."""
    response = requests.get(url, headers=HEADERS, timeout=30)
    response.raise_for_status()
    properties: dict[str, Any] = response.json()["properties"]
    return properties


def forecast_row(point: dict[str, Any], period: dict[str, Any]) -> dict[str, Any]:
    """Make the row of one period, a day or a night: a newer forecast of the same period replaces it."""
    return {
        "office": point["gridId"],
        "grid_x": point["gridX"],
        "grid_y": point["gridY"],
        "start_time": period["startTime"],
        "end_time": period["endTime"],
        "name": period["name"],
        "is_daytime": period["isDaytime"],
        "temperature": period["temperature"],
        "temperature_unit": period["temperatureUnit"],
        "chance_of_rain_percent": period["probabilityOfPrecipitation"]["value"],
        "wind": f"{period['windSpeed']} {period['windDirection']}".strip(),
        "summary": period["shortForecast"],
    }


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
