"""The geocoder of the US Census Bureau: a file of addresses goes up, a file of places comes down.

The addresses lie in addresses.csv beside the connector: id, street, city, state, ZIP code. They are asked about a
batch at a time, and again only when the file has changed.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient, FilePart
from sdk_helpers.keys import hash_values

ADDRESSES = Path(__file__).with_name("addresses.csv")
MOST_ADDRESSES = 10_000  # that one request may hold
ANSWER = ("id", "address", "found", "how", "matched_address", "coordinates", "street_segment", "side")


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "place",
            "primary_key": ["id"],
            "columns": {"id": "STRING", "is_found": "BOOLEAN", "longitude": "DOUBLE", "latitude": "DOUBLE"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ADDRESSES.open(encoding="utf-8") as file:
        lines = list(file)
    version = hash_values(*lines)
    done = state["done"] if state.get("version") == version else 0
    with ApiClient(configuration["base_url"]) as client:
        for start in range(done, len(lines), MOST_ADDRESSES):
            batch = lines[start : start + MOST_ADDRESSES]
            for answer in geocoded(client, "".join(batch)):
                op.upsert(table="place", data=place_row(answer))
            log.info(f"{start + len(batch)} of {len(lines)} addresses")
            op.checkpoint(state={"version": version, "done": start + len(batch)})


def geocoded(client: ApiClient, addresses: str) -> Iterator[list[str]]:
    """Ask where addresses are. Nothing is changed by it, so it may be asked again when the answer gets lost."""
    answer = client.post(
        "locations/addressbatch",
        data={"benchmark": "Public_AR_Current"},
        files={"addressFile": FilePart(addresses.encode(), "addresses.csv", "text/csv")},
        idempotent=True,
    )
    return csv.reader(io.StringIO(answer.content.decode("utf-8"), newline=""))


def place_row(answer: list[str]) -> dict[str, Any]:
    """Make a row of a line, which ends early for an address that was not found.

    >>> place_row(["7", "1 Nowhere, Oz, KS, ", "No_Match"])["is_found"]
    False
    >>> place_row(["7", "", "Match", "Exact", "1 MAIN ST", "-76.92,38.84", "1", "L"])["longitude"]
    -76.92
    """
    found = dict(zip(ANSWER, answer, strict=False))
    longitude, _, latitude = found.get("coordinates", "").partition(",")
    return {
        "id": found["id"],
        "address": found["address"],
        "is_found": found["found"] == "Match",
        "is_exact": found.get("how") == "Exact",
        "matched_address": found.get("matched_address"),
        "longitude": float(longitude) if longitude else None,
        "latitude": float(latitude) if latitude else None,
    }


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
