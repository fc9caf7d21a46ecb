"""The form a connector asks its configuration with, and the tests of what was entered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headwater import form_field
from headwater.form_field import FormField

__all__ = ["ConfigurationForm", "Test", "TestResult", "form_field"]


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a test of the configuration found; made by `Test.success()` and `Test.failure(message)`."""

    __test__ = False  # pytest: this is not a test case

    success: bool
    failure: str = ""


class Test:
    """What a test function of a form returns."""

    __test__ = False  # pytest: this is not a test case

    @staticmethod
    def success() -> TestResult:
        return TestResult(True)

    @staticmethod
    def failure(message: str) -> TestResult:
        """Say why the configuration cannot be used.

        Errors: TypeError when the message is no text.
        """
        if not isinstance(message, str):
            raise TypeError(f"Test.failure() takes text, got {type(message).__name__}: write Test.failure(str(…))")
        return TestResult(False, message)


@dataclass(frozen=True, slots=True)
class FormTest:
    """One test of a form: what the operator sees, and the function that gets the configuration."""

    label: str
    function: Callable[[dict[str, Any]], TestResult]


class ConfigurationForm:
    """Fields in the order they are asked for, and tests to run on the answers."""

    def __init__(self) -> None:
        self.fields: list[FormField] = []
        self.tests: dict[str, FormTest] = {}

    def add_field(self, field: FormField) -> ConfigurationForm:
        if not isinstance(field, FormField):
            raise TypeError(f"field must be a form_field, got {type(field).__name__}: {field!r}")
        self.fields.append(field)
        return self

    def add_test(self, *, label: str, func: Callable[[dict[str, Any]], TestResult]) -> ConfigurationForm:
        """Add a test; it is known by the name of its function.

        Errors: ValueError for a blank label, a lambda, or a function name used before; TypeError for what
        cannot be called.
        """
        name = getattr(func, "__name__", "")
        if not isinstance(label, str) or not label.strip():
            raise ValueError(f"label must not be empty for test function '{name or repr(func)}'")
        if not callable(func):
            raise TypeError("func must be callable")
        if name in ("", "<lambda>"):
            raise ValueError(
                "anonymous lambda functions cannot be used as test functions; "
                "assign the function to a named variable first"
            )
        if name in self.tests:
            raise ValueError(
                f"a test function named '{name}' is already registered; each test function must have a unique name"
            )
        self.tests[name] = FormTest(label, func)
        return self

    def run_test(self, name: str, configuration: Mapping[str, Any]) -> TestResult:
        """Run one test; an answer that is no result counts as a failure (rule A-102).

        Errors: RuntimeError for a name no test has.
        """
        if name not in self.tests:
            raise RuntimeError(f"no test registered with name '{name}'; there are: {', '.join(self.tests) or 'none'}")
        result = self.tests[name].function(dict(configuration))
        if not isinstance(result, TestResult):
            kind = type(result).__name__
            return Test.failure(f"test '{name}' must return Test.success() or Test.failure(...), got {kind}")
        return result
