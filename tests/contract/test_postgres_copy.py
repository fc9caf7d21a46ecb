"""What goes through COPY into a real Postgres comes back exactly, and is stored as Postgres itself would."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings

from headwater.errors import DestinationError
from headwater.testing.contract import batch, made, opened, shown, values
from headwater.types.names import BINARY, JSON, LONG, MAX_PRECISION, MAX_SCALE, STRING, ColumnType, decimal_type
from tests.column_values import LOOK_ALIKE, LOOK_ALIKE_BYTES, columns, decimal_of
from tests.contract.postgres_driver import LOADER, PostgresDriver, postgres_driver
from tests.contract.postgres_driver import server as server  # the fixture
from tests.postgres_server import PostgresServer

SEED = 20261126


@pytest.fixture
def driver(server: PostgresServer) -> Iterator[PostgresDriver]:
    with postgres_driver(server) as made_for_it:
        yield made_for_it


def test_random_rows_of_every_type_come_back_exactly(driver: PostgresDriver) -> None:
    numbers = itertools.count()
    with opened(driver) as destination:

        @settings(deadline=None, max_examples=60)
        @given(columns(max_columns=8, max_rows=8))
        def come_back(drawn: list[tuple[ColumnType, list[Any]]]) -> None:
            kinds = {f"c{number}": kind for number, (kind, _) in enumerate(drawn)}
            table = made(f"table_{next(numbers)}", {"id": ColumnType(LONG), **kinds})
            lists = [values for _, values in drawn]
            rows = [{"id": n, **dict(zip(kinds, row, strict=True))} for n, row in enumerate(zip(*lists, strict=True))]
            destination.create_table(table)
            destination.write(table, batch(table, rows=rows))
            destination.commit("{}")
            found = [{name: row[name] for name in ("id", *kinds)} for row in driver.rows(table)]
            destination.drop_table(table)

            assert shown(_spelt(found, kinds)) == shown(_spelt(rows, kinds))

        come_back()


def _spelt(rows: list[dict[str, Any]], kinds: dict[str, ColumnType]) -> list[dict[str, Any]]:
    """Give each JSON one spelling, as jsonb does."""
    ours = {name for name, kind in kinds.items() if kind.name == JSON}
    return [
        {n: json.dumps(json.loads(v), sort_keys=True) if n in ours and v is not None else v for n, v in row.items()}
        for row in rows
    ]


@pytest.mark.parametrize(("kind", "look_alike"), [(STRING, LOOK_ALIKE), (BINARY, LOOK_ALIKE_BYTES)])
def test_what_looks_like_a_part_of_copy_is_a_value(driver: PostgresDriver, kind: str, look_alike: list[Any]) -> None:
    table = made("values", {"id": ColumnType(LONG), "value": ColumnType(kind), "last": ColumnType(LONG)})
    rows = [{"id": n, "value": value, "last": None} for n, value in enumerate(look_alike)]
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=rows))
        destination.commit("{}")

    assert values(driver, table) == shown(rows)


def test_a_decimal_is_stored_as_postgres_stores_its_text(driver: PostgresDriver) -> None:
    """Of every precision and scale: the same digits, and none that Postgres would not keep."""
    chosen = random.Random(SEED)
    different: list[tuple[Any, ...]] = []
    with opened(driver) as destination:
        for precision in range(1, MAX_PRECISION + 1):
            kinds = [decimal_type(precision, scale) for scale in range(min(precision, MAX_SCALE) + 1)]
            largest = 10**precision - 1
            digits = [0, 1, -1, largest, -largest, *(10**n for n in range(0, precision, 3))]
            digits.append(chosen.randint(-largest, largest))
            texts = {f"t{kind.scale}": ColumnType(STRING) for kind in kinds}
            decimals = {f"n{kind.scale}": kind for kind in kinds}
            table = made(f"decimals_{precision}", {"id": ColumnType(LONG), **decimals, **texts})
            rows: list[dict[str, Any]] = []
            for number in digits:
                numbers = {kind.scale: decimal_of(number, kind) for kind in kinds}
                rows.append({"id": len(rows)})
                rows[-1] |= {f"n{scale}": value for scale, value in numbers.items()}
                rows[-1] |= {f"t{scale}": f"{value:f}" for scale, value in numbers.items()}
            destination.create_table(table)
            destination.write(table, batch(table, rows=rows))
            destination.commit("{}")
            compared = (
                f"SELECT '{kind}', n{kind.scale}, t{kind.scale} FROM tester.decimals_{precision} "
                f"WHERE numeric_send(n{kind.scale}) <> numeric_send(t{kind.scale}::numeric({precision},{kind.scale}))"
                for kind in kinds
            )
            different += driver.fetch(" UNION ALL ".join(compared))

    assert different == [], f"seed {SEED}"


def test_text_is_utf8_whatever_encoding_the_role_and_the_environment_have(
    driver: PostgresDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    driver.execute(f"ALTER ROLE {LOADER} IN DATABASE {driver.database} SET client_encoding = 'LATIN1'")
    table = made("values", {"id": ColumnType(LONG), "text": ColumnType(STRING), "json": ColumnType(JSON)})
    rows = [{"id": 1, "text": "\u00e9\u5317\U0001f600", "json": '"\u00e9\u5317\U0001f600"'}]
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=rows))
        destination.commit("{}")
    monkeypatch.delenv("PGCLIENTENCODING")

    assert values(driver, table) == shown(rows)


def test_a_value_that_postgres_refuses_is_named_by_its_column_and_not_shown(driver: PostgresDriver) -> None:
    table = made("values", {"id": ColumnType(LONG), "value": ColumnType(JSON)})
    with opened(driver) as destination:
        destination.create_table(table)
        with pytest.raises(DestinationError, match="overflows numeric format") as refused:
            destination.write(table, batch(table, rows=[{"id": 1, "value": '{"secret": 1e999999}'}]))

    assert "column value" in refused.value.message
    assert "secret" not in refused.value.message


def test_digits_that_the_type_of_an_array_has_not_are_refused(driver: PostgresDriver) -> None:
    """Arrow does not look at them: an array from elsewhere may hold them."""
    kind = decimal_type(5, 2)
    table = made("values", {"id": ColumnType(LONG), "value": kind})
    good = batch(table, rows=[{"id": 1, "value": decimal_of(1, kind)}])
    assert good.rows is not None
    number = pa.py_buffer((10**30).to_bytes(16, "little"))
    value = pa.Array.from_buffers(pa.decimal128(5, 2), 1, [None, number])
    bad = good.rows.set_column(good.rows.column_names.index("value"), "value", value)
    with opened(driver) as destination:
        destination.create_table(table)
        with pytest.raises(DestinationError, match="numeric field overflow"):
            destination.write(table, replace(good, rows=bad))
