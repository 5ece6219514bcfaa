"""Databases for the tests of the Beanie face."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.support.mongodb import empty
from uow import Database
from uow.beanie import init_beanie


@pytest.fixture(params=["pymongo", "motor"])
async def bound(request: pytest.FixtureRequest, mongodb_database: str) -> AsyncGenerator[Database]:
    """An empty database, to which the classes in `ALL` of the test's module are bound."""
    empty(mongodb_database)
    url = mongodb_database
    if request.param == "motor":
        url = url.replace("mongodb://", "mongodb+motor://")
    models: Any = request.module.ALL
    found = await init_beanie(connection_string=url, document_models=models)
    yield found
    await found.aclose()
