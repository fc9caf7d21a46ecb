"""The contract's assertions live in the package: let pytest explain them as those of a test file."""

import pytest

pytest.register_assert_rewrite("headwater.testing.contract")
pytest.register_assert_rewrite("headwater.testing.migration_contract")
