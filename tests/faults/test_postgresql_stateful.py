"""The model of a session against PostgreSQL; see `machine.py`."""

from __future__ import annotations

import os
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.machine import SessionMachine
from tests.faults.postgresql import Outside, PostgreSQLWorld, postgresql_world


class PostgreSQLMachine(SessionMachine):
    """The same session over a server."""

    line: ClassVar[Outside]

    def make_world(self) -> PostgreSQLWorld:
        """The database of this test run."""
        return postgresql_world(self.line)


@pytest.fixture(autouse=True)
def look_at_the_server(line: Outside) -> None:
    """Say to the machine where the server is: Hypothesis makes it without fixtures."""
    PostgreSQLMachine.line = line


TestSessionOverPostgreSQL = PostgreSQLMachine.TestCase
TestSessionOverPostgreSQL.settings = settings(
    max_examples=int(os.environ.get("UOW_EXAMPLES", "150")) // 6,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
