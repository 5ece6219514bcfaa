"""Keeps the models of one test out of the way of all others; `tests/conftest.py` plugs it in.

Models of a test function live for that test, those of a test module for the tests of that module,
and those of a helper module (anything that is not a test module) everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from uow.mapping.registry import default_registry

Entries = dict[Any, Any]

_shared: Entries = {}
_of_module: dict[Path, Entries] = {}


def _swap(entries: Entries) -> Entries:
    """Make these the registered models; return what was registered."""
    before = dict(default_registry._entries)
    default_registry._entries.clear()
    default_registry._entries.update(entries)
    return before


def _is_defined_in(entry: Any, path: Path) -> bool:
    mapper = entry[1]()
    module = None if mapper is None else sys.modules.get(mapper.class_.__module__)
    file = getattr(module, "__file__", None)
    return file is not None and Path(file) == path


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Import a test module with only the shared models registered, then put its own aside."""
    if not isinstance(collector, pytest.Module):
        return (yield)
    outside = _swap(_shared)
    try:
        return (yield)
    finally:
        found = _swap(outside)
        own = {key: entry for key, entry in found.items() if _is_defined_in(entry, collector.path)}
        _of_module[collector.path] = own
        _shared.update({key: entry for key, entry in found.items() if key not in own})


@pytest.fixture(autouse=True)
def isolated_models(request: pytest.FixtureRequest) -> Generator[None]:
    """Register the shared models and those of the test's module, nothing of other tests."""
    outside = _swap(_shared | _of_module.get(request.path, {}))
    yield
    _swap(outside)
