"""Settings from arguments, configuration, environment and defaults."""

import copy
import pickle
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest

from sdk_helpers.settings import (
    MissingSettings,
    Secret,
    WrongSettings,
    convert,
    read_settings,
    setting,
)


@dataclass(frozen=True)
class Shop:
    api_key: Secret
    account: str
    page_size: int = 100
    active: bool = True
    regions: list[str] = field(default_factory=lambda: ["eu"])
    since: date | None = None
    mode: Literal["live", "sandbox"] = "live"


GIVEN = {"api_key": "k-12345", "account": "7"}


@pytest.mark.parametrize(
    ("argument", "configuration", "environment", "found"),
    [
        ("a",        "c",             "e",           "a"),
        (None,       "c",             "e",           "c"),
        (None,       None,            "e",           "e"),
        (None,       "",              "e",           "e"),
        (None,       "  ",            "e",           "e"),
        (None,       None,            "",            "default"),
        (None,       None,            None,          "default"),
        ("",         "c",             "e",           ""),
    ],
)  # fmt: skip
def test_the_first_place_that_has_a_value_wins(argument: Any, configuration: Any, environment: Any, found: str) -> None:
    value = setting(
        "SHOP_KEY",
        argument,
        {} if configuration is None else {"SHOP_KEY": configuration},
        environment={} if environment is None else {"SHOP_KEY": environment},
        default="default",
    )

    assert value == found


@pytest.mark.parametrize("argument", [0, False])
def test_zero_and_false_are_values(argument: Any) -> None:
    assert setting("N", argument, {"N": "1"}, kind=type(argument), environment={}) is argument


def test_a_value_that_is_nowhere_is_a_key_error_that_names_both_places() -> None:
    with pytest.raises(KeyError) as raised:
        setting("SHOP_KEY", environment={"SHOP_KEY": ""})

    assert str(raised.value) == "missing: SHOP_KEY (or the environment variable SHOP_KEY)"


def test_a_default_of_none_is_a_default() -> None:
    assert setting("SHOP_KEY", environment={}, default=None) is None


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_ACCOUNT", "from the shell")

    assert read_settings(Shop, {"api_key": "k"}, prefix="SHOP_").account == "from the shell"


def test_a_whole_shape_is_read_with_its_types() -> None:
    shop = read_settings(
        Shop,
        {**GIVEN, "page_size": "50", "active": "no", "since": ""},
        prefix="SHOP_",
        environment={"SHOP_REGIONS": "us, asia,", "SHOP_MODE": "sandbox", "SHOP_PAGE_SIZE": "1"},
        account="8",
    )

    assert shop == Shop(Secret("k-12345"), "8", 50, False, ["us", "asia"], None, "sandbox")


def test_all_that_is_missing_or_wrong_is_said_at_once_and_no_secret_is_shown() -> None:
    @dataclass
    class Many:
        token: Secret
        account: str
        key: Literal["a", "b"]
        pin: int
        words: list[Secret]

    with pytest.raises(MissingSettings) as raised:
        read_settings(Many, {"key": "c", "words": 17}, prefix="M_", environment={"M_PIN": "12x"})

    assert isinstance(raised.value, KeyError)
    assert str(raised.value).splitlines() == [
        "missing: token (or the environment variable M_TOKEN)",
        "missing: account (or the environment variable M_ACCOUNT)",
        "key in the configuration must be one of a, b, not 'c'",
        "the environment variable M_PIN must be a whole number, not '12x'",
        "words in the configuration must be a list",
    ]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (list[Secret] | None, '["s3cr3t", 1]'),
        (dict, '{"password": "s3cr3t", }'),
        (dict | None, "s3cr3t"),
        (dict[str, str], '["s3cr3t"]'),
    ],
)
def test_a_wrong_value_that_may_hold_a_secret_is_not_shown(kind: Any, text: str) -> None:
    with pytest.raises(WrongSettings) as raised:
        setting("KEYS", None, {"KEYS": text}, kind=kind)

    assert str(raised.value).startswith("KEYS in the configuration must be ")
    assert "s3cr3t" not in str(raised.value)


def test_wrong_values_alone_are_a_value_error() -> None:
    with pytest.raises(WrongSettings, match=r"page_size in the configuration must be a whole number, not '1\.5'"):
        read_settings(Shop, {**GIVEN, "page_size": "1.5"}, environment={})


def test_an_argument_that_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="Shop has no field pagesize"):
        read_settings(Shop, GIVEN, environment={}, pagesize=1)


def test_a_shape_that_is_no_dataclass_is_refused() -> None:
    with pytest.raises(TypeError, match="no dataclass"):
        read_settings(dict)


def test_a_secret_is_text_that_is_not_shown() -> None:
    shop = read_settings(Shop, GIVEN, environment={})

    assert "k-12345" not in repr(shop) + repr([shop.api_key]) + f"{shop!r}"
    assert shop.api_key == "k-12345"
    assert f"Bearer {shop.api_key}" == "Bearer k-12345"
    assert repr(copy.deepcopy(shop.api_key)) == repr(pickle.loads(pickle.dumps(shop.api_key))) == "Secret('***')"


@pytest.mark.parametrize(
    ("text",                              "kind",                   "value"),
    [
        (" 12 ",                          int,                      12),
        ("-0",                            int,                      0),
        ("9" * 30,                        int,                      int("9" * 30)),
        ("1.50",                          Decimal,                  Decimal("1.50")),
        (".5",                            float,                    0.5),
        ("1e3",                           float,                    1000.0),
        (3,                               float,                    3.0),
        ("TRUE",                          bool,                     True),
        ("off",                           bool,                     False),
        (False,                           bool,                     False),
        ("2024-02-29",                    date,                     date(2024, 2, 29)),
        ("2026-01-31T12:00:00Z",          datetime,                 datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00",     datetime,                 datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31 12:00",              datetime,                 datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("a, b ,,c",                      list,                     ["a", "b", "c"]),
        ('["a,b", "c"]',                  list[str],                ["a,b", "c"]),
        ("[1, 2]",                        list[int],                [1, 2]),
        (["1", 2],                        list[int],                [1, 2]),
        ("2026-01-01,2026-01-02",         list[date],               [date(2026, 1, 1), date(2026, 1, 2)]),
        ('{"a": [1]}',                    dict,                     {"a": [1]}),
        ({"a": 1},                        dict[str, int],           {"a": 1}),
        ("2",                             Literal[1, 2],            2),
        (" live ",                        Literal["live", "test"],  "live"),
        ("7",                             int | None,               7),
    ],
)  # fmt: skip
def test_text_becomes_the_type_that_was_asked_for(text: Any, kind: Any, value: Any) -> None:
    found = convert(text, kind)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text",            "kind"),
    [
        ("",            int),
        ("1_000",       int),
        ("1.0",         int),
        ("٣",           int),
        (True,          int),
        (1.5,           int),
        ("nan",         float),
        ("inf",         Decimal),
        ("1,5",         Decimal),
        (".",           float),
        ("1e999",       float),
        ("1e" + "9" * 30, Decimal),
        (float("nan"),  float),
        (float("inf"),  float),
        (Decimal("NaN"), Decimal),
        ("maybe",       bool),
        (1,             bool),
        ("2026-02-30",  date),
        ("20260131",    date),
        ("31.01.2026",  date),
        (datetime(2026, 1, 1, tzinfo=UTC), date),
        ("yesterday",   datetime),
        ("9999-12-31T23:59:59-05:00", datetime),
        (5,             datetime),
        ("[1",          list),
        ("[1, x]",      list[int]),
        ("1,x",         list[int]),
        ("[1]",         dict),
        ("[" * 100_000, list),
        ("LIVE",        Literal["live", "test"]),
        (5,             str),
    ],
)  # fmt: skip
def test_text_that_cannot_be_that_type_is_refused_without_being_shown(text: Any, kind: Any) -> None:
    with pytest.raises(ValueError) as raised:  # the text differs; that it hides the value is the point
        convert(text, kind)

    assert text == "" or len(str(text)) < 2 or str(text) not in str(raised.value)


@pytest.mark.parametrize("kind", [set, complex, int | str, object])
def test_a_type_that_no_setting_can_have_is_the_authors_error(kind: Any) -> None:
    with pytest.raises(TypeError, match="settings"):
        convert("1", kind)
