"""A session against a model of what it should do, by random steps; the model is `machine.py`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.faults.machine import SessionMachine


class TrioMachine(SessionMachine):
    """The same under trio."""

    backend = "trio"


chosen = settings(
    max_examples=int(os.environ.get("UOW_EXAMPLES", "150")),
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
TestSessionUnderAsyncio = SessionMachine.TestCase
TestSessionUnderAsyncio.settings = settings(chosen)
TestSessionUnderTrio = TrioMachine.TestCase
TestSessionUnderTrio.settings = settings(chosen)
