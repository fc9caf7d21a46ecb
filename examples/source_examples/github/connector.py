"""GitHub: issues and pull requests of some repositories, page by page along the Link header.

Issues are read newest change first. One that is changed while pages are read moves to the front, so the others
move back and some come twice, which an upsert does not mind; none is skipped. What the next sync begins with is
therefore the newest change of the *first* page, and counts only when the last page has been read. Until then the
state holds the address of the next page, so that a first sync of a large repository can be interrupted.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import Bearer
from sdk_helpers.cursors import TableCursors
from sdk_helpers.http import ApiClient
from sdk_helpers.paging import LinkHeader, paginate
from sdk_helpers.settings import setting

TIME = "UTC_DATETIME"


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "issues",
            "primary_key": ["repository", "number"],
            "columns": {
                "repository": "STRING",
                "number": "LONG",
                "labels": "JSON",
                "comments": "LONG",
                "created_at": TIME,
                "updated_at": TIME,
                "closed_at": TIME,
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    client = github_client(configuration)
    cursors = TableCursors(state, key="repositories")
    for repository in setting("repositories", configuration=configuration, kind=list[str]):
        sync_issues(client, repository, cursors, page_size=int(configuration.get("page_size", "100")))


def sync_issues(client: ApiClient, repository: str, cursors: TableCursors, *, page_size: int) -> None:
    cursor = cursors[repository]
    since, newest, next_page = (cursor.get(name) for name in ("since", "newest", "next_page"))
    pages = paginate(
        client,
        f"repos/{repository}/issues",
        LinkHeader(size=page_size, size_param="per_page"),
        params={"state": "all", "sort": "updated", "direction": "desc", "since": since},
        resume_from=next_page,
    )
    for page in pages:
        for issue in page.records:
            op.upsert(table="issues", data=issue_row(repository, issue))
            newest = newest or issue["updated_at"]
        if page.resume_from is None:
            cursors[repository] = {"since": newest or since}
        else:
            cursors[repository] = {"since": since, "newest": newest, "next_page": page.resume_from}
        op.checkpoint(state=cursors.state())
    log.info(f"{repository}: {pages.stopped_because}")


def issue_row(repository: str, issue: dict[str, Any]) -> dict[str, Any]:
    """Choose the columns of an issue; the author is null when the account is gone."""
    return {
        "repository": repository,
        "number": issue["number"],
        "is_pull_request": "pull_request" in issue,
        "title": issue["title"],
        "state": issue["state"],
        "author": (issue["user"] or {}).get("login"),
        "labels": [label["name"] for label in issue["labels"]],
        "comments": issue["comments"],
        "created_at": issue["created_at"],
        "updated_at": issue["updated_at"],
        "closed_at": issue["closed_at"],
    }


def github_client(configuration: dict[str, str]) -> ApiClient:
    return ApiClient(
        configuration.get("base_url", "https://api.github.com"),
        auth=Bearer(configuration["token"]),
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
    )


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
