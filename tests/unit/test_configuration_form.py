"""The form of a configuration: its fields, its tests, and what is refused (rules A-100 to A-102)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater import ConfigurationForm, Test, form_field
from headwater.configuration_form import FormTest, TestResult
from headwater.form_field import FormField


def the_key_is_good(configuration: dict[str, Any]) -> TestResult:
    return Test.success() if configuration.get("key") == "good" else Test.failure("the key is not good")


def answers_nothing(configuration: dict[str, Any]) -> Any:
    return None


def changes_what_it_is_given(configuration: dict[str, Any]) -> TestResult:
    configuration["key"] = "changed"
    return Test.success()


def raises(configuration: dict[str, Any]) -> TestResult:
    raise ConnectionError("no answer")


def test_a100_a_form_keeps_its_fields_and_tests_in_order() -> None:
    name, again = form_field.TextField("name", "Name"), form_field.TextField("name", "Name again")
    form = ConfigurationForm().add_field(name).add_field(again).add_test(label="The key", func=the_key_is_good)

    assert form.fields == [name, again]  # a name may come twice
    assert form.tests == {"the_key_is_good": FormTest("The key", the_key_is_good)}


@pytest.mark.parametrize("field", [None, "name", {"name": "n"}, FormField, form_field.TextField])
def test_a100_what_is_no_field_is_a_type_error(field: Any) -> None:
    form = ConfigurationForm()

    with pytest.raises(TypeError, match=r"^field must be a form_field, got "):
        form.add_field(field)

    assert form.fields == []


NO_LABEL = "label must not be empty for test function 'the_key_is_good'"
WRONG_TESTS: list[tuple[Any, Any, Exception]] = [
    # label      func                   error
    ("",         the_key_is_good,       ValueError(NO_LABEL)),
    (" ",        the_key_is_good,       ValueError(NO_LABEL)),
    (None,       the_key_is_good,       ValueError(NO_LABEL)),
    ("label",    "the_key_is_good",     TypeError("func must be callable")),
    ("label",    None,                  TypeError("func must be callable")),
    ("label",    lambda configuration: Test.success(),
                                        ValueError("anonymous lambda functions cannot be used as test functions; "
                                                   "assign the function to a named variable first")),
    ("other",    answers_nothing,       ValueError("a test function named 'answers_nothing' is already registered; "
                                                   "each test function must have a unique name")),
]  # fmt: skip


@pytest.mark.parametrize(("label", "func", "error"), WRONG_TESTS, ids=[str(error) for *_, error in WRONG_TESTS])
def test_a100_a_wrong_test_is_refused(label: Any, func: Any, error: Exception) -> None:
    form = ConfigurationForm().add_test(label="first", func=answers_nothing)

    with pytest.raises(type(error)) as caught:
        form.add_test(label=label, func=func)

    assert str(caught.value) == str(error)
    assert list(form.tests) == ["answers_nothing"]


FIELDS: list[tuple[Callable[[], FormField], dict[str, Any]]] = [
    (
        lambda: form_field.TextField(
            "key", "Key", form_field.password, description="d", required=True, placeholder="p"
        ),
        {"field_type": "password", "description": "d", "required": True, "placeholder": "p"},
    ),
    (
        lambda: form_field.TextField("key", "Key"),
        {"field_type": "plain_text", "description": None, "required": False, "placeholder": None},
    ),
    (
        lambda: form_field.DropdownField("key", "Key", fields=[form_field.DropdownFieldParam("eu", "Europe")]),
        {
            "fields": [form_field.DropdownFieldParam("eu", "Europe", None)],
            "description": None, "required": False, "placeholder": None,
        },
    ),
    (lambda: form_field.ToggleField("key", "Key"), {"description": None, "required": False}),
]  # fmt: skip


@pytest.mark.parametrize(("make", "values"), FIELDS)
def test_a101_a_field_holds_what_it_is_given(make: Callable[[], FormField], values: dict[str, Any]) -> None:
    assert vars(make()) == {"name": "key", "label": "Key", **values}


WRONG_FIELDS: list[tuple[Callable[[], FormField], Exception]] = [
    (
        lambda: form_field.DropdownField("region", "Region", fields=[]),
        ValueError("DropdownField 'region' must define at least one option in 'fields'."),
    ),
    (
        lambda: form_field.DropdownField("region", "Region", fields=["eu"]),  # type: ignore[list-item]  # what it refuses
        TypeError("DropdownField region: fields must hold DropdownFieldParam(…), not 'eu'"),
    ),
    (
        lambda: form_field.TextField("key", 7),  # type: ignore[arg-type]  # what it refuses
        TypeError("TextField key: label must be a string, not 7"),
    ),
    (
        lambda: form_field.TextField("key", "Key", placeholder=b"p"),  # type: ignore[arg-type]  # what it refuses
        TypeError("TextField key: placeholder must be a string, not b'p'"),
    ),
    (
        lambda: form_field.ToggleField("key", "Key", required="no"),  # type: ignore[arg-type]  # what it refuses
        TypeError("ToggleField key: required must be True or False, not 'no'"),
    ),
    (
        lambda: form_field.TextField("key", "Key", "hidden"),
        ValueError("TextField key: field_type must be plain_text or password, not 'hidden'"),
    ),
]


@pytest.mark.parametrize(("make", "error"), WRONG_FIELDS)
def test_a101_a_wrong_field_is_refused_by_name(make: Callable[[], FormField], error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        make()

    assert str(caught.value) == str(error)


RUNS: list[tuple[Any, dict[str, Any], TestResult]] = [
    # the test           configuration       what it finds
    (the_key_is_good,    {"key": "good"},    TestResult(True)),
    (the_key_is_good,    {"key": "bad"},     TestResult(False, "the key is not good")),
    (answers_nothing,    {},                 TestResult(False, "test 'answers_nothing' must return Test.success() "
                                                               "or Test.failure(...), got NoneType")),
]  # fmt: skip


@pytest.mark.parametrize(("func", "configuration", "found"), RUNS)
def test_a102_a_test_gets_the_configuration_and_must_say_what_it_found(
    func: Any, configuration: dict[str, Any], found: TestResult
) -> None:
    form = ConfigurationForm().add_test(label="l", func=func)

    assert form.run_test(func.__name__, configuration) == found


def test_a102_a_test_cannot_change_the_configuration() -> None:
    configuration = {"key": "good"}
    form = ConfigurationForm().add_test(label="l", func=changes_what_it_is_given)

    form.run_test("changes_what_it_is_given", configuration)

    assert configuration == {"key": "good"}


def test_a102_an_exception_of_a_test_is_the_callers() -> None:
    form = ConfigurationForm().add_test(label="l", func=raises)

    with pytest.raises(ConnectionError, match="no answer"):
        form.run_test("raises", {})


def test_a102_a_name_no_test_has_is_a_runtime_error_that_names_those_there_are() -> None:
    form = ConfigurationForm().add_test(label="l", func=raises)

    with pytest.raises(RuntimeError) as caught:
        form.run_test("raise", {})

    assert str(caught.value) == "no test registered with name 'raise'; there are: raises"


def test_a101_a_field_and_a_choice_may_be_changed_before_they_are_added() -> None:
    key, region = form_field.TextField("key", "Key"), form_field.DropdownFieldParam("eu")
    key.required = True
    region.label = "Europe"

    assert (key, region) == (
        form_field.TextField("key", "Key", required=True), form_field.DropdownFieldParam("eu", "Europe"),
    )  # fmt: skip


def test_a102_an_answer_says_whether_and_why_as_in_the_original() -> None:
    good, bad = Test().success(), Test().failure("no such host")

    assert (good.success, good.failure) == (True, "")
    assert (bad.success, bad.failure) == (False, "no such host")


@pytest.mark.parametrize("message", [None, 1, ValueError("no such host")])
def test_a102_a_reason_that_is_no_text_is_refused_in_its_call(message: Any) -> None:
    with pytest.raises(TypeError, match=r"^Test.failure\(\) takes text, got "):
        Test.failure(message)
