"""The two worlds of the fault tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.world import World, memory_world, sqlite_world


@pytest.fixture
async def memory(anyio_backend: Any) -> AsyncIterator[World]:
    """A store with fault points, quick to give up."""
    world = memory_world(commit_timeout=0.3, cleanup_timeout=0.3, busy_timeout=1.0)
    async with world.database:
        await world.create()
        world.driver.clear_log()
        yield world
        world.driver.faults.clear()


@pytest.fixture
async def sqlite(anyio_backend: Any, tmp_path: Path) -> AsyncIterator[World]:
    """An SQLite file, quick to give up."""
    world = sqlite_world(tmp_path, commit_timeout=0.5, cleanup_timeout=0.5, busy_timeout=0.3)
    async with world.database:
        await world.create()
        yield world
