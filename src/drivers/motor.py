"""MongoDB over Motor, under asyncio; for programs that have it: PyMongo itself has taken its place.

Everything but the differences listed here is the same as over PyMongo; see `pymongo.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import anyio.to_thread
from motor import motor_asyncio

from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers._pymongo_options import MongoDBOptions
from uow.url import URL

__all__ = ["create", "over"]


@final
class MotorFace:
    """Motor's `AsyncIOMotorClient`, which runs PyMongo's blocking client in threads."""

    name = "motor"
    is_threaded = True

    def open(self, uri: str, keywords: Mapping[str, Any]) -> Any:
        """Make a client; no I/O."""
        client: Any = motor_asyncio.AsyncIOMotorClient
        return client(uri, **keywords)

    async def close(self, client: Any) -> None:
        """Close a client, and what it has open. Motor would do it in the event loop."""
        await anyio.to_thread.run_sync(client.delegate.close)

    async def start_session(self, client: Any) -> Any:
        """Start a session; nothing is sent."""
        return await client.start_session(causal_consistency=False)

    async def start_transaction(self, session: Any, options: Mapping[str, Any]) -> None:
        """Begin a transaction; it is sent with the first statement."""
        session.start_transaction(**options)

    async def aggregate(self, target: Any, pipeline: Any, options: Mapping[str, Any]) -> Any:
        """Make the cursor of a pipeline; it is sent when the cursor is read."""
        return target.aggregate(pipeline, **options)


def create(url: URL, options: Mapping[str, Any]) -> MongoDBDriver:
    """Make the driver for `mongodb+motor://` and `mongodb+motor+srv://` URLs; no I/O.

    Args:
        url: as those of PyMongo's driver.
        options: those of `MongoDBOptions` and of PyMongo; they win over the query of the URL.

    Raises:
        ValidationError: an option is wrong, or does not go together with another.
    """
    return MongoDBDriver(url, MongoDBOptions.parse(url, options), MotorFace())


def over(database: Any) -> MongoDBDriver:
    """Make a driver of a database that is open already; closing it leaves that open.

    Values come as its codec options say.

    Raises:
        ValidationError: its writes are not acknowledged.
    """
    return MongoDBDriver.over(database, MotorFace())
