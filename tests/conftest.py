"""What all tests share: only files named `test_*.py` are tests, the others are what they use."""

from __future__ import annotations

from pathlib import Path


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Keep the search for doctests away from connectors and tools that run elsewhere."""
    is_test = collection_path.name.startswith("test_") or collection_path.name == "conftest.py"
    return True if collection_path.suffix == ".py" and not is_test else None
