"""Parent and child tables, each with a cursor: companies, and the departments of each company.

The source gives what changed in companies, but departments only company by company. So there is one cursor for the
parents and one for the children of each parent:

    {"companies": {"high": ...}, "departments": {"pass": 2, "parents": [[1, 1, {"high": ...}], ...]}}

A sync that stops in the middle has saved which companies it has finished, and the next one goes on with the rest.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import ParentCursors, Watermark, instant
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
    companies = Watermark(state.get("companies", {}))
    departments = ParentCursors(state.get("departments", {}))

    def state_now() -> dict[str, Any]:
        return {"companies": companies.state(), "departments": departments.state()}

    with ApiClient(configuration["base_url"]) as client:
        listed = client.get_json("companies")
        for company in listed:
            changed = instant(company["updated_at"])
            if companies.since is None or changed >= companies.since:
                op.upsert(table="company", data=company)
                companies.see(changed)
        companies.finish()

        # A department may change while its company does not: every company that is listed is asked for them.
        for company_id in departments.pending(company["id"] for company in listed):
            cursor = departments[company_id]
            departments.finish(company_id, sync_departments(client, company_id, cursor))
            op.checkpoint(state=state_now())

        for gone in departments.end_pass():  # no longer listed: deleted at the source
            op.delete(table="company", keys={"id": gone})
        op.checkpoint(state=state_now())


def sync_departments(client: ApiClient, company_id: str | int, cursor: dict[str, Any]) -> dict[str, Any]:
    """Send what changed in the departments of one company, and give its new cursor."""
    mark = Watermark(cursor)
    changed = client.get_json(f"companies/{company_id}/departments", params={"updated_since": mark.since})
    for department in changed:
        op.upsert(table="department", data={"company_id": company_id, **department})
        mark.see(instant(department["updated_at"]))
    return mark.finish()


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
