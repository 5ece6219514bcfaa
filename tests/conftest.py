"""What every test stands on: the backends, one registry of models a test, Hypothesis profiles."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings

from tests.support.registry import isolated_models, pytest_make_collect_report

__all__ = ["isolated_models", "pytest_make_collect_report"]

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


@pytest.fixture(scope="session", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each test marked `anyio` under both event loops."""
    return str(request.param)
