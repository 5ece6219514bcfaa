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


@lru_cache(maxsize=32)
def begin_messages(text: str) -> bytes:
    """Give the messages that run one command without a name, parameters or results.

    Args:
        text: a single command, in ASCII.
    """
    parse = b"\0" + text.encode("ascii") + b"\0" + b"\0\0"
    bind = b"\0\0" + b"\0\0" + b"\0\0" + b"\0\0"
    execute = b"\0" + b"\0\0\0\0"
    return _message(b"P", parse) + _message(b"B", bind) + _message(b"E", execute)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


class Ahead:
    """The way to the server past asyncpg, for what is answered together with what it sends next.

    Args:
        handle: asyncpg's connection.
    """

    __slots__ = ("_plain", "_transport")

    def __init__(self, handle: Handle) -> None:
        self._transport = handle._transport
        self._plain = _plain_socket(handle._transport)

    def send(self, messages: bytes) -> None:
        """Send messages. Does not wait; where the connection ended, what is sent next says so."""
        if self._transport.is_closing():
            return  # not every event loop takes bytes for nobody
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
