"""One connection to MySQL or MariaDB over asyncmy: what `drivers/base.py` asks of it.

How a statement travels, and what an error of one means, is in `_mysql_line.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from math import isfinite
from typing import Final, TypeVar, final

import anyio
import anyio.lowlevel

from uow.drivers._mysql_handle import (
    ClientError,
    Command,
    Handle,
)
from uow.drivers._mysql_line import REST_SECONDS, Limits, Line
from uow.drivers._mysql_stream import MySQLStream
from uow.drivers._mysql_text import (
    Effect,
    begin_texts,
    effect_of,
    quote_savepoint,
    refusal_in_transaction,
    refusal_of,
)
from uow.drivers.base import Row, Rows, TransactionOptions, begin_then_fetch
from uow.errors import (
    ConnectionLostError,
    DriverError,
    Outcome,
    QueryError,
    TransactionPoisonedError,
    ValidationError,
)
from uow.statement import Many, Numbered, Statement

__all__ = ["MySQLConnection"]

T = TypeVar("T")

CLOSE_SECONDS: Final = 2.0
"""How long taking leave may take before the connection is cut off."""

_SENDABLE: Final = frozenset(
    {bool, int, float, str, bytes, Decimal, date, datetime, time, timedelta, type(None)}
)
"""What the client sends as what it is; of anything else it would send the text."""


@final
class MySQLConnection:
    """One connection.

    Args:
        handle: asyncmy's connection, just opened.
        prepare_session: brings the session of a connection into the state we rely on.
        kill: tells the server to end the connection of a number, over another one.
        limits: what is known of the server.
    """

    __slots__ = ("__weakref__", "_effect", "_line", "_prepare_session", "_streams")

    def __init__(
        self,
        handle: Handle,
        *,
        prepare_session: Callable[[Handle], Awaitable[None]],
        kill: Callable[[int], Awaitable[None]],
        limits: Limits,
    ) -> None:
        self._line = Line(handle, kill=kill, limits=limits)
        self._prepare_session = prepare_session
        self._effect = Effect.NOTHING
        self._streams = 0

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<MySQLConnection {state}{', in a transaction' * self.in_transaction}>"

    def __del__(self) -> None:
        self.terminate()

    # -- what is known

    @property
    def commits_plainly(self) -> bool:
        """Whether COMMIT may begin in one task and end in another. Never blocks."""
        # A time limit is a scope, and so is the look at the state after an error.
        return False

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used. Never blocks."""
        return self._line.is_closed

    @property
    def in_transaction(self) -> bool:
        """Whether the server holds an open transaction. Never blocks."""
        return self._line.in_transaction

    @property
    def has_failed(self) -> bool:
        """Whether the open transaction takes nothing but a rollback. Never blocks.

        After a lock that was not granted the server has undone the statement alone, and keeps all
        the other locks: others wait for them, so the transaction does not go on.
        """
        return self._line.has_failed and self.in_transaction

    @property
    def needs_reset(self) -> bool:
        """Whether `reset` must run before the next borrower. Never blocks."""
        return self._effect is not Effect.NOTHING or self._streams > 0 or self.in_transaction

    def taint(self) -> None:
        """Note that somebody had asyncmy's own connection."""
        self._effect = Effect.MORE

    # -- statements

    async def fetch(self, statement: Statement) -> list[Row]:
        """Run a statement and return every row, in the store's order."""
        rows = (await self._line.execute(statement.sql, statement.parameters, statement.reads)).rows
        return [] if rows is None else list(rows)

    async def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it matched."""
        if not statement.parameters and not statement.reads:
            return await self._line.text(statement.sql)
        result = await self._line.execute(statement.sql, statement.parameters, statement.reads)
        return result.affected_rows

    async def fetch_many(self, many: Many) -> list[Row]:
        """Run a statement for each row of parameters; return all rows, in order."""

        async def run() -> list[Row]:
            found: list[Row] = []
            for parameters in many.rows:
                found += (await self._line.execute(many.sql, parameters, reads=False)).rows or ()
            return found

        return await self._together(run, len(many.rows))

    async def execute_many(self, many: Many) -> list[int]:
        """Run a statement for each row of parameters; return the matched rows of each."""

        async def run() -> list[int]:
            return [
                (await self._line.execute(many.sql, parameters, reads=False)).affected_rows
                for parameters in many.rows
            ]

        return await self._together(run, len(many.rows))

    async def _together(self, run: Callable[[], Awaitable[list[T]]], count: int) -> list[T]:
        """Run several executions in a transaction: by itself each would be one of its own."""
        if self.in_transaction or count < 2:
            return await run()
        await self.begin(TransactionOptions())
        try:
            found = await run()
            await self.commit()
        except BaseException:
            with anyio.move_on_after(REST_SECONDS, shield=True):
                await self.rollback()
            if self.in_transaction:
                self.terminate()
            raise
        return found

    async def insert(self, numbered: Numbered) -> list[Row]:
        """Insert rows and give the key of each, in their order; fewer if fewer were stored.

        The server tells the first. The others follow it, unless a trigger may have chosen keys of
        its own: then each row goes by itself.
        """
        rows = numbered.rows
        if len(rows) > 1 and numbered.table.lower() in self._line.limits.triggered:

            async def run() -> list[Row]:
                found = [await self._line.execute(numbered.one, row, reads=False) for row in rows]
                return [(result.insert_id,) for result in found if result.affected_rows]

            return await self._together(run, len(rows))
        parameters = list(chain.from_iterable(rows))
        result = await self._line.execute(numbered.sql, parameters, reads=False)
        first, step = result.insert_id, self._line.limits.step
        return [(first + step * number,) for number in range(result.affected_rows)]

    async def run(self, statement: Statement) -> Rows:
        """Run a statement of which nobody knows whether it returns rows."""
        sql = statement.sql
        refusal = refusal_of(sql)
        if refusal is None and self.in_transaction:
            refusal = refusal_in_transaction(sql)
        if refusal is not None:
            raise QueryError(refusal)
        _check_values(statement.parameters)
        effect = effect_of(sql)
        if effect.value > self._effect.value:
            self._effect = effect
        was_open = self.in_transaction
        result = await self._line.execute(sql, statement.parameters, reads=False)
        if was_open and not self.in_transaction:
            # A procedure may do what we refuse by its name.
            raise QueryError(
                "the statement committed the open transaction; what came before it is stored",
                outcome=Outcome.APPLIED,
            )
        if result.description is None:
            return Rows((), [], result.affected_rows)
        rows = list(result.rows or ())
        return Rows(tuple(str(column[0]) for column in result.description), rows, len(rows))

    def stream(self, statement: Statement, *, batch_size: int) -> MySQLStream:
        """Read through a cursor of the server; leaving the block closes it, whatever was read."""
        return MySQLStream(self, statement, batch_size)

    # -- transactions

    async def begin(self, options: TransactionOptions) -> None:
        """Begin a transaction."""
        texts = begin_texts(isolation=options.isolation, read_only=options.read_only)
        # The server would commit the one that is open.
        if self.in_transaction:
            raise QueryError("a transaction is open already")
        self._line.has_failed = False
        for text in texts:
            await self._line.text(text)

    async def begin_and_fetch(self, options: TransactionOptions, statement: Statement) -> list[Row]:
        """Begin a transaction, and return the rows of its first statement."""
        return await begin_then_fetch(self, options, statement)

    async def commit(self) -> None:
        """Commit. The server's state afterwards is looked at."""
        self._check_transaction()
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self._line.text("COMMIT")
        if self.in_transaction:
            self.terminate()
            raise DriverError(
                "the server answered a COMMIT and is still in a transaction",
                outcome=Outcome.UNKNOWN,
            )

    async def rollback(self) -> None:
        """Roll the transaction back; nothing if none is open."""
        if self.in_transaction:
            await self._line.text("ROLLBACK")
        self._line.has_failed = False

    async def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        await self._control(f"SAVEPOINT {quote_savepoint(name)}")

    async def release_savepoint(self, name: str) -> None:
        """Keep what was done since the savepoint and forget it."""
        await self._control(f"RELEASE SAVEPOINT {quote_savepoint(name)}")

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what was done since the savepoint; it stays set, and a failure is healed."""
        await self._control(f"ROLLBACK TO SAVEPOINT {quote_savepoint(name)}")
        self._line.has_failed = False

    async def _control(self, sql: str) -> None:
        self._check_transaction()
        await self._line.text(sql)

    def _check_transaction(self) -> None:
        if self.is_closed:
            raise ConnectionLostError("the connection is closed")
        if not self.in_transaction:
            raise TransactionPoisonedError("the server has ended this transaction")

    # -- its life

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        await self._line.whole(lambda: self._line.handle.ping(False))

    async def reset(self) -> None:
        """Roll back and clear the session's state; or close, where that cannot be cleared."""
        if self._effect is Effect.MORE or self._streams:
            await self.aclose()
            return
        await self.rollback()
        if self._effect is not Effect.STATE:
            return

        async def clear() -> None:
            handle = self._line.handle
            await handle._execute_command(Command.RESET_CONNECTION, b"")
            await handle._read_ok_packet()
            self._line.prepared.clear()  # the server has forgotten them
            await self._prepare_session(handle)

        await self._line.whole(clear)
        self._effect = Effect.NOTHING

    def terminate(self) -> None:
        """Cut it off at once; the server rolls back. From any thread, with or without its loop."""
        self._line.terminate()

    async def aclose(self) -> None:
        """Take leave of the server, for a short while; then cut off. May be called twice."""
        try:
            if not self.is_closed and self._line.is_at_home():
                with suppress(OSError, ClientError), anyio.move_on_after(CLOSE_SECONDS):
                    await self._line.handle.ensure_closed()
        finally:
            self.terminate()


def _check_values(values: Sequence[object]) -> None:
    """Refuse what would be sent as another type, without its zone, or stored as another number."""
    for value in values:
        if type(value) not in _SENDABLE:
            raise ValidationError(f"a {type(value).__name__} is no value that MySQL takes")
        if isinstance(value, datetime | time) and value.tzinfo is not None:
            raise ValidationError("MySQL keeps no time zone: give a moment in UTC without one")
        if isinstance(value, Decimal | float) and not isfinite(value):
            raise ValidationError("a number that is NaN or infinite cannot be stored")
