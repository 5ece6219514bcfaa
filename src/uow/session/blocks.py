"""The blocks of a unit of work: sessions that commit, transactions, savepoints."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, final, overload

from uow.errors import ObjectStateError, QueryError
from uow.tracking.journal import Frame

if TYPE_CHECKING:
    from uow.database import Database
    from uow.session.session import Session

__all__ = ["BeginMethod", "SavepointBlock", "SessionBlock", "TransactionBlock"]


@final
class SavepointBlock:
    """`async with session.begin_nested() as savepoint:`; see `Session.begin_nested`."""

    __slots__ = ("_frame", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._frame: Frame | None = None

    async def __aenter__(self) -> SavepointBlock:
        if self._frame is not None:
            raise ObjectStateError("a savepoint is entered once")
        self._frame = await self._session._open_savepoint(is_block=True)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.leave(keep=exc_type is None)

    async def leave(self, *, keep: bool) -> None:
        """End the block: keep what was done in it, or undo that. Nothing if it is over.

        Args:
            keep: flush and release the savepoint; else roll back to it.
        """
        frame = self._frame
        if frame is None or not self.is_open:
            return
        if not keep:
            await self._session._roll_back_to(frame, keep=False)
            return
        try:
            await self._session._close_savepoint(frame)
        except BaseException:
            if self.is_open:
                await self._session._roll_back_to(frame, keep=False)
            raise

    @property
    def is_open(self) -> bool:
        """Whether it can still be rolled back to."""
        return self._frame is not None and self._frame in self._session._ledger.frames

    async def rollback(self) -> None:
        """Undo what was done since the block was entered; it can go on being used.

        Raises:
            ObjectStateError: the savepoint is gone.
        """
        if self._frame is None:
            raise ObjectStateError("the savepoint was not entered")
        await self._session._roll_back_to(self._frame, keep=True)


@final
class TransactionBlock:
    """`async with session.begin():` one transaction in a longer session.

    A clean exit commits, an exception rolls back. The session stays open.
    """

    __slots__ = ("_session", "_was_transactional")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._was_transactional = False

    async def __aenter__(self) -> Session:
        session = self._session
        session._check("begin")
        if session.in_transaction:
            raise ObjectStateError(
                "a transaction is open already; commit or roll back first, or use "
                "session.begin_nested()"
            )
        self._was_transactional = session._unit.is_explicit
        session._unit.is_explicit = True
        return session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session = self._session
        try:
            if session.is_closed:
                return
            if exc_type is None:
                await session.commit()
            else:
                await session.rollback()
        except BaseException:
            if exc_type is None and not session.is_closed and session._can_roll_back:
                await session.rollback()
            raise
        finally:
            session._unit.is_explicit = self._was_transactional


@final
class SessionBlock:
    """`async with Session.begin(db) as session:` a session that is one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session
        session._unit.is_explicit = True

    async def __aenter__(self) -> Session:
        return await self._session.__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session = self._session
        try:
            if exc_type is None and not session.is_closed:
                await session.commit()
        finally:
            await session.aclose()


class BeginMethod:
    """`begin`, of the class and of its objects.

    `Session.begin(db)` is a session that is one transaction; `session.begin()` is a transaction
    in a session that is open.
    """

    __slots__ = ()

    @overload
    def __get__(self, session: None, owner: type[Session]) -> _BeginSession: ...
    @overload
    def __get__(
        self, session: Session, owner: type[Session]
    ) -> Callable[[], AbstractAsyncContextManager[Session]]: ...
    def __get__(self, session: Session | None, owner: type[Session]) -> Any:
        if session is None:
            return _BeginSession(owner)
        return lambda: TransactionBlock(session)


class _BeginSession:
    """Makes a session that commits when its block is left without an exception."""

    __slots__ = ("_class",)

    def __init__(self, class_: type[Session]) -> None:
        self._class = class_

    def __call__(
        self,
        database: Database | None = None,
        *,
        isolation: str | None = None,
        read_only: bool = False,
        deferrable: bool = False,
        autoflush: bool = False,
        verify_commit: bool = False,
        read_after: str | None = None,
        atomic: bool | None = None,
    ) -> AbstractAsyncContextManager[Session]:
        """Make the session; its transaction begins at the first statement.

        Args:
            database: the database; the default one if None.
            isolation: an SQL isolation level.
            read_only: refuse to write.
            autoflush: flush before queries.
            verify_commit: leave a token in the store with the commit; see `Session`.
            deferrable: wait for a safe moment to read at; see `Session`.
            read_after: the position a replica must have reached; see `Session`.
            atomic: False for a store without transactions, None for what the database says; see
                `Session`.
        """
        session = self._class(
            database,
            isolation=isolation,
            deferrable=deferrable,
            read_only=read_only,
            autoflush=autoflush,
            verify_commit=verify_commit,
            read_after=read_after,
            atomic=atomic,
            _depth=2,
        )
        return SessionBlock(session)


class Savepoint:
    """A savepoint set by `tx.savepoint()`; `tx.rollback_to(savepoint)` goes back to it."""

    __slots__ = ("_frame", "name")

    def __init__(self, name: str, frame: Frame) -> None:
        self.name = name
        self._frame = frame

    def __repr__(self) -> str:
        return f"<Savepoint {self.name!r}>"


class Transaction:
    """A transaction under manual control, as `transaction()` and `begin_transaction()` give it.

    Attributes:
        session: the session it is in.
    """

    __slots__ = ("_is_over", "_nested", "_owns_session", "session")

    def __init__(
        self, session: Session, *, owns_session: bool, nested: SavepointBlock | None = None
    ) -> None:
        self.session = session
        self._owns_session = owns_session
        self._nested = nested
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Transaction {'over' if self._is_over else 'open'}>"

    @property
    def is_over(self) -> bool:
        """Whether it was committed or rolled back."""
        return self._is_over

    def _check(self) -> None:
        if self._is_over:
            raise ObjectStateError("the transaction is over")

    async def savepoint(self, name: str = "savepoint") -> Savepoint:
        """Set a savepoint.

        Args:
            name: for messages; the store gets a name of our own making.
        """
        self._check()
        if not isinstance(name, str):
            raise QueryError(f"a savepoint's name is a string, not {type(name).__name__}")
        return Savepoint(name, await self.session._open_savepoint(is_block=False))

    async def rollback_to(self, savepoint: Savepoint) -> None:
        """Undo what was done since a savepoint, in the store and in memory; it stays set.

        Raises:
            ObjectStateError: the savepoint is not one of this transaction, or is gone.
        """
        self._check()
        if not isinstance(savepoint, Savepoint):
            raise QueryError(
                f"rollback_to() takes what savepoint() gave, not {type(savepoint).__name__}"
            )
        await self.session._roll_back_to(savepoint._frame, keep=True)

    async def commit(self) -> None:
        """Commit, or keep what was done if this is part of another transaction; it is over.

        Raises:
            UowError: as `Session.commit`; the transaction is rolled back then.
        """
        self._check()
        if self._nested is not None:
            self._is_over = True
            await self._nested.leave(keep=True)
            return
        try:
            await self.session.commit()
        except BaseException:
            await self._end(rollback=True)
            raise
        await self._end(rollback=False)

    async def rollback(self) -> None:
        """Roll back; the transaction is over. Nothing if it already is."""
        if self._is_over:
            return
        if self._nested is not None:
            self._is_over = True
            await self._nested.leave(keep=False)
        else:
            await self._end(rollback=True)

    async def _end(self, *, rollback: bool) -> None:
        self._is_over = True
        session = self.session
        if self._owns_session:
            await session.aclose()
            return
        session._unit.is_explicit = False
        if rollback and session._can_roll_back:
            await session.rollback()
