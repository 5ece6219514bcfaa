"""What a pooler in transaction mode does to its clients, as pgbouncer does it.

A client speaks to some connection of the server for the length of a transaction, and to another
one for the next. What a client left in a session is not there for it any more, and may be there for
somebody else: prepared statements, settings, cursors.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, final

from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.faults.messages import STARTUP, Message, PostgreSQLFraming, Side
from tests.faults.proxy import CHUNK, reset

__all__ = ["Pooler", "pooling"]

WELCOME: Final = ("Authentication", "ParameterStatus")
"""What a client is told of the server when it connects."""

ENDS: Final = ("Sync", "Query", "FunctionCall")
"""What the server answers with a ReadyForQuery."""


class Upstream:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.framing = PostgreSQLFraming()
        self.welcome = b""
        self.key = b""

    async def start(self, user: str, database: str) -> None:
        """Log in, and note what a client is to be told."""
        words = f"user\0{user}\0database\0{database}\0\0".encode()
        body = STARTUP.to_bytes(4) + words
        self.send((len(body) + 4).to_bytes(4) + body)
        while True:
            for message in await self.read():
                if message.kind in WELCOME:
                    self.welcome += message.data
                elif message.kind == "BackendKeyData":
                    self.key = message.data[5:]
                elif message.kind == "ReadyForQuery":
                    return

    def send(self, data: bytes) -> None:
        """Send what a client sent, or what we say ourselves."""
        self.framing.feed(Side.CLIENT, data)
        self.writer.write(data)

    async def read(self) -> list[Message]:
        """Wait for messages of the server.

        Raises:
            ConnectionResetError: the server closed.
        """
        messages: list[Message] = []
        while not messages:
            data = await self.reader.read(CHUNK)
            if not data:
                raise ConnectionResetError
            messages = self.framing.feed(Side.SERVER, data)
        return messages


class Client:
    """One connection of a client, and the connection to the server it has for the moment."""

    def __init__(self, pooler: Pooler, number: int, writer: asyncio.StreamWriter) -> None:
        self.pooler = pooler
        self.number = number
        self.writer = writer
        self.upstream: Upstream | None = None
        self.unanswered = 0
        self._answers: asyncio.Task[None] | None = None

    async def take(self, message: Message) -> None:
        """Pass a message on, to a connection that is had until the transaction is over."""
        if self.upstream is None:
            self.upstream = await self.pooler.take()
            self._answers = asyncio.create_task(self._answer(self.upstream))
        if message.kind in ENDS:
            self.unanswered += 1
        self.upstream.send(message.data)

    async def _answer(self, upstream: Upstream) -> None:
        """Pass the answers back, until one says that the transaction is over."""
        with suppress(OSError):
            while True:
                for message in await upstream.read():
                    self.writer.write(message.data)
                    if message.kind == "ReadyForQuery":
                        self.unanswered -= 1
                        if not self.unanswered and message.text == "I":
                            self.upstream = None
                            self.pooler.give_back(upstream)
                            return
        reset(self.writer)

    def end(self) -> None:
        """The client is gone; a transaction it left open ends with its connection."""
        upstream, self.upstream = self.upstream, None
        if self._answers is not None:
            self._answers.cancel()
        if upstream is not None:
            reset(upstream.writer)
            self.pooler.missing += 1


@final
class Pooler:
    """A port that leads to one of a few connections to a server, another one each transaction.

    Attributes:
        port: where it listens.
        served: how many transactions it gave a connection to.
        missing: how many connections a client's end has cost.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self, portal: BlockingPortal, target: tuple[str, int], user: str, database: str
    ) -> None:
        self.port = 0
        self.served = 0
        self.missing = 0
        self._portal = portal
        self._target = target
        self._login = (user, database)
        self._idle: deque[Upstream] = deque()
        self._clients: dict[int, Client] = {}
        self._numbers = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._welcome = b""

    async def start(self, size: int) -> None:
        """Connect to the server, and listen."""
        for _ in range(size):
            self._idle.append(await self._connect())
        self._welcome = self._idle[0].welcome
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _connect(self) -> Upstream:
        upstream = Upstream(*await self._open())
        await upstream.start(*self._login)
        return upstream

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._target
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def take(self) -> Upstream:
        """Give the connection that was idle longest: another one than the last time."""
        while not self._idle:
            if self.missing:
                self.missing -= 1
                self._idle.append(await self._connect())
            await asyncio.sleep(0.001)
        self.served += 1
        return self._idle.popleft()

    def give_back(self, upstream: Upstream) -> None:
        """Take a connection whose transaction is over."""
        self._idle.append(upstream)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._numbers += 1
        client = Client(self, self._numbers, writer)
        self._clients[client.number] = client
        framing = PostgreSQLFraming()
        try:
            while data := await reader.read(CHUNK):
                for message in framing.feed(Side.CLIENT, data):
                    if message.kind in ("SSLRequest", "GSSENCRequest"):
                        framing.feed(Side.SERVER, b"N")
                        writer.write(b"N")
                    elif message.kind == "Startup":
                        writer.write(self._welcome + self._key_of(client))
                        writer.write(b"Z\0\0\0\5I")
                    elif message.kind == "CancelRequest":
                        await self._cancel(message)
                        return
                    elif message.kind == "Terminate":
                        return
                    else:
                        await client.take(message)
        except OSError:
            pass
        finally:
            client.end()
            self._clients.pop(client.number, None)
            writer.close()

    def _key_of(self, client: Client) -> bytes:
        """Make the message with which a client may later cancel."""
        return b"K\0\0\0\x0c" + client.number.to_bytes(4) + bytes(4)

    async def _cancel(self, message: Message) -> None:
        """Cancel what the client is having done, on whichever connection that is."""
        client = self._clients.get(int.from_bytes(message.data[8:12]))
        upstream = client.upstream if client is not None else None
        if upstream is None:
            return
        reader, writer = await self._open()
        writer.write(message.data[:8] + upstream.key)
        await reader.read()
        writer.close()

    def close(self) -> None:
        """Close everything."""

        async def end() -> None:
            if self._server is not None:
                self._server.close()
            for client in list(self._clients.values()):
                client.end()
                reset(client.writer)
            for upstream in self._idle:
                reset(upstream.writer)
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._portal.call(end)


@contextmanager
def pooling(host: str, port: int, *, user: str, database: str, size: int = 3) -> Iterator[Pooler]:
    """Run a pooler in front of a server that lets the user in without a password."""
    with start_blocking_portal("asyncio") as portal:
        pooler = Pooler(portal, (host, port), user, database)
        portal.call(pooler.start, size)
        try:
            yield pooler
        finally:
            pooler.close()
