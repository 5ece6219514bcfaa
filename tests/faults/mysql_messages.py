"""The messages of MySQL's protocol, which MariaDB speaks as well.

See "Client/Server Protocol" in MySQL's Source Code Documentation. A packet is a length in three
bytes, a number in one, and what is said. What a packet of the server is can be told only by
knowing what it answers and how much of the answer has come.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, final

from tests.faults.messages import Message, Side

__all__ = ["MySQLFraming", "answers"]

COMMANDS: Final = {
    0x01: "Quit",
    0x02: "InitDatabase",
    0x03: "Query",
    0x0E: "Ping",
    0x16: "Prepare",
    0x17: "Execute",
    0x18: "LongData",
    0x19: "CloseStatement",
    0x1A: "ResetStatement",
    0x1B: "SetOption",
    0x1C: "Fetch",
    0x1F: "ResetConnection",
}

SILENT: Final = frozenset({"Quit", "CloseStatement", "LongData"})
"""Commands that have no answer."""

WITH_TLS: Final = 0x0800
WITHOUT_EOF: Final = 0x0100_0000
MORE_RESULTS: Final = 0x0008
"""Flags of the client, and one of the server's state."""

OK, ERROR, END, FILE = 0x00, 0xFF, 0xFE, 0xFB


class Awaited(Enum):
    """What the server says next."""

    GREETING = auto()
    LOGIN = auto()
    ANSWER = auto()
    """The only packet of an answer."""
    RESULT = auto()
    """The first packet of what may be rows."""
    PREPARED = auto()
    COLUMNS = auto()
    ROWS = auto()
    NOTHING = auto()


def answers(sql: str) -> MatchAnswer:
    """Match the last packet of the answer to a statement whose text begins so."""
    return MatchAnswer(sql.upper())


@final
class MatchAnswer:
    """Matches the end of an answer."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __call__(self, message: Message) -> bool:
        is_end = message.side is Side.SERVER and message.kind in {"OK", "EndOfRows"}
        return is_end and message.text.lstrip().upper().startswith(self.words)


@final
class MySQLFraming:
    """Packets with what they are.

    `text` is the SQL of a Query, Prepare or Execute, and of whatever the server answers to it; the
    number of an Error.
    """

    def __init__(self) -> None:
        self._rest = {Side.CLIENT: b"", Side.SERVER: b""}
        self._awaited = Awaited.GREETING
        self._is_encrypted = False
        self._has_logged_in = False
        self._ends_columns = False
        self._left = 0
        self._rows_follow = False
        self._asked = ""
        self._statements: dict[int, str] = {}

    def feed(self, side: Side, data: bytes) -> list[Message]:
        """Take bytes, give messages; see `Framing`."""
        if self._is_encrypted:
            return [Message(side, "Encrypted", data)]
        buffer = self._rest[side] + data
        messages: list[Message] = []
        start = 0
        while len(buffer) - start >= 4:
            size = 4 + int.from_bytes(buffer[start : start + 3], "little")
            if len(buffer) - start < size:
                break
            packet = buffer[start : start + size]
            of = self._of_client if side is Side.CLIENT else self._of_server
            kind, text = of(packet[3], packet[4:])
            messages.append(Message(side, kind, packet, text))
            start += size
        self._rest[side] = buffer[start:]
        return messages

    def _of_client(self, number: int, body: bytes) -> tuple[str, str]:
        if self._awaited is Awaited.LOGIN and not self._has_logged_in:
            return self._login(body)
        if number or self._awaited is Awaited.LOGIN:
            return "Password", ""
        kind = COMMANDS.get(body[0], "Unknown")
        self._asked = ""
        if kind in {"Query", "Prepare"}:
            self._asked = body[1:].decode("utf-8", "replace")
        elif kind in {"Execute", "Fetch"}:
            self._asked = self._statements.get(int.from_bytes(body[1:5], "little"), "")
        if kind not in SILENT:
            self._awaited = {
                "Query": Awaited.RESULT,
                "Execute": Awaited.RESULT,
                "Prepare": Awaited.PREPARED,
                "Fetch": Awaited.ROWS,
            }.get(kind, Awaited.ANSWER)
        return kind, self._asked

    def _login(self, body: bytes) -> tuple[str, str]:
        flags = int.from_bytes(body[:4], "little")
        self._ends_columns = not flags & WITHOUT_EOF
        if flags & WITH_TLS and len(body) == 32:
            self._is_encrypted = True
            return "TLSRequest", ""
        self._has_logged_in = True
        return "Login", ""

    def _of_server(self, _number: int, body: bytes) -> tuple[str, str]:
        awaited, first = self._awaited, body[0]
        if first == ERROR and awaited is not Awaited.GREETING:
            self._awaited = Awaited.NOTHING
            return "Error", str(int.from_bytes(body[1:3], "little"))
        if awaited is Awaited.GREETING:
            self._awaited = Awaited.LOGIN
            return "Greeting", ""
        if awaited is Awaited.LOGIN:
            if first != OK:
                return "Authentication", ""
            self._awaited = Awaited.NOTHING
            return "OK", ""
        if awaited is Awaited.COLUMNS:
            return self._column()
        if awaited is Awaited.ROWS:
            if first != END or len(body) >= 0xFFFFFF:
                return "Row", self._asked
            return self._end("EndOfRows", body)
        return self._answer(awaited, body)

    def _answer(self, awaited: Awaited, body: bytes) -> tuple[str, str]:
        """The first packet of an answer."""
        if awaited is Awaited.PREPARED:
            self._statements[int.from_bytes(body[1:5], "little")] = self._asked
            columns = int.from_bytes(body[5:7], "little")
            parameters = int.from_bytes(body[7:9], "little")
            more = (bool(columns) + bool(parameters)) * self._ends_columns
            self._expect(columns + parameters + more, rows_follow=False)
            return "Prepared", self._asked
        if awaited is Awaited.RESULT and body[0] not in {OK, FILE}:
            count, _ = _length(body, 0)
            self._expect(count + self._ends_columns, rows_follow=True)
            return "Columns", self._asked
        return self._end("OK", body)

    def _expect(self, count: int, *, rows_follow: bool) -> None:
        self._left, self._rows_follow = count, rows_follow
        self._awaited = Awaited.COLUMNS if count else Awaited.NOTHING

    def _column(self) -> tuple[str, str]:
        self._left -= 1
        if not self._left:
            self._awaited = Awaited.ROWS if self._rows_follow else Awaited.NOTHING
        return "Column", self._asked

    def _end(self, kind: str, body: bytes) -> tuple[str, str]:
        """The last packet of an answer, unless its state says that another follows."""
        _, position = _length(body, 1)
        _, position = _length(body, position)
        status = int.from_bytes(body[position : position + 2], "little")
        self._awaited = Awaited.RESULT if status & MORE_RESULTS else Awaited.NOTHING
        return kind, self._asked


def _length(body: bytes, start: int) -> tuple[int, int]:
    """Read a number of variable length; give it, and where it ends."""
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(body[start] if start < len(body) else 0, 0)
    if not size:
        return body[start] if start < len(body) else 0, start + 1
    return int.from_bytes(body[start + 1 : start + 1 + size], "little"), start + 1 + size
