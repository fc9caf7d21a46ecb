"""Stock prices from Marketstack (marketstack.com): one cursor for each ticker in one state.

Each ticker has a history of its own, and a ticker that is added later must be read from the start while the
others go on. So the state keeps the last day for each of them:

    {"last_day": {"AAPL": "2024-03-04", "MSFT": "2024-03-01"}}
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import ApiKey
from sdk_helpers.http import ApiClient
from sdk_helpers.paging import Offset, paginate

PRICES = ("open", "high", "low", "close", "volume")


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "ticker",
            "primary_key": ["symbol"],
            "columns": {"symbol": "STRING", "name": "STRING", "exchange": "STRING"},
        },
        {
            "table": "price",
            "primary_key": ["symbol", "day"],
            "columns": {"symbol": "STRING", "day": "NAIVE_DATE", **dict.fromkeys(PRICES, "DOUBLE")},
        },
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    last_day = state.setdefault("last_day", {})
    page_size = int(configuration["page_size"])
    # The key travels in the address; the client blanks it out in every message.
    auth = ApiKey(configuration["access_key"], query="access_key")
    with ApiClient(configuration["base_url"], auth=auth) as client:
        for symbol in map(str.strip, configuration["symbols"].split(",")):
            since = last_day.get(symbol, configuration["first_day"])
            log.info(f"Reading the prices of {symbol} since {since}")
            op.upsert(table="ticker", data=ticker_row(client.get_json(f"tickers/{symbol}")))
            for row in price_rows(client, symbol, since, page_size):
                op.upsert(table="price", data=row)
                last_day[symbol] = max(last_day.get(symbol, ""), row["day"])
            # This ticker is complete; after a failure the next sync reads only its last day again.
            op.checkpoint(state=state)


def price_rows(client: ApiClient, symbol: str, since: str, page_size: int) -> list[dict[str, Any]]:
    """Read the days of one ticker from `since` on; that day itself again, for its price may have been corrected."""
    pages = paginate(
        client,
        "eod",
        Offset(size=page_size, total="pagination.total"),
        records="data",
        params={"symbols": symbol, "date_from": since, "sort": "ASC"},
    )
    return [
        {"symbol": record["symbol"], "day": record["date"][:10], **{name: record[name] for name in PRICES}}
        for record in pages.records()
    ]


def ticker_row(record: dict[str, Any]) -> dict[str, Any]:
    return {"symbol": record["symbol"], "name": record["name"], "exchange": record["stock_exchange"]["mic"]}


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
