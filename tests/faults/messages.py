"""Where messages begin and end in the bytes between a client and its server, and what they say.

A `Framing` belongs to one connection and sees both of its sides, because what one side may say
next depends on what the other has said. A protocol is one class of that shape; the proxy knows no
other thing about it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

import attrs

__all__ = ["Framing", "Message", "PostgreSQLFraming", "Side"]


class Side(Enum):
    """Who sends."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """Who receives."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


@attrs.frozen
class Message:
    """One message.

    Attributes:
        side: who sent it.
        kind: the protocol's name for it.
        data: its bytes, all of them.
        text: what a client's message has run, or defines; what the server says it has done, or
            the code of its error; empty where there is no such thing.
    """

    side: Side
    kind: str
    data: bytes = attrs.field(repr=False)
    text: str = ""


class Framing(Protocol):
    """Cuts the bytes of one connection into messages."""

    def feed(self, side: Side, data: bytes) -> list[Message]:
        """Take bytes as they came, and give the messages that are complete now, in order.

        Joined, the data of all messages are the bytes that came, but for a rest yet incomplete.
        """
        ...


STARTUP: Final = 196608
SSL_REQUEST: Final = 80877103
GSS_REQUEST: Final = 80877104
CANCEL_REQUEST: Final = 80877102
"""Codes of the first message ("Message Formats" in the PostgreSQL manual, chapter 55.7)."""

FIRST: Final = {
    STARTUP: "Startup",
    SSL_REQUEST: "SSLRequest",
    GSS_REQUEST: "GSSENCRequest",
    CANCEL_REQUEST: "CancelRequest",
}

CLIENT: Final = {
    b"B": "Bind",
    b"C": "Close",
    b"D": "Describe",
    b"E": "Execute",
    b"F": "FunctionCall",
    b"H": "Flush",
    b"P": "Parse",
    b"Q": "Query",
    b"S": "Sync",
    b"X": "Terminate",
    b"c": "CopyDone",
    b"d": "CopyData",
    b"f": "CopyFail",
    b"p": "Password",
}

SERVER: Final = {
    b"1": "ParseComplete",
    b"2": "BindComplete",
    b"3": "CloseComplete",
    b"A": "Notification",
    b"C": "CommandComplete",
    b"D": "DataRow",
    b"E": "Error",
    b"G": "CopyInResponse",
    b"H": "CopyOutResponse",
    b"I": "EmptyQuery",
    b"K": "BackendKeyData",
    b"N": "Notice",
    b"R": "Authentication",
    b"S": "ParameterStatus",
    b"T": "RowDescription",
    b"Z": "ReadyForQuery",
    b"c": "CopyDone",
    b"d": "CopyData",
    b"n": "NoData",
    b"s": "PortalSuspended",
    b"t": "ParameterDescription",
}


class PostgreSQLFraming:
    """A type in one byte and a length in four, after a first message that has no type.

    `text` is the SQL of a Query, Parse, Bind or Execute, the tag of a CommandComplete, the
    SQLSTATE of an Error, and the transaction's state in a ReadyForQuery.
    """

    def __init__(self) -> None:
        self._rest = {Side.CLIENT: b"", Side.SERVER: b""}
        self._is_started = False
        self._answers_in_one_byte = 0
        self._is_encrypted = False
        self._statements: dict[str, str] = {}
        self._portals: dict[str, str] = {}

    def feed(self, side: Side, data: bytes) -> list[Message]:
        """Take bytes, give messages; see `Framing`."""
        buffer = self._rest[side] + data
        messages: list[Message] = []
        start = 0
        while (size := self._size(side, buffer, start)) and start + size <= len(buffer):
            messages.append(self._message(side, buffer[start : start + size]))
            start += size
        self._rest[side] = buffer[start:]
        return messages

    def _size(self, side: Side, buffer: bytes, start: int) -> int:
        """How long the next message is; 0 while that cannot be told."""
        left = len(buffer) - start
        if self._is_encrypted:
            return left
        if side is Side.SERVER and self._answers_in_one_byte:
            return min(left, 1)
        head = 0 if side is Side.CLIENT and not self._is_started else 1
        if left < head + 4:
            return 0
        return head + int.from_bytes(buffer[start + head : start + head + 4])

    def _message(self, side: Side, data: bytes) -> Message:
        if self._is_encrypted:
            return Message(side, "Encrypted", data)
        if side is Side.CLIENT:
            return self._of_client(data) if self._is_started else self._first(data)
        if self._answers_in_one_byte:
            self._answers_in_one_byte -= 1
            self._is_encrypted = data != b"N"
            return Message(side, "EncryptionAnswer", data, data.decode("ascii"))
        return self._of_server(data)

    def _first(self, data: bytes) -> Message:
        kind = FIRST.get(int.from_bytes(data[4:8]), "Unknown")
        if kind in ("SSLRequest", "GSSENCRequest"):
            self._answers_in_one_byte += 1
        else:
            self._is_started = True
        return Message(Side.CLIENT, kind, data)

    def _of_client(self, data: bytes) -> Message:
        kind = CLIENT.get(data[:1], "Unknown")
        body = data[5:]
        text = ""
        if kind == "Query":
            text = _strings(body, 1)[0]
        elif kind == "Parse":
            name, text = _strings(body, 2)
            self._statements[name] = text
        elif kind == "Bind":
            portal, name = _strings(body, 2)
            text = self._portals[portal] = self._statements.get(name, "")
        elif kind == "Execute":
            text = self._portals.get(_strings(body, 1)[0], "")
        return Message(Side.CLIENT, kind, data, text)

    def _of_server(self, data: bytes) -> Message:
        kind = SERVER.get(data[:1], "Unknown")
        body = data[5:]
        text = ""
        if kind == "CommandComplete":
            text = _strings(body, 1)[0]
        elif kind == "ReadyForQuery":
            text = body.decode("ascii")
        elif kind == "Error":
            fields = {part[:1]: part[1:] for part in body.split(b"\0")}
            text = fields.get(b"C", b"").decode("ascii")
        return Message(Side.SERVER, kind, data, text)


def _strings(body: bytes, count: int) -> list[str]:
    """Read the first zero-ended strings of a message."""
    return [part.decode("utf-8", "replace") for part in body.split(b"\0", count)[:count]]
