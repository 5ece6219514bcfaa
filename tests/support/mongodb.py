"""Databases of MongoDB for tests: one a process of the run, emptied for each test."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from tests.mongod import mongodb_url
from tests.servers import REQUIRED, MissingServerError, locked

__all__ = [
    "LEAVES_SOCKETS",
    "Recorder",
    "client_of",
    "collected",
    "database_of",
    "drop",
    "empty",
    "fail_point",
    "is_quiet",
    "mongodb_database",
    "mongodb_server_url",
    "new_database",
    "open_transactions",
    "own_mongodb_database",
    "with_database",
]


LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""PyMongo leaves a socket that it was opening when it was cancelled, or closed, to the collector.

Tests of these cases use `collected` as well, so that it is collected there and not in another test.
"""


@pytest.fixture
def collected() -> Iterator[None]:
    """What was left is collected when the test ends."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def mongodb_server_url() -> str:
    """The URL of the replica set; without one the test is skipped, or fails in CI."""
    try:
        return mongodb_url()
    except MissingServerError as error:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(f"no MongoDB: {error} ({REQUIRED}=1 makes that a failure)")


@pytest.fixture(scope="session")
def mongodb_database(mongodb_server_url: str) -> Generator[str]:
    """The URL of an empty database of this process of the run."""
    with new_database(mongodb_server_url) as url:
        yield url


@contextmanager
def new_database(server: str, suffix: str = "") -> Iterator[str]:
    """A database of this process of the run, for those whose indexes must not be in the way."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"uow_test_{worker}_{os.getpid()}{suffix}"
    url = with_database(server, name)
    # By the name of the program the server tells what is this process's own.
    yield f"{url}{'&' if '?' in url else '?'}appName={name}"

    drop(url)


@pytest.fixture(name="mongodb_database")
def own_mongodb_database(mongodb_server_url: str) -> Iterator[str]:
    """A database without collections, for who compares or drops all there are."""
    with new_database(mongodb_server_url, "_own") as url:
        yield url


def with_database(url: str, name: str) -> str:
    """Give the URL of another database of the same servers."""
    head, question, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{question}{query}"


@contextmanager
def client_of(url: str, **options: Any) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of its own, which sees what is in the store.

    It polls: in a client that listens a thread may open another socket just when it is closed.
    """
    scheme, separator, rest = url.partition("://")
    plain = scheme.replace("+motor", "") + separator + rest
    client: MongoClient[dict[str, Any]] = MongoClient(
        plain, tz_aware=True, serverMonitoringMode="poll", **options
    )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def database_of(url: str) -> Iterator[Any]:
    """The database of a URL, by a client of its own."""
    with client_of(url) as client:
        yield client.get_default_database()


def transactions_of(database: Any) -> list[Any]:
    """What the server tells of the open transactions of clients that are called as a database."""
    found = database.client.admin.aggregate(
        [
            {"$currentOp": {"allUsers": True, "idleSessions": True}},
            {
                "$match": {
                    "transaction.parameters.autocommit": False,
                    "appName": {"$regex": f"^{database.name}"},
                }
            },
        ]
    )
    return list(found)


def _end_transactions(database: Any) -> None:
    for found in transactions_of(database):
        database.client.admin.command({"killSessions": [{"id": found["lsid"]["id"]}]})


def open_transactions(url: str) -> int:
    """How many transactions of this process's clients the server holds."""
    with database_of(url) as database:
        return len(transactions_of(database))


async def is_quiet(url: str) -> bool:
    """Whether the server holds no transaction of this process any more, within some seconds."""
    with anyio.move_on_after(5):
        while open_transactions(url):  # noqa: ASYNC110  # the server wakes nobody
            await anyio.sleep(0.01)
        return True
    return False


def drop(url: str) -> None:
    """Remove a database."""
    with database_of(url) as database:
        _end_transactions(database)
        database.client.drop_database(database.name)


def empty(url: str) -> None:
    """Remove all documents; collections and indexes stay, which take longer to make.

    Transactions that a test left open are ended first: they would hold their documents for long.
    """
    with database_of(url) as database:
        _end_transactions(database)
        _delete_all(database)


@contextmanager
def fail_point(
    url: str, *commands: str, times: int | None = 1, app: str | None = None, **data: Any
) -> Iterator[None]:
    """Have the server fail commands for the length of a block.

    Args:
        url: where it is.
        commands: the names of the commands.
        times: how often; None for always.
        app: the `appname` of the client to which it happens; it must be the test's own, where
            other tests run on the same server.
        data: what happens: `errorCode`, `closeConnection`, `blockConnection` with `blockTimeMS`,
            `errorLabels`, `writeConcernError`, ...
    """
    point = {"failCommands": list(commands), **({} if app is None else {"appName": app}), **data}
    mode: Any = "alwaysOn" if times is None else {"times": times}
    # The server has one of these, and all processes of the run share it.
    with locked("fail point"), client_of(url) as client:
        client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": point})
        try:
            yield
        finally:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


class Recorder(CommandListener):
    """Keeps the commands that a client sent, those of its own life left out."""

    _OF_ITS_LIFE = frozenset({"hello", "ismaster", "endSessions", "killSessions", "saslStart"})

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    @property
    def names(self) -> list[str]:
        """The names of the commands, in order."""
        return [next(iter(command)) for command in self.sent]

    def started(self, event: CommandStartedEvent) -> None:
        """Keep a command."""
        if event.command_name not in self._OF_ITS_LIFE:
            self.sent.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing is kept of an answer."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing is kept of an error."""


_with_collections: set[str] = set()


async def empty_for_suite(url: str) -> bool:
    """Remove all documents; say whether the collections of the suite are there.

    Sessions are left alone: others of the run use the same server, and the suite leaves no
    transaction open.
    """
    await anyio.to_thread.run_sync(_remove_documents, url)
    return _plain(url) in _with_collections


async def remember(url: str) -> None:
    """Take note that they are."""
    _with_collections.add(_plain(url))


def _plain(url: str) -> str:
    return url.replace("mongodb+motor", "mongodb")


def _remove_documents(url: str) -> None:
    with database_of(url) as database:
        _delete_all(database)


def _delete_all(database: Any) -> None:
    """Remove all documents; views and what the server keeps for itself are left alone."""
    for name in database.list_collection_names(filter={"type": "collection"}):
        if not name.startswith("system."):
            database[name].delete_many({})
