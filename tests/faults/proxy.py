"""A proxy that understands the messages it passes on, and can be told what to do at which.

It stands between a client and a real server, runs in a thread of its own (so that a test that
blocks its event loop does not stop the network), and passes everything on unchanged. A plan says
at which message something happens, before or after that is passed on; a plan happens once.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol, TypeAlias, final

import attrs
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.faults.messages import Framing, Message, PostgreSQLFraming, Side

__all__ = [
    "Action",
    "Call",
    "Cut",
    "Delay",
    "HalfClose",
    "Proxy",
    "Stall",
    "completed",
    "everything",
    "of_kind",
    "ready",
    "running",
    "runs",
    "sent_by",
]

Match: TypeAlias = Callable[[Message], bool]

CHUNK: Final = 1 << 16


def runs(sql: str) -> Match:
    """Match what a client sends to have a statement run whose text begins so."""
    words = sql.upper()

    def match(message: Message) -> bool:
        return message.kind in ("Query", "Execute") and message.text.lstrip().upper().startswith(
            words
        )

    return match


def completed(tag: str) -> Match:
    """Match the server's word that it has done something, by its tag."""
    return lambda message: message.kind == "CommandComplete" and message.text.startswith(tag)


def ready(state: str) -> Match:
    """Match the server's word that it waits, by the state of its transaction: `I`, `T` or `E`."""
    return lambda message: message.kind == "ReadyForQuery" and message.text == state


def of_kind(*kinds: str) -> Match:
    """Match messages by the protocol's name for them."""
    return lambda message: message.kind in kinds


def sent_by(side: Side) -> Match:
    """Match all messages of one side."""
    return lambda message: message.side is side


def everything(message: Message) -> bool:
    """Match every message."""
    return bool(message.data)


class Action(Protocol):
    """What happens at a message."""

    async def happen(self, link: Link) -> None:
        """Do it."""
        ...


@final
@attrs.frozen
class Delay:
    """The message, and what follows on its side, comes later."""

    seconds: float

    async def happen(self, link: Link) -> None:
        """Sleep."""
        await asyncio.sleep(self.seconds)


@final
@attrs.frozen
class Cut:
    """Both ends of the connection get a reset."""

    async def happen(self, link: Link) -> None:
        """Cut."""
        link.cut()


@final
@attrs.frozen
class HalfClose:
    """One side seems to have said its last word; it can still be spoken to.

    Attributes:
        side: who seems to have closed.
    """

    side: Side

    async def happen(self, link: Link) -> None:
        """Send the end of the stream."""
        link.half_close(self.side)


@final
@attrs.frozen
class Stall:
    """Nothing passes any more, either way, and nobody is told; until `Proxy.resume`."""

    async def happen(self, link: Link) -> None:
        """Stop."""
        link.stall()
        await link.flows()


@final
@attrs.frozen
class Call:
    """Calls a function, in the proxy's thread, and goes on when it has returned."""

    function: Callable[[], object]

    async def happen(self, link: Link) -> None:
        """Call."""
        self.function()


@attrs.define(eq=False)
class Plan:
    """An action and the message it waits for."""

    matches: Match
    action: Action
    left: int
    is_after: bool
    link: int | None

    def arrives(self, message: Message, link: int) -> bool:
        """Count a message that fits, and say whether it is the one."""
        if self.left < 1 or self.link not in (None, link) or not self.matches(message):
            return False
        self.left -= 1
        return self.left == 0


@final
class Link:
    """One connection: a client, the server, and a pump each way."""

    def __init__(self, proxy: Proxy, number: int, framing: Framing) -> None:
        self.proxy = proxy
        self.number = number
        self.framing = framing
        self.writers: dict[Side, asyncio.StreamWriter] = {}
        self.is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()

    async def run(
        self, readers: dict[Side, asyncio.StreamReader], writers: dict[Side, asyncio.StreamWriter]
    ) -> None:
        """Pass on until both sides are silent."""
        self.writers = writers
        await asyncio.gather(*(self._pump(side, readers[side]) for side in Side))

    async def _pump(self, side: Side, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(CHUNK):
                if self.proxy.latency:
                    await asyncio.sleep(self.proxy.latency)
                await self._pass_on(side, data)
        except OSError:
            self.cut()
        await self.flows()
        self.half_close(side)

    async def _pass_on(self, side: Side, data: bytes) -> None:
        """Pass on what one read gave: in one piece, but where something happens in between."""
        writer = self.writers[side.other]
        passing = bytearray()

        async def flush() -> None:
            await self.flows()
            if passing and not self.is_cut:
                writer.write(bytes(passing))
                await writer.drain()
            passing.clear()

        for message in self.framing.feed(side, data):
            for is_after in (False, True):
                for plan in self.proxy.due(message, self.number, is_after=is_after):
                    await flush()
                    await plan.action.happen(self)
                    if self.is_cut:
                        return
                if not is_after:
                    self.proxy.note(message)
                    passing += message.data
        await flush()

    async def flows(self) -> None:
        """Wait while it is stalled."""
        await self._flows.wait()

    def stall(self) -> None:
        """Let nothing pass."""
        self._flows.clear()

    def resume(self) -> None:
        """Let everything pass again."""
        self._flows.set()

    def half_close(self, side: Side) -> None:
        """Tell the other side that this one has said its last word."""
        writer = self.writers[side.other]
        if not writer.transport.is_closing():
            with suppress(OSError):
                writer.write_eof()

    def cut(self) -> None:
        """Reset both ends."""
        self.is_cut = True
        for writer in self.writers.values():
            reset(writer)
        self.resume()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other end gets a reset and not an end of the stream."""
    end: Any = writer.get_extra_info("socket")
    # A lingering time of zero is how a reset is asked for (socket(7), SO_LINGER).
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@final
class Proxy:
    """A port that leads to a server.

    Attributes:
        host: where it listens.
        port: where it listens.
        latency: seconds that everything takes, each way.
        log: every message passed on, in order.
        connections: how many connections were made through it.
    """

    host: Final = "127.0.0.1"

    def __init__(
        self,
        portal: BlockingPortal,
        connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
        framing: Callable[[], Framing],
    ) -> None:
        self.port = 0
        self.latency = 0.0
        self.log: list[Message] = []
        self.connections = 0
        self._portal = portal
        self._connect = connect
        self._framing = framing
        self._plans: list[Plan] = []
        self._links: set[Link] = set()
        self._server: asyncio.Server | None = None
        self._holds = False

    # -- plans

    def before(
        self, matches: Match, action: Action, *, nth: int = 1, link: int | None = None
    ) -> None:
        """Plan what happens when a message has come, and before it is passed on.

        Args:
            matches: which messages count.
            action: what happens.
            nth: at which of them; 1 is the next.
            link: count only those of this connection, numbered from 1.
        """
        self._plans.append(Plan(matches, action, nth, False, link))

    def after(
        self, matches: Match, action: Action, *, nth: int = 1, link: int | None = None
    ) -> None:
        """Plan what happens when a message has been passed on; arguments as of `before`."""
        self._plans.append(Plan(matches, action, nth, True, link))

    @property
    def pending(self) -> int:
        """How many plans have not happened yet."""
        return sum(plan.left > 0 for plan in self._plans)

    def clear(self) -> None:
        """Forget the plans and the log; let everything pass, at once."""
        self._plans.clear()
        self.log.clear()
        self.latency = 0.0
        self.resume()

    def due(self, message: Message, link: int, *, is_after: bool) -> list[Plan]:
        """Count a message, and give the plans that happen at it."""
        plans = [plan for plan in self._plans if plan.is_after is is_after]
        return [plan for plan in plans if plan.arrives(message, link)]

    # -- what was seen

    def note(self, message: Message) -> None:
        """Note a message that is passed on."""
        self.log.append(message)

    def count(self, matches: Match = everything) -> int:
        """How many messages were passed on that match."""
        return sum(map(matches, list(self.log)))

    def bytes_from(self, side: Side) -> int:
        """How many bytes one side has sent."""
        return sum(len(message.data) for message in list(self.log) if message.side is side)

    @property
    def open_links(self) -> int:
        """How many connections there are now."""
        return len(self._links)

    # -- all connections at once

    def cut(self) -> None:
        """Cut every connection."""
        self._each(Link.cut)

    def stall(self) -> None:
        """Stall every connection, those still to be made as well."""
        self._holds = True
        self._each(Link.stall)

    def resume(self) -> None:
        """End every stall."""
        self._holds = False
        self._each(Link.resume)

    def _each(self, action: Callable[[Link], None]) -> None:
        def act() -> None:
            for link in list(self._links):
                action(link)

        self._portal.call(act)

    def refuse(self) -> None:
        """Accept no more connections; those that are there stay."""

        def close() -> None:
            if self._server is not None:
                self._server.close()

        self._portal.call(close)

    def accept(self) -> None:
        """Accept connections, at the same port as before."""
        self._portal.call(self._listen)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port or None)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            reset(writer)
            return
        self.connections += 1
        link = Link(self, self.connections, self._framing())
        if self._holds:
            link.stall()
        self._links.add(link)
        try:
            await link.run(
                {Side.CLIENT: reader, Side.SERVER: server_reader},
                {Side.CLIENT: writer, Side.SERVER: server_writer},
            )
        finally:
            for one in (writer, server_writer):
                one.transport.abort() if link.is_cut else one.close()
            self._links.discard(link)

    def close(self) -> None:
        """Cut what is open, and listen no more."""
        self.refuse()
        self.cut()
        while self._links:
            self._portal.call(asyncio.sleep, 0.001)


@contextmanager
def running(
    host: str, port: int, framing: Callable[[], Framing] = PostgreSQLFraming
) -> Iterator[Proxy]:
    """Run a proxy in front of a server.

    Args:
        host: the server's address, or the folder of its socket.
        port: the server's port; with a folder the number in the socket's name.
        framing: makes what understands the messages of one connection.
    """

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    with start_blocking_portal("asyncio") as portal:
        proxy = Proxy(portal, connect, framing)
        proxy.accept()
        try:
            yield proxy
        finally:
            proxy.close()
