"""What every test stands on: the backends, one registry of models a test, Hypothesis profiles."""

from __future__ import annotations

import gc
import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings

from tests.support.mongodb import mongodb_database, mongodb_server_url
from tests.support.mysql import (
    mariadb_database,
    mariadb_server_url,
    mysql_database,
    mysql_server_url,
)
from tests.support.postgresql import (
    postgresql_database,
    pytest_configure,
    pytest_unconfigure,
    server_url,
)
from tests.support.registry import isolated_models, pytest_make_collect_report

__all__ = [
    "isolated_models",
    "mariadb_database",
    "mariadb_server_url",
    "mongodb_database",
    "mongodb_server_url",
    "mysql_database",
    "mysql_server_url",
    "postgresql_database",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_make_collect_report",
    "pytest_unconfigure",
    "server_url",
]

# Derandomized where a run must mean the same every time; at a desk each run looks further.
settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("desk", deadline=timedelta(seconds=5))
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_collection_finish() -> None:
    """Have the collector pass over the tests themselves, which are many, and often call it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each test marked `anyio` under both event loops."""
    return str(request.param)
