"""One line to MySQL or MariaDB: a statement at a time, prepared, and its whole answer.

The three steps of an execution (values are packed, a command is sent, its answer is read) are taken
here one by one, because an error means something else in each: nothing was sent, nobody knows, or
what the server says.

A call that is cancelled or otherwise left in its middle closes the connection: the protocol has no
way to say which answer is whose. The server would run the statement to its end all the same, and
keep its locks; so it is told, over another connection, to give it up. For the same reason, and
because a server that chose a transaction to end a deadlock would run what follows on its own,
statements never travel ahead of answers.

An error carries no state of the server, so it is asked for one after each.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Final, NoReturn, TypeVar, final

import anyio

from uow.drivers._mysql_errors import (
    LOCK_TIMEOUT,
    STALE,
    came_from_server,
    cause_of,
    constraint_error,
    error_for,
    number_of,
)
from uow.drivers._mysql_handle import (
    Handle,
    Prepared,
    Result,
    Status,
    execute,
    make_result,
    pack_parameters,
)
from uow.drivers._mysql_text import (
    names_in,
    refusal_in_transaction,
    table_written,
)
from uow.errors import (
    ConnectionLostError,
    ConstraintError,
    ConstraintKind,
    DriverError,
    Outcome,
    QueryError,
    UowError,
    ValidationError,
)

__all__ = ["REST_SECONDS", "Limits", "Line"]

T = TypeVar("T")

REST_SECONDS: Final = 1.0
"""How long the server has to say in which state an error left it."""

NOT_PREPARED: Final = 1295
"""The server runs the statement, but not as a prepared one."""

_OF_THE_ROW: Final = frozenset(
    {ConstraintKind.CHECK, ConstraintKind.NOT_NULL, ConstraintKind.UNIQUE}
)
"""Constraints of the table that is written; a foreign key may be another's."""

_COLUMNS_OF_KEY: Final = (
    "SELECT column_name FROM information_schema.statistics"
    " WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND index_name = ?"
    " AND column_name IS NOT NULL ORDER BY seq_in_index"
)

_INHERITED: Final[list[asyncio.Transport]] = []
"""Connections of a parent process, kept from being collected: that would end them."""


_FRACTION: Final = re.compile(r'"(?:[0-9-]{10} )?[0-9]{2}:[0-9]{2}:[0-9]{2}\.([0-9]{6})"')
"""The microseconds of a moment in an array of a batch."""


class Limits:
    """What the connections of one database know together.

    Attributes:
        statements: how many prepared statements a connection keeps.
        seconds: how long an answer may take, or None.
        packet: how many bytes a statement and its values may have, as the server says.
        without_transactions: names of tables, in lower case, whose engine has no transactions.
        short: of columns that keep less than microseconds: table and name in lower case, and how
            many digits of a second.
        triggered: names of tables, in lower case, where a trigger may change a new row.
        step: by how much the keys of new rows differ (auto_increment_increment).
    """

    __slots__ = (
        "packet",
        "seconds",
        "short",
        "statements",
        "step",
        "triggered",
        "without_transactions",
    )

    def __init__(self, *, statements: int, seconds: float | None) -> None:
        self.statements = statements
        self.seconds = seconds
        self.packet = 1 << 24
        self.without_transactions: frozenset[str] = frozenset()
        self.triggered: frozenset[str] = frozenset()
        self.short: Sequence[tuple[str, str, int]] = ()
        self.step = 1


@final
class Line:
    """A connection of the client, and what the server has prepared for it.

    Args:
        handle: asyncmy's connection, just opened.
        kill: tells the server to end the connection of a number, over another one.
        limits: what is known of the server.

    Attributes:
        prepared: the server's prepared statements by their text, least recently prepared first.
        has_failed: the open transaction takes nothing but a rollback.
    """

    __slots__ = (
        "_cutting",
        "_kill",
        "_loop",
        "_process",
        "handle",
        "has_failed",
        "limits",
        "prepared",
    )

    def __init__(
        self, handle: Handle, *, kill: Callable[[int], Awaitable[None]], limits: Limits
    ) -> None:
        self._kill = kill
        self.handle = handle
        self.limits = limits
        self.prepared: dict[str, Prepared] = {}
        self._cutting: dict[str, tuple[str, int]] = {}
        self.has_failed = False
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used. Never blocks."""
        handle = self.handle
        return not handle.connected or handle._stream_broken

    @property
    def in_transaction(self) -> bool:
        """Whether the server holds an open transaction. Never blocks."""
        return bool(self.handle.server_status & Status.IN_TRANSACTION) and not self.is_closed

    def terminate(self) -> None:
        """Cut it off at once; the server rolls back. From any thread, with or without its loop."""
        transport = self.handle._transport
        if transport is None:
            return
        if self._process != os.getpid():
            # The parent's: a word on the socket would end its session.
            _INHERITED.append(transport)
            return
        self.handle._transport = None
        if self.is_at_home():
            self.handle.close()
            transport.abort()
            return
        try:
            self._loop.call_soon_threadsafe(transport.abort)
        except RuntimeError:
            _hang_up(transport)

    def is_at_home(self) -> bool:
        """Whether this runs in the event loop to which the connection belongs."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    async def text(self, sql: str) -> int:
        """Run a statement without parameters as text; give its count."""
        refusal = refusal_in_transaction(sql) if self.in_transaction else None
        if refusal is not None:
            raise QueryError(refusal)
        return await self.whole(lambda: self.handle.query(sql), writes=True)

    async def execute(self, sql: str, parameters: Sequence[object], reads: bool) -> Result:
        """Run a prepared statement, and read its whole answer."""
        try:
            prepared = self.prepared.get(sql) or await self.prepare(sql, reads=reads)
        except UowError as error:
            if parameters or number_of(error.__cause__ or error) != NOT_PREPARED:
                raise
            await self.text(sql)
            result = self.handle._result
            return make_result(self.handle) if result is None else result
        if self._cutting and sql in self._cutting:
            refuse_cut(*self._cutting[sql], parameters)
        packed = self.pack(prepared, parameters)
        return await self.whole(
            lambda: execute(self.handle, prepared, packed), writes=not reads, sql=sql
        )

    def pack(self, prepared: Prepared, parameters: Sequence[object]) -> bytes:
        """Write parameters as they travel.

        Raises:
            QueryError: they are more or fewer than the placeholders.
            ValidationError: a value has no form to travel in, or together they are too large.
        """
        if len(parameters) != prepared.parameter_count:
            raise QueryError("the number of parameters is not that of the placeholders")
        try:
            packed = pack_parameters(parameters)
        except (ValueError, ArithmeticError, TypeError):
            # What failed may show the value.
            raise ValidationError("a value does not fit any type of the store") from None
        if len(packed) + 64 > self.limits.packet:
            raise ValidationError(
                f"the values of a statement take {len(packed):,} bytes, and the server takes"
                f" {self.limits.packet:,} (max_allowed_packet)"
            )
        return packed

    async def prepare(self, sql: str, *, reads: bool) -> Prepared:
        """Prepare a statement and keep it; the one that was prepared first goes."""
        without = self.limits.without_transactions
        if without and not reads and (found := sorted(without & names_in(sql))):
            raise QueryError(
                f"the table {found[0]} has an engine without transactions, so no unit of work can"
                " write to it; give it ENGINE=InnoDB"
            )
        if self.limits.short and not reads:
            self._note_short(sql)
        kept = self.prepared
        while len(kept) >= self.limits.statements:
            first = next(iter(kept))
            oldest = kept.pop(first)
            self._cutting.pop(first, None)
            await self.whole(oldest.close)
        prepared = await self.whole(lambda: self.handle.prepare(sql))
        kept[sql] = prepared
        return prepared

    def _note_short(self, sql: str) -> None:
        """Note that a statement may write to a column that keeps less than microseconds."""
        names = names_in(sql)
        short = [
            (f"{table}.{name}", digits)
            for table, name, digits in self.limits.short
            if table in names and name in names
        ]
        if short:
            self._cutting[sql] = min(short, key=lambda one: one[1])

    async def whole(
        self, action: Callable[[], Awaitable[T]], *, writes: bool = False, sql: str | None = None
    ) -> T:
        """Send something and read its whole answer; cancelled in the middle, it is over.

        Args:
            action: what sends and reads.
            writes: rows may be changed by it.
            sql: the prepared statement that is run.
        """
        if self.is_closed:
            raise ConnectionLostError("the connection is closed")
        is_alone = writes and not self.in_transaction
        try:
            if self.limits.seconds is None:
                return await action()
            with anyio.fail_after(self.limits.seconds):
                return await action()
        except TimeoutError as error:
            await self._give_up(sql)
            await self._after(error, is_alone=is_alone, sql=sql)
        except Exception as error:  # noqa: BLE001  # all of them are translated
            await self._after(error, is_alone=is_alone, sql=sql)
        except asyncio.CancelledError:
            await self._give_up(sql)
            raise
        except BaseException:
            self.terminate()
            raise

    async def _give_up(self, sql: str | None) -> None:
        """Leave a statement in its middle; the server is told, for a short while.

        What is no prepared statement (COMMIT, ROLLBACK) takes no time there, and is not disturbed.
        """
        self.terminate()
        if sql is not None:
            with anyio.move_on_after(REST_SECONDS, shield=True):
                await self._kill(self.handle.server_thread_id[0])

    async def _after(self, error: Exception, *, is_alone: bool, sql: str | None) -> NoReturn:
        """A call failed: know the state, and raise what the caller shall see."""
        mapped = error_for(error)
        if not came_from_server(error):
            # What was lost, or cannot be read, or is still on its way: our place in it is gone.
            self.terminate()
            if is_alone and not isinstance(mapped, ConnectionLostError):
                mapped = DriverError(
                    "a statement on its own may have been done: what the server answered could not"
                    " be read, or did not come in time",
                    outcome=Outcome.UNKNOWN,
                )
        elif isinstance(mapped, ConnectionLostError):
            self.terminate()
        else:
            number = number_of(error)
            if number in STALE and sql is not None:
                self.prepared.pop(sql, None)
            await self._ask_for_state()
            if isinstance(mapped, ConstraintError) and sql is not None:
                mapped = await self._described(mapped, sql)
            self.has_failed = self.has_failed or number == LOCK_TIMEOUT
        raise mapped from cause_of(error)

    async def _described(self, error: ConstraintError, sql: str) -> ConstraintError:
        """Say which table and columns a constraint is about: the server names the key alone."""
        place = table_written(sql)
        if error.kind not in _OF_THE_ROW or place is None:
            return error
        schema, table = place
        columns = error.columns
        if error.kind is ConstraintKind.UNIQUE and error.constraint and not self.is_closed:
            with suppress(UowError):
                found = await self.execute(
                    _COLUMNS_OF_KEY, (schema, table, error.constraint), reads=True
                )
                columns = tuple(str(name) for (name,) in found.rows or ())
        return constraint_error(error.kind, error.constraint, table, columns)

    async def _ask_for_state(self) -> None:
        """Know whether the transaction is still open; a server that does not answer is left."""
        is_known = False
        try:
            with anyio.move_on_after(REST_SECONDS):
                await self.handle.ping(False)
                is_known = True
        except Exception:  # noqa: BLE001  # whatever it is, the connection ends below
            is_known = False
        finally:
            if not is_known:
                self.terminate()


def refuse_cut(column: str, digits: int, parameters: Sequence[object]) -> None:
    """Refuse moments that a column would round: the server does it without a word.

    Raises:
        ValidationError: a moment has more digits of a second than the column keeps.
    """
    step = 10 ** (6 - digits)
    for value in parameters:
        parts = [0]
        if isinstance(value, datetime | time):
            parts = [value.microsecond]
        elif isinstance(value, timedelta):
            parts = [value.microseconds]
        elif isinstance(value, str):
            parts = [int(found) for found in _FRACTION.findall(value)]
        if any(part % step for part in parts):
            raise ValidationError(
                f"{column} keeps {digits} digits of a second, and a moment that is written to it,"
                " or beside it, has more: give it the type DATETIME(6) or TIME(6), or round before"
            )


def _hang_up(transport: asyncio.Transport) -> None:
    """End a connection whose event loop is gone: the server sees the end of the stream."""
    found: socket.socket | None = transport.get_extra_info("socket")
    with suppress(OSError):
        if found is not None:
            with found.dup() as ours:
                ours.shutdown(socket.SHUT_RDWR)
    with suppress(RuntimeError):
        transport.abort()
