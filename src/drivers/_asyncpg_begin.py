"""BEGIN in one round trip with the first statement of its transaction.

The server runs the messages of the extended protocol in order until it is asked to come to a point
(Sync); after one that fails it skips the rest. So BEGIN goes to the socket right before what
asyncpg sends for the statement, with no Sync of its own. Its answers come first, and asyncpg reads
over them: of several command tags it keeps the last, and what it knows of the transaction is what
the server says at the Sync. The JDBC driver of PostgreSQL has begun its transactions like this for
twenty years, so servers and poolers know it.

See "Extended Query" and "Pipelining" in the chapter on the protocol in PostgreSQL's manual.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from uow.drivers._asyncpg_handle import Handle

__all__ = ["Ahead", "begin_messages"]

_MORE: Final[int] = getattr(socket, "MSG_MORE", 0)
"""Linux keeps what is sent with it until more is sent, so that both travel as one packet."""


_NAME: Final = b"uow_begin"
"""What the plain BEGIN is called on a connection that keeps its statements: it is parsed once."""


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def _parse(name: bytes, text: bytes) -> bytes:
    return _message(b"P", name + b"\0" + text + b"\0" + b"\0\0")


def _run(name: bytes) -> bytes:
    """Bind and Execute, without parameters or results."""
    bind = b"\0" + name + b"\0" + b"\0\0" + b"\0\0" + b"\0\0"
    return _message(b"B", bind) + _message(b"E", b"\0" + b"\0\0\0\0")


@lru_cache(maxsize=32)
def begin_messages(text: str) -> bytes:
    """Give the messages that run one command without a name.

    Args:
        text: a single command, in ASCII.
    """
    return _parse(b"", text.encode("ascii")) + _run(b"")


# To close a statement that is not there is no error.
_PREPARED: Final = _run(_NAME)
_PREPARE: Final = _message(b"C", b"S" + _NAME + b"\0") + _parse(_NAME, b"BEGIN") + _PREPARED


class Ahead:
    """The way to the server past asyncpg, for what is answered together with what it sends next.

    Args:
        handle: asyncpg's connection.
        keeps_statements: whether statements with names are there the next time.

    Attributes:
        is_prepared: the server was seen to know the plain BEGIN by its name, and nothing was sent
            since that might make it forget.
    """

    __slots__ = ("_keeps_statements", "_plain", "_transport", "is_prepared")

    def __init__(self, handle: Handle, *, keeps_statements: bool) -> None:
        self._transport = handle._transport
        self._plain = _plain_socket(handle._transport)
        self._keeps_statements = keeps_statements
        self.is_prepared = False

    def begin(self, text: str) -> None:
        """Send what begins a transaction. Does not wait; who sends next learns of a lost server."""
        if self._transport.is_closing():
            return  # not every event loop takes bytes for nobody
        if text != "BEGIN" or not self._keeps_statements:
            messages = begin_messages(text)
        else:
            messages = _PREPARED if self.is_prepared else _PREPARE
        sent = 0
        if self._plain is not None and not self._transport.get_write_buffer_size():
            try:
                sent = self._plain.send(messages, _MORE)
            except OSError:
                sent = 0  # there is no room, or nobody: the transport finds out which
        if sent < len(messages):
            self._transport.write(messages[sent:])


def _plain_socket(transport: Any) -> socket.socket | None:
    """The socket behind a transport, if bytes go to it as they are."""
    if not _MORE or transport.get_extra_info("sslcontext") is not None:
        return None
    # asyncio shows it without its `send`; other event loops gather what is sent by themselves.
    found: socket.socket | None = getattr(transport.get_extra_info("socket"), "_sock", None)
    return found
