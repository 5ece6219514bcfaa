"""The model of a session against MariaDB and MySQL; see `machine.py`.

Nothing is cancelled here: a call that is takes its connection along, and so the whole transaction,
which the model does not know. `test_cancel_sweep.py` and `test_mysql_losses.py` cancel.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.machine import SessionMachine
from tests.faults.mysql import Line, MySQLWorld, mysql_world
from uow import UowError


class MySQLMachine(SessionMachine):
    """The same session over a server of MySQL."""

    line: ClassVar[Line]

    def make_world(self) -> MySQLWorld:
        """The database of this test run."""
        return mysql_world(self.line)

    def attempt(self, work: Callable[[], Coroutine[Any, Any, Any]], wait: int) -> bool | UowError:
        """Run something to its end."""
        return super().attempt(work, wait * 0)


class MariaDBMachine(MySQLMachine):
    """The same session over a server of MariaDB."""


@pytest.fixture(autouse=True)
def look_at_the_servers(request: pytest.FixtureRequest) -> None:
    """Say to the machines where the servers are: Hypothesis makes them without fixtures."""
    if request.cls is TestSessionOverMySQL:
        MySQLMachine.line = request.getfixturevalue("mysql_line")
    else:
        MariaDBMachine.line = request.getfixturevalue("mariadb_line")


_SETTINGS = settings(
    max_examples=int(os.environ.get("UOW_EXAMPLES", "150")) // 10,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)

TestSessionOverMySQL = MySQLMachine.TestCase
TestSessionOverMySQL.settings = _SETTINGS
TestSessionOverMariaDB = MariaDBMachine.TestCase
TestSessionOverMariaDB.settings = _SETTINGS
