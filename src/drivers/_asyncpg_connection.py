"""One PostgreSQL connection over asyncpg.

What asyncpg does well is left to it: prepared statements are kept by their text, and prepared anew
where the schema changed under them, if no transaction is open. What is added here: errors of ours,
a transaction whose state is the server's own word, and calls that leave nothing open when they are
cancelled.

asyncpg cancels in the background: the call ends at once, the request to cancel goes to the server
on a connection of its own, and what the server answered is not known yet. So we ask it something
before the cancellation goes on (`_come_to_rest`): asyncpg sends that after the cancelled statement
was answered, so afterwards nothing is under way, and what is known of the transaction is true. A
server that does not answer in time is left.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final, NoReturn, TypeVar, final

import anyio

from uow.drivers._asyncpg_begin import Ahead
from uow.drivers._asyncpg_codecs import with_zones
from uow.drivers._asyncpg_errors import came_from_server, cause_of, error_for
from uow.drivers._asyncpg_handle import CLIENT_ERRORS, Handle, Prepared, ServerError, client
from uow.drivers._asyncpg_stream import AsyncpgStream
from uow.drivers._asyncpg_text import (
    Effect,
    begin_text,
    check_position,
    effect_of,
    quote_savepoint,
    refusal_of,
)
from uow.drivers.base import PLAIN, Row, Rows, TransactionOptions, begin_then_fetch
from uow.errors import (
    ConnectionLostError,
    DriverError,
    Outcome,
    QueryError,
    SchemaChangedError,
    TransactionPoisonedError,
    ValidationError,
)
from uow.statement import Load, Many, Statement, with_column

__all__ = ["AsyncpgConnection"]

T = TypeVar("T")

REST_SECONDS: Final = 1.0
"""How long a cancelled call waits for the server, which ends a statement in milliseconds."""

ENDLESS: Final = 1 << 40
"""Bytes that never wait to be sent."""

CLOSE_SECONDS: Final = 2.0
"""How long taking leave may take before the connection is cut off."""

# DISCARD ALL would do, but it also drops the prepared statements that asyncpg keeps. First who we
# are, because another role may not be allowed to do the rest.
_RESET: Final = (
    "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *;"
    " SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP"
)

# Where the next record will begin, not what is on the disk already: with synchronous_commit off a
# commit is answered before it is written.
_POSITION: Final = (
    "SELECT (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
    " ELSE pg_catalog.pg_current_wal_insert_lsn() END)::text"
)

# At the beginning of a page of the log the next record begins behind the page's header of 24 bytes,
# while the last one ended before it. No commit is as small as that, so those are not waited for.
_HAS_REACHED: Final = (
    "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN coalesce("
    "$1::text::pg_catalog.pg_lsn - pg_catalog.pg_last_wal_replay_lsn() <= 24, false) END"
)

_INHERITED: Final[list[Handle]] = []
"""Connections of a parent process, kept from being collected: asyncpg would say goodbye on them."""


@final
class AsyncpgConnection:
    """One connection.

    Args:
        handle: asyncpg's connection, just opened.
        keeps_statements: False behind a pooler that gives each transaction another server
            process: statements have no names then.
    """

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_effect",
        "_handle",
        "_has_failed",
        "_keeps_statements",
        "_loop",
        "_process",
        "_streams",
    )

    def __init__(self, handle: Handle, *, keeps_statements: bool) -> None:
        self._handle = handle
        self._ahead = Ahead(handle, keeps_statements=keeps_statements)
        self._keeps_statements = keeps_statements
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._has_failed = False
        self._effect = Effect.NOTHING
        self._streams = 0

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<AsyncpgConnection {state}{', in a transaction' * self.in_transaction}>"

    def __del__(self) -> None:
        self.terminate()

    # -- what is known

    @property
    def commits_plainly(self) -> bool:
        """Whether COMMIT may begin in one task and end in another. Never blocks."""
        # It waits for the answer, and for nothing else.
        return True

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be used. Never blocks."""
        return self._handle.is_closed()

    @property
    def in_transaction(self) -> bool:
        """Whether the server holds an open transaction, failed or not. Never blocks."""
        handle = self._handle
        return not handle.is_closed() and handle.is_in_transaction()

    @property
    def has_failed(self) -> bool:
        """Whether the open transaction takes nothing but a rollback. Never blocks."""
        return self._has_failed and self.in_transaction

    @property
    def needs_reset(self) -> bool:
        """Whether `reset` must run before the next borrower. Never blocks."""
        return self._effect is not Effect.NOTHING or self._streams > 0 or self.in_transaction

    def taint(self) -> None:
        """Note that somebody had asyncpg's own connection."""
        self._effect = Effect.MORE
        self._ahead.is_prepared = False

    # -- statements

    async def fetch(self, statement: Statement) -> list[Row]:
        """Run a statement and return every row, in the store's order."""
        try:
            return await self._handle.fetch_known(statement.sql, statement.parameters)
        except BaseException as error:  # noqa: BLE001  # raised again, translated
            await self._after(error, writes=not statement.reads)

    async def execute(self, statement: Statement) -> int:
        """Run a statement and return how many rows it matched."""
        try:
            return count_of(await self._handle.execute_known(statement.sql, statement.parameters))
        except BaseException as error:  # noqa: BLE001  # raised again, translated
            await self._after(error, writes=not statement.reads)

    async def fetch_many(self, many: Many) -> list[Row]:
        """Run a statement for each row of parameters, in one go; return all rows, in order."""
        if not many.rows:
            return []
        return await self._call(self._handle.fetchmany(many.sql, many.rows), writes=True)

    async def execute_many(self, many: Many) -> list[int]:
        """Run a statement for each row of parameters; return the matched rows of each.

        A round trip a row: sent in one go, asyncpg gives no counts.
        """
        if not many.rows:
            return []
        if self.in_transaction or len(many.rows) == 1:
            return [await self.execute(Statement(many.sql, row)) for row in many.rows]
        # Without a transaction around, every row would be one of its own.
        await self.begin(TransactionOptions())
        try:
            counts = await self.execute_many(many)
            await self.commit()
        except BaseException:
            with anyio.move_on_after(REST_SECONDS, shield=True):
                await self.rollback()
            if self.in_transaction:
                self.terminate()
            raise
        return counts

    @property
    def can_load(self) -> bool:
        """Whether rows can go by COPY, for which asyncpg prepares a statement with a name."""
        return self._keeps_statements

    async def load(self, load: Load, keys: Sequence[Row] | None) -> int:
        """Send rows by COPY, in asyncpg's binary form; return how many were stored."""
        rows = load.rows
        if keys is not None:
            rows = with_column(rows, 0, [key[0] for key in keys])
        handle = self._handle
        # asyncpg waits for room in the buffer, and a connection that is lost meanwhile does not
        # wake it. So there is room: the rows are in memory anyway.
        handle._transport.set_write_buffer_limits(high=ENDLESS)
        try:
            answer = await handle.copy_records_to_table(
                load.table, schema_name=load.schema, columns=load.columns, records=rows
            )
        except _MISREAD as error:
            # asyncpg keeps what it knows of the columns as long as the connection lives.
            self.terminate()
            raise SchemaChangedError(
                f"a column of {load.table} has another type than when this connection learned of"
                " it; the whole unit can be run again"
            ) from cause_of(error)
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            # Encoding failed on the way; the server was told to forget the rows.
            await self._come_to_rest()
            # What failed may show the value.
            raise ValidationError("a value does not fit the type of its column") from None
        except BaseException as error:  # noqa: BLE001  # raised again, translated
            await self._after(error)
        return count_of(answer)

    async def run(self, statement: Statement) -> Rows:
        """Run a statement of which nobody knows whether it returns rows."""
        refusal = refusal_of(statement.sql)
        if refusal is not None:
            raise QueryError(refusal)
        effect = effect_of(statement.sql)
        if effect is not Effect.NOTHING:
            self._ahead.is_prepared = False  # it may be DEALLOCATE, or call what runs that
        if effect.value > self._effect.value:
            self._effect = effect
        prepared = await self._prepare(statement.sql)
        rows = await self._call(prepared.fetch(*statement.parameters), writes=True)
        attributes = prepared.get_attributes()
        if attributes:
            places = [n for n, one in enumerate(attributes) if one.type.name == "timestamptz"]
            columns = tuple(attribute.name for attribute in attributes)
            return Rows(columns, with_zones(rows, places) if places else rows, len(rows))
        return Rows((), [], count_of(prepared.get_statusmsg()))

    async def _prepare(self, sql: str) -> Prepared:
        name = None if self._keeps_statements else ""
        return await self._call(self._handle.prepare(sql, name=name))

    def stream(self, statement: Statement, *, batch_size: int) -> AsyncpgStream:
        """Read through a portal of the server; leaving the block closes it, whatever was read."""
        return AsyncpgStream(self, statement, batch_size)

    # -- transactions

    async def begin(self, options: TransactionOptions) -> None:
        """Begin a transaction, in one round trip."""
        text = self._begin_text(options)
        try:
            await self._handle.execute(text)
        except BaseException as error:  # noqa: BLE001  # raised again, translated
            await self._after(error)

    async def begin_and_fetch(self, options: TransactionOptions, statement: Statement) -> list[Row]:
        """Begin a transaction, and return the rows of its first statement, in one round trip."""
        # To defer constraints is a command of its own, which a single BEGIN cannot carry.
        if options.defer_constraints or not self._handle.takes_ahead:
            return await begin_then_fetch(self, options, statement)
        ahead = self._ahead
        ahead.begin(self._begin_text(options))
        try:
            rows = await self.fetch(statement)
        except BaseException:
            ahead.is_prepared = False  # for all we know
            # A statement that asyncpg refused to send left it without word of our BEGIN.
            if not (self.in_transaction or self.is_closed):
                await self._come_to_rest()
            raise
        if options is PLAIN:
            ahead.is_prepared = True
        return rows

    def _begin_text(self, options: TransactionOptions) -> str:
        # The server only warns.
        if self.in_transaction:
            raise QueryError("a transaction is open already")
        self._has_failed = False
        if options is PLAIN:
            return "BEGIN"
        return begin_text(
            isolation=options.isolation,
            read_only=options.read_only,
            deferrable=options.deferrable,
            defer_constraints=options.defer_constraints,
        )

    async def commit(self) -> None:
        """Commit. What the server answers decides: to a failed transaction it is ROLLBACK."""
        self._check_transaction()
        answer = await self._at_last("COMMIT", may_rest=False)
        if answer != "COMMIT":
            raise TransactionPoisonedError(
                "a statement of this transaction had failed, so PostgreSQL rolled it back"
            )

    async def rollback(self) -> None:
        """Roll the transaction back; nothing if none is open."""
        if self.in_transaction:
            await self._at_last("ROLLBACK")
        self._has_failed = False

    async def savepoint(self, name: str) -> None:
        """Set a savepoint."""
        await self._control(f"SAVEPOINT {quote_savepoint(name)}")

    async def release_savepoint(self, name: str) -> None:
        """Keep what was done since the savepoint and forget it."""
        await self._control(f"RELEASE SAVEPOINT {quote_savepoint(name)}")

    async def rollback_to_savepoint(self, name: str) -> None:
        """Undo what was done since the savepoint; it stays set, and a failure is healed."""
        await self._control(f"ROLLBACK TO SAVEPOINT {quote_savepoint(name)}")
        self._has_failed = False

    async def _control(self, sql: str) -> None:
        self._check_transaction()
        await self._call(self._handle.execute(sql))

    def _check_transaction(self) -> None:
        handle = self._handle
        if not handle.is_closed() and handle.is_in_transaction():
            return
        if handle.is_closed():
            raise ConnectionLostError("the connection is closed")
        raise TransactionPoisonedError("PostgreSQL has rolled this transaction back")

    # -- replicas

    async def position(self) -> str:
        """Give how far the write-ahead log has come, as the server writes that."""
        rows = await self.fetch(Statement(_POSITION, reads=True))
        return str(rows[0][0])

    async def has_reached(self, position: str) -> bool | None:
        """Say whether a standby has replayed the log so far; None if this is no standby.

        A server that was promoted is none: its log is another one from there on.
        """
        check_position(position)
        rows = await self.fetch(Statement(_HAS_REACHED, (position,), reads=True))
        answer: bool | None = rows[0][0]
        return answer

    # -- its life

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        await self._at_last("SELECT 1")

    async def reset(self) -> None:
        """Roll back and clear the session's state; or close, where that cannot be cleared."""
        if self._effect is Effect.MORE or self._streams:
            await self.aclose()
            return
        await self.rollback()
        if self._effect is Effect.STATE:
            await self._at_last(_RESET)
            self._effect = Effect.NOTHING

    async def aclose(self) -> None:
        """Take leave of the server, for a short while; then cut off. May be called twice."""
        try:
            if not self.is_closed and self._is_at_home():
                with suppress(OSError, *CLIENT_ERRORS):
                    await self._handle.close(timeout=CLOSE_SECONDS)
        finally:
            self.terminate()

    def terminate(self) -> None:
        """Cut it off at once; the server rolls back. From any thread, with or without its loop."""
        handle = self._handle
        if handle.is_closed():
            return
        if self._process != os.getpid():
            # The parent's: a word on the socket would end its session.
            _INHERITED.append(handle)
            return
        if self._is_at_home():
            handle.terminate()
            return
        try:
            self._loop.call_soon_threadsafe(handle.terminate)
        except RuntimeError:
            _hang_up(handle)

    def _is_at_home(self) -> bool:
        """Whether this runs in the event loop to which the connection belongs."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    # -- how

    async def _call(self, action: Awaitable[T], *, writes: bool = False) -> T:
        try:
            return await action
        except BaseException as error:  # noqa: BLE001  # raised again, translated
            await self._after(error, writes=writes)

    async def _at_last(self, sql: str, *, may_rest: bool = True) -> str:
        """Run what the caller gives a budget; cancelled, that is spent, and we are cut off.

        Returns:
            The command tag.
        """
        try:
            return await self._handle.execute(sql)
        except Exception as error:  # noqa: BLE001  # all of them are translated
            await self._after(error, may_rest=may_rest)
        except BaseException:
            self.terminate()
            raise

    async def _after(
        self, error: BaseException, *, writes: bool = False, may_rest: bool = True
    ) -> NoReturn:
        """A call failed or was cancelled: know the state, and raise what the caller shall see.

        Args:
            error: what it raised.
            writes: the call may have changed rows.
            may_rest: the server may be waited for, if that was not done; else we are cut off.
        """
        if isinstance(error, asyncio.CancelledError):
            await self._come_to_rest()
            raise error
        if not isinstance(error, Exception):
            # A coroutine that is thrown away, or the end of the program: nothing can be waited for.
            self.terminate()
            raise error
        mapped = error_for(error)
        is_alone = writes and not self.in_transaction
        if isinstance(mapped, ConnectionLostError) or isinstance(error, _BROKEN):
            # Gone, or the client lost its place in the protocol.
            self.terminate()
        elif isinstance(mapped, SchemaChangedError) and isinstance(error, _STALE):
            # The client would send the same prepared statement again, for ever.
            self.terminate()
        elif came_from_server(error):
            self._has_failed = True
        elif not isinstance(error, CLIENT_ERRORS) or isinstance(mapped, _REFUSED):
            # The client waited no longer, or fell over a value: it may have given the statement up.
            # One that it had just prepared is open in the server still, with its locks and timeout.
            if may_rest:
                await self._come_to_rest()
            else:
                self.terminate()
        if is_alone and _is_of_the_answer(error) and not isinstance(mapped, ConnectionLostError):
            mapped = DriverError(
                "a statement on its own may have been done: what the server answered could not be"
                " read, or did not come in time",
                outcome=Outcome.UNKNOWN,
            )
        raise mapped from cause_of(error)

    async def _come_to_rest(self) -> None:
        """Wait until the server has answered what was given up; a server that does not is left."""
        is_at_rest = False
        try:
            with anyio.move_on_after(REST_SECONDS, shield=True):
                try:
                    await self._handle.execute("SELECT 1")
                except client.InFailedSQLTransactionError:
                    self._has_failed = True
                is_at_rest = True
        except Exception:  # noqa: BLE001  # whatever it is, the connection ends below
            is_at_rest = False
        finally:
            if not is_at_rest:
                self.terminate()


_MISREAD: Final[tuple[type[Exception], ...]] = (
    client.BadCopyFileFormatError,
    client.InvalidBinaryRepresentationError,
    client.ProtocolViolationError,
)
"""How the server refuses values in the binary form of another type."""

_REFUSED: Final = (QueryError, ValidationError)
"""How values end that the client does not send: one that does not fit, or too few or too many."""

_STALE: Final[tuple[type[Exception], ...]] = (
    client.InternalServerError,
    client.InvalidSQLStatementNameError,
)
_BROKEN: Final[tuple[type[Exception], ...]] = (client.InternalClientError, client.ProtocolError)


def _is_of_the_answer(error: Exception) -> bool:
    """Whether an error is neither the server's nor one from before anything was sent."""
    return not isinstance(error, (ServerError, client.InterfaceError, OSError)) or isinstance(
        error, TimeoutError
    )


@lru_cache(maxsize=256)
def count_of(tag: str) -> int:
    """Give the number of rows in a command tag: `UPDATE 3`, `INSERT 0 3`; 0 where none stands."""
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


def _hang_up(handle: Handle) -> None:
    """End a connection whose event loop is gone: the server sees the end of the stream."""
    found = handle._transport.get_extra_info("socket")
    with suppress(OSError):
        if found is not None:
            with found.dup() as ours:
                ours.shutdown(socket.SHUT_RDWR)
    with suppress(RuntimeError):
        handle.terminate()
