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

    ok: bool
    message: str = ""


class Test:
    """What a test function of a form returns."""

    __test__ = False  # pytest: this is not a test case

    @staticmethod
    def success() -> TestResult:
        return TestResult(True)

    @staticmethod
    def failure(message: str) -> TestResult:
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
            raise TypeError(f"add_field() takes a field of form_field, not {type(field).__name__}")
        self.fields.append(field)
        return self

    def add_test(self, *, label: str, func: Callable[[dict[str, Any]], TestResult]) -> ConfigurationForm:
        """Add a test; it is known by the name of its function.

        Errors: ValueError for a blank label, a lambda, or a function name used before; TypeError for what
        cannot be called.
        """
        if not isinstance(label, str) or not label.strip():
            raise ValueError("add_test(): label must be a non-empty string")
        if not callable(func):
            raise TypeError(f"add_test(): func must be a function, not {type(func).__name__}")
        name = getattr(func, "__name__", "")
        if name in ("", "<lambda>"):
            raise ValueError("add_test(): func must be a function with a name, not a lambda")
        if name in self.tests:
            raise ValueError(f"add_test(): there is already a test {name!r}")
        self.tests[name] = FormTest(label, func)
        return self

    def run_test(self, name: str, configuration: Mapping[str, Any]) -> TestResult:
        """Run one test; an answer that is no result counts as a failure (rule A-102).

        Errors: RuntimeError for a name no test has.
        """
        if name not in self.tests:
            raise RuntimeError(f"there is no test {name!r}; there are: {', '.join(self.tests) or 'none'}")
        result = self.tests[name].function(dict(configuration))
        if not isinstance(result, TestResult):
            kind = type(result).__name__
            return Test.failure(f"test '{name}' must return Test.success() or Test.failure(...), got {kind}")
        return result
