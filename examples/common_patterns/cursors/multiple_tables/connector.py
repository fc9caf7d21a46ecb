"""Parent and child tables, each with a cursor: companies, and the departments of each company.

The source gives departments only company by company. So the state has one cursor for the parents, and below it one
for the children of each parent:

    {"companies": {"high": ...}, "departments": {"1": {"high": ...}, "3": {}}}
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import Watermark, instant
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "company",
            "primary_key": ["id"],
            "columns": {"id": "LONG", "name": "STRING", "updated_at": "UTC_DATETIME"},
        },
        {
            "table": "department",
            "primary_key": ["company_id", "id"],  # two companies may both have a department 1
            "columns": {"company_id": "LONG", "id": "LONG", "name": "STRING", "updated_at": "UTC_DATETIME"},
        },
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ApiClient(configuration["base_url"]) as client:
        companies = client.get_json("companies")
        state["companies"] = sync_companies(companies, state.get("companies", {}))

        # JSON has text for keys, whatever the id was.
        cursors = state.setdefault("departments", {})
        for company_id in (str(company["id"]) for company in companies):
            # A department may change while its company does not: each company that is listed is asked.
            cursors[company_id] = sync_departments(client, int(company_id), cursors.get(company_id, {}))
            op.checkpoint(state=state)

        # The list is complete, so a company that is not on it was deleted. Its cursor would stay for ever.
        for gone in cursors.keys() - {str(company["id"]) for company in companies}:
            op.delete(table="company", keys={"id": int(gone)})
            del cursors[gone]
        op.checkpoint(state=state)


def sync_companies(companies: list[dict[str, Any]], cursor: dict[str, Any]) -> dict[str, Any]:
    """Send the companies that changed, and give the new cursor."""
    mark = Watermark(cursor)
    for company in companies:
        changed = instant(company["updated_at"])
        if mark.since is None or changed >= mark.since:
            op.upsert(table="company", data=company)
            mark.see(changed)
    return mark.finish()


def sync_departments(client: ApiClient, company_id: int, cursor: dict[str, Any]) -> dict[str, Any]:
    """Send what changed in the departments of one company, and give its new cursor."""
    mark = Watermark(cursor)
    for department in client.get_json(f"companies/{company_id}/departments", params={"updated_since": mark.since}):
        op.upsert(table="department", data={"company_id": company_id, **department})
        mark.see(instant(department["updated_at"]))
    return mark.finish()


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
