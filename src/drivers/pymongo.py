"""MongoDB over PyMongo's asynchronous client, under asyncio.

How a connection works is in `_pymongo_connection.py`, what all connections of a database share in
`_pymongo_driver.py`, and what can be asked for in `_pymongo_options.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, final

from pymongo import AsyncMongoClient

from uow.drivers._pymongo_driver import MongoDBDriver
from uow.drivers._pymongo_options import MongoDBOptions
from uow.url import URL

__all__ = ["create", "over"]


@final
class PyMongoFace:
    """PyMongo's `AsyncMongoClient`."""

    name = "pymongo"
    is_threaded = False

    def open(self, uri: str, keywords: Mapping[str, Any]) -> Any:
        """Make a client; no I/O."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri, **keywords)
        return client

    async def close(self, client: Any) -> None:
        """Close a client, and what it has open."""
        await client.close()

    async def start_session(self, client: Any) -> Any:
        """Start a session; nothing is sent."""
        return client.start_session(causal_consistency=False)

    async def start_transaction(self, session: Any, options: Mapping[str, Any]) -> None:
        """Begin a transaction; it is sent with the first statement."""
        await session.start_transaction(**options)

    def aggregate(self, target: Any, pipeline: Any, options: Mapping[str, Any]) -> Awaitable[Any]:
        """Run a pipeline; give its cursor."""
        cursor: Awaitable[Any] = target.aggregate(pipeline, **options)
        return cursor


def create(url: URL, options: Mapping[str, Any]) -> MongoDBDriver:
    """Make the driver for `mongodb://` and `mongodb+srv://` URLs; no I/O.

    Args:
        url: `mongodb://user:password@host:27017/name`, several hosts with commas, or
            `mongodb+srv://user:password@cluster.example.com/name`.
        options: those of `MongoDBOptions` and of PyMongo; they win over the query of the URL.

    Raises:
        ValidationError: an option is wrong, or does not go together with another.
    """
    return MongoDBDriver(url, MongoDBOptions.parse(url, options), PyMongoFace())


def over(database: Any) -> MongoDBDriver:
    """Make a driver of a database that is open already; closing it leaves that open.

    Values come as its codec options say.

    Raises:
        ValidationError: its writes are not acknowledged.
    """
    return MongoDBDriver.over(database, PyMongoFace())
