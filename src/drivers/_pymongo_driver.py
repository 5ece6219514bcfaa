"""What the connections of one MongoDB database share: one client, and what is known of its servers.

A client has sockets of its own and looks after the servers in the background. So a connection is a
session of it, opening one costs nothing, and what is lent and counted above is the right to one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Self, final

import anyio
import pymongo
from bson import CodecOptions
from bson.binary import UuidRepresentation
from bson.errors import BSONError
from pymongo.errors import (
    ConfigurationError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from uow.dialects.base import Dialect, dialect_for
from uow.drivers._pymongo_connection import MongoDBConnection
from uow.drivers._pymongo_errors import cause_of, error_for
from uow.drivers._pymongo_face import Face
from uow.drivers._pymongo_options import MongoDBOptions
from uow.drivers.base import Connection, TransactionOptions
from uow.errors import DriverError, Outcome, PoolClosedError, QueryError, UowError, ValidationError
from uow.url import URL

__all__ = ["MongoDBDriver"]

KILL_SECONDS: Final = 5.0
"""How long the server may take to be told to end a session that was cut off."""

CLOSE_SECONDS: Final = 2.0
"""How long the client may take to tell the servers that it leaves."""

REMEMBERED_SECONDS: Final = 25 * 60.0
"""For how long servers surely remember a commit: they forget sessions after half an hour."""

_SNAPSHOT: Final = ReadConcern("snapshot")
_MAJORITY: Final = ReadConcern("majority")
_LOCAL: Final = ReadConcern("local")

_ISOLATION: Final = {
    "SERIALIZABLE": _SNAPSHOT,
    "SNAPSHOT": _SNAPSHOT,
    "REPEATABLE READ": _SNAPSHOT,
    "READ COMMITTED": _MAJORITY,
    "MAJORITY": _MAJORITY,
    "READ UNCOMMITTED": _LOCAL,
    "LOCAL": _LOCAL,
}
"""Read concerns by level. A snapshot is the strictest there is: it prevents no write skew."""


@final
class MongoDBDriver:
    """One database of MongoDB.

    Args:
        url: where it is.
        options: see `MongoDBOptions`.
        face: the client library.

    Attributes:
        has_transactions: whether the servers have transactions (a replica set, or mongos); None
            until a connection was opened.
        is_encrypting: whether the client encrypts fields by itself.
        codec: how values are encoded; what is decoded with it are answers, not documents.
    """

    def __init__(self, url: URL, options: MongoDBOptions, face: Face) -> None:
        self.url = url
        self.options = options
        self.face = face
        self.has_transactions: bool | None = None
        self.is_encrypting = False
        self.codec: CodecOptions[Any] = CodecOptions()
        self.concern: Mapping[str, Any] = {}
        self._transaction: dict[str, Any] = {}
        self._client: Any = None
        self._database: Any = None
        self._collections: dict[str, Any] = {}
        self._process = os.getpid()
        self._meeting: asyncio.Future[Any] | None = None
        self._killing: set[asyncio.Task[None]] = set()
        self._is_owner = True
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<MongoDBDriver {self.url}>"

    @property
    def name(self) -> str:
        """The client library's name."""
        return self.face.name

    @property
    def dialect(self) -> Dialect:
        """The dialect of MongoDB."""
        return dialect_for("mongodb")

    @property
    def max_connections(self) -> int | None:
        """The server's limit is the server's to say."""
        return None

    @property
    def is_closed(self) -> bool:
        """Whether its client is closed."""
        return self._is_closed

    @property
    def client(self) -> Any:
        """The client, once it is made."""
        return self._client

    @property
    def database(self) -> Any:
        """The client's object for the database."""
        return self._database

    def collection(self, name: str) -> Any:
        """Give the client's object for a collection, which is made once."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._database[name]
        return found

    async def connect(self) -> MongoDBConnection:
        """Open a connection: a session of the client, which is made with the first one.

        Raises:
            DriverError: no server can be reached, or none lets us in; or this is trio.
        """
        if self._is_closed:
            raise PoolClosedError("the database is closed")
        self._refuse_trio()
        try:
            client = self._open()
            if self.has_transactions is None:
                await self._meet(client)
            session = await self.face.start_session(client)
        except (PyMongoError, BSONError, OSError, TypeError, ValueError) as error:
            raise self._cannot_connect(error) from cause_of(error)
        return MongoDBConnection(self, session)

    def _open(self) -> Any:
        """Make the client, in one step; it connects when it is first used."""
        if self._client is None:
            client = self.face.open(self.options.uri, self.options.keywords)
            self._use(client[self.options.database])
        return self._client

    def _use(self, database: Any) -> None:
        """Work on a database, as its client is set up."""
        concern: WriteConcern = database.write_concern
        document = concern.document
        given: ReadConcern = database.read_concern
        self._transaction = {
            "read_concern": given if given.level else _SNAPSHOT,
            # On a majority whatever is said for single writes: else a commit can be undone.
            "write_concern": WriteConcern(
                "majority", wtimeout=document.get("wtimeout"), j=document.get("j") or None
            ),
            "read_preference": ReadPreference.PRIMARY,
        }
        self.concern = document
        codec = database.codec_options
        if codec.uuid_representation == UuidRepresentation.UNSPECIFIED:
            # Else the client takes no UUIDs at all, and gives none.
            database = database.with_options(
                codec.with_options(uuid_representation=UuidRepresentation.STANDARD)
            )
        self._client, self._database = database.client, database
        self.is_encrypting = database.client.options.auto_encryption_opts is not None
        # A message may quote a text that was cut off in the middle of a character.
        self.codec = database.codec_options.with_options(
            document_class=dict, unicode_decode_error_handler="replace"
        )

    @classmethod
    def over(cls, database: Any, face: Face) -> Self:
        """Make a driver of a database that somebody else has opened, and will close.

        Raises:
            ValidationError: its writes are not acknowledged.
        """
        concern: WriteConcern = database.write_concern
        if not concern.acknowledged:
            raise ValidationError(
                f"the database {database.name} has the write concern w=0, so that a unit of work"
                " knows nothing of what became of its writes"
            )
        place = f"the client of {database.name}"
        options = MongoDBOptions(
            uri="", keywords={}, database=database.name, place=place, connect_timeout=30.0
        )
        made = cls(URL(scheme="mongodb", database=database.name), options, face)
        made._is_owner = False
        made._use(database)
        return made

    async def _meet(self, client: Any) -> None:
        """Ask what kind of servers these are; one question, whoever waits for the answer.

        It is not given up with those who ask: the client would leave a socket behind.
        """
        meeting = self._meeting
        if meeting is None:
            meeting = asyncio.ensure_future(client.admin.command("hello"))
            meeting.add_done_callback(self._take_note)
            self._meeting = meeting
        with anyio.fail_after(self.options.connect_timeout):
            await asyncio.shield(meeting)

    def _take_note(self, meeting: asyncio.Future[Any]) -> None:
        self._meeting = None
        if not meeting.cancelled() and meeting.exception() is None:
            hello = meeting.result()
            self.has_transactions = "setName" in hello or hello.get("msg") == "isdbgrid"

    def _refuse_trio(self) -> None:
        """Say so at once where the client library cannot work."""
        try:
            is_asyncio = asyncio.current_task() is not None
        except RuntimeError:
            is_asyncio = False
        if not is_asyncio:
            raise DriverError(
                f"{self.url.scheme}:// needs asyncio: its client library, {self.name}, does not"
                " run under trio"
            )

    def _cannot_connect(self, error: Exception) -> UowError:
        place = self.options.place
        if isinstance(error, TimeoutError):
            return DriverError(
                f"MongoDB on {place} did not answer within {self.options.connect_timeout:g} s"
                f"{self._what_is_wrong()}"
            )
        if isinstance(error, (ConfigurationError, InvalidURI, TypeError, ValueError)):
            return ValidationError(f"the way to MongoDB on {place} is not clear: {error}")
        if isinstance(error, OperationFailure):
            return error_for(error)
        if isinstance(error, ServerSelectionTimeoutError):
            return DriverError(f"MongoDB on {place} cannot be reached{self._what_is_wrong()}")
        mapped = error_for(error)
        return DriverError(f"MongoDB on {place} cannot be reached: {mapped.message}")

    def _what_is_wrong(self) -> str:
        """Say what the client met when it tried."""
        servers = self._client.topology_description.server_descriptions().values()
        met = [str(server.error) for server in servers if server.error is not None]
        return f": {'; '.join(met)}" if met else ""

    def transaction(self, options: TransactionOptions) -> dict[str, Any]:
        """Give the arguments of `start_transaction`.

        Raises:
            QueryError: the servers have no transactions, or no such isolation level.
        """
        if not self.has_transactions:
            raise QueryError(
                f"the MongoDB server on {self.options.place} stands alone and has no transactions:"
                " run it as a replica set (of one, if need be), or say Session(db, atomic=False) or"
                " init_documents(..., atomic=False), with which each write stands for itself"
            )
        if options.isolation is None:
            return self._transaction
        concern = _ISOLATION.get(options.isolation)
        if concern is None:
            raise QueryError(
                f"MongoDB has no isolation level {options.isolation}; there are"
                f" {', '.join(_ISOLATION)}"
            )
        return {**self._transaction, "read_concern": concern}

    # -- commits that were not answered

    def question(self, connection: Connection) -> Callable[[], Awaitable[Outcome | None]]:
        """Give what asks about the transaction that is open on a connection now."""
        if not isinstance(connection, MongoDBConnection):
            raise DriverError("the connection is of another driver")
        return partial(connection.ask_again, anyio.current_time() + REMEMBERED_SECONDS)

    # -- sessions that were cut off

    async def kill(self, name: Mapping[str, Any]) -> None:
        """Have the server end what a session does, its transaction and its cursors.

        Args:
            name: the `session_id`.

        Raises:
            PyMongoError: the server could not be told.
        """
        await self._client.admin.command({"killSessions": [name]})

    def kill_soon(self, name: Mapping[str, Any]) -> None:
        """Do that in the background, for one that cannot wait."""
        if self._is_closed or os.getpid() != self._process:
            return
        task = asyncio.get_running_loop().create_task(self._kill_quietly(name))
        self._killing.add(task)
        task.add_done_callback(self._killing.discard)

    async def _kill_quietly(self, name: Mapping[str, Any]) -> None:
        """End a session; if the server cannot be told, it does so itself after a minute."""
        try:
            with anyio.move_on_after(KILL_SECONDS):
                await self.kill(name)
        except (PyMongoError, OSError):
            return

    async def aclose(self) -> None:
        """Close the client. Sessions that were cut off are ended first, in bounded time."""
        if self._killing:
            with anyio.move_on_after(KILL_SECONDS):
                await asyncio.wait(self._killing)
        self._is_closed = True
        client, self._client = self._client, None
        if client is not None and self._is_owner and os.getpid() == self._process:
            # It tells the servers which sessions have ended, and would look for one for long.
            with pymongo.timeout(CLOSE_SECONDS):
                await self.face.close(client)
