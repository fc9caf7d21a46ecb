"""Smartsheet: each sheet becomes a table, its columns become columns, whatever people name them.

The answer of a sheet describes its columns once, and its cells only by column id: so a row is put together by
id, and a column that is renamed in the sheet is renamed here. A sheet says its version, which grows with each
change; one that has not changed is not read again. Rows that are gone from the sheet are deleted.
"""

from itertools import count
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import Bearer
from sdk_helpers.http import ApiClient
from sdk_helpers.retry import RateLimit
from sdk_helpers.settings import setting

ROW_ID = "row_id"
CALLS_PER_MINUTE = 300  # what Smartsheet allows each token


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": table_name(sheet_id), "primary_key": [ROW_ID]} for sheet_id in sheet_ids(configuration)]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    client = ApiClient(
        configuration.get("base_url", "https://api.smartsheet.com/2.0"),
        auth=Bearer(configuration["access_token"]),
        rate_limit=RateLimit(CALLS_PER_MINUTE, per_seconds=60),
    )
    for sheet_id in sheet_ids(configuration):
        known = state.get(sheet_id, {"version": None, "row_ids": []})
        version = client.get_json(f"sheets/{sheet_id}/version")["version"]
        if version == known["version"]:
            log.info(f"{table_name(sheet_id)} has not changed since version {version}")
            continue
        sheet = whole_sheet(client, sheet_id, page_size=int(configuration.get("page_size", "1000")))
        sync_sheet(sheet_id, sheet, known["row_ids"])
        # The version of the answer itself: people may have gone on working since the one asked for first.
        state[sheet_id] = {"version": sheet["version"], "row_ids": [row["id"] for row in sheet["rows"]]}
        op.checkpoint(state=state)


def whole_sheet(client: ApiClient, sheet_id: str, *, page_size: int) -> dict[str, Any]:
    """Read a sheet page by page: a row that is missing here is deleted in the table, so all of them must be here.

    Errors: ValueError when they are not, as when people change the sheet meanwhile; the next sync reads it again.
    """
    rows: dict[int, dict[str, Any]] = {}
    versions = set()
    for page in count(1):
        sheet = client.get_json(f"sheets/{sheet_id}", params={"page": page, "pageSize": page_size})
        versions.add(sheet["version"])
        known = len(rows)
        rows |= {row["id"]: row for row in sheet["rows"]}
        if len(rows) == known or len(rows) >= sheet["totalRowCount"]:
            break
    if len(versions) > 1 or len(rows) != sheet["totalRowCount"]:
        raise ValueError(
            f"sheet {sheet_id} has changed while it was read: {len(rows)} of {sheet['totalRowCount']} rows"
        )
    return {**sheet, "rows": list(rows.values())}


def sync_sheet(sheet_id: str, sheet: dict[str, Any], known_row_ids: list[int]) -> None:
    table = table_name(sheet_id)
    titles = column_titles(sheet["columns"])
    for row in sheet["rows"]:
        op.upsert(table=table, data=table_row(row, titles))
    for row_id in sorted(set(known_row_ids) - {row["id"] for row in sheet["rows"]}):
        op.delete(table=table, keys={ROW_ID: row_id})


def column_titles(columns: list[dict[str, Any]]) -> dict[int, str]:
    """Name the columns of a sheet by their ids; two that only differ in case get their position, too.

    >>> column_titles([{"id": 7, "title": "Done"}, {"id": 9, "title": "done", "index": 1}])
    {7: 'Done', 9: 'done 1'}
    """
    titles: dict[int, str] = {}
    taken = {ROW_ID, "parent_id", "row_number"}
    for column in columns:
        title = column["title"]
        if title.lower() in taken:
            title = f"{title} {column['index']}"
        taken.add(title.lower())
        titles[column["id"]] = title
    return titles


def table_row(row: dict[str, Any], titles: dict[int, str]) -> dict[str, Any]:
    """Put a row together; an empty cell has no value at all, and is None.

    >>> table_row({"id": 1, "rowNumber": 1, "cells": [{"columnId": 7, "value": True}]}, {7: "Done", 9: "Who"})
    {'row_id': 1, 'parent_id': None, 'row_number': 1, 'Done': True, 'Who': None}
    """
    place = {ROW_ID: row["id"], "parent_id": row.get("parentId"), "row_number": row["rowNumber"]}
    cells = {titles[cell["columnId"]]: cell.get("value") for cell in row["cells"]}
    return place | dict.fromkeys(titles.values()) | cells


def sheet_ids(configuration: dict[str, str]) -> list[str]:
    ids: list[str] = setting("sheet_ids", configuration=configuration, kind=list[str])
    return ids


def table_name(sheet_id: str) -> str:
    return f"sheet_{sheet_id}"


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
