"""The state machine of a unit of work: what is true after each thing that can go wrong.

A `Unit` brings the books (`Ledger`) and the line to the store (`Channel`) together. Every path
that leaves it does so with both in agreement: what the books call stored is stored, or the unit
is poisoned or unknown and says so. It knows nothing of tasks and users; that is the session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio

from uow.errors import (
    CommitUnknownError,
    ObjectStateError,
    Outcome,
    QueryError,
    TransactionPoisonedError,
    UowError,
)
from uow.session.flush import Flush
from uow.session.plan import make_plan
from uow.session.tokens import CommitToken
from uow.tracking.journal import objects_of

if TYPE_CHECKING:
    from uow.session.channel import Channel
    from uow.session.codec import Codecs
    from uow.session.hooks import HookCaller
    from uow.session.ledger import Ledger
    from uow.session.streaming import Stream
    from uow.statement import Statement
    from uow.tracking.journal import Frame

__all__ = ["Unit"]


class Unit:
    """The unit of work of one session.

    Attributes:
        ledger: the books.
        channel: the connection and the transaction.
        codecs: how objects travel.
        hooks: what calls the hooks of the session.
        flushes_first: queries flush before they read.
        is_explicit: the transaction begins at the first statement, not at the first write.
        is_read_only: nothing may be written.
        leaves_token: commits are made verifiable.
        outcome: what is known about the last unit.
        streams: the cursors that are open.
        unknown: the error of a commit that was not answered.
    """

    __slots__ = (
        "channel",
        "codecs",
        "flushes_first",
        "hooks",
        "is_explicit",
        "is_read_only",
        "leaves_token",
        "ledger",
        "outcome",
        "streams",
        "unknown",
    )

    def __init__(
        self,
        ledger: Ledger,
        channel: Channel,
        codecs: Codecs,
        hooks: HookCaller,
        *,
        is_read_only: bool,
        leaves_token: bool,
        flushes_first: bool,
    ) -> None:
        self.ledger = ledger
        self.channel = channel
        self.codecs = codecs
        self.hooks = hooks
        self.is_read_only = is_read_only
        self.is_explicit = is_read_only or channel.options.isolation is not None
        self.leaves_token = leaves_token
        self.flushes_first = flushes_first
        self.streams: set[Stream[Any]] = set()
        self.outcome: Outcome | None = None
        self.unknown: CommitUnknownError | None = None

    # -- statements

    async def fetch(self, statement: Statement, *, lock: bool = False) -> list[Any]:
        """Send a statement that reads, in the transaction if there is or must be one."""
        self.refuse_poisoned()
        if self.streams:
            await self.close_streams(abandoned=True)
        if lock or (self.is_explicit and not self.is_begun):
            await self.begin()
        try:
            rows = await self.channel.fetch(statement)
        except BaseException as error:
            self._failed(error, keeps=statement.reads)
            raise
        if lock:
            self.ledger.frames[-1].opaque = True
        return rows

    async def run_raw(self, statement: Statement) -> Any:
        """Send raw SQL; the journal cannot repeat it, unless it only read."""
        frame = self.ledger.frames[-1]
        before = frame.opaque, frame.is_leaky
        answer = await self._opaque(lambda: self.channel.run(statement))
        if answer.only_read:
            frame.opaque, frame.is_leaky = before
        return answer

    async def write(self, statement: Statement, *, returns: bool) -> Any:
        """Send a bulk statement; the journal cannot repeat it."""
        return await self._opaque(lambda: self.channel.write(statement, returns=returns))

    async def _opaque(self, send: Callable[[], Awaitable[Any]]) -> Any:
        self.refuse_poisoned()
        await self.begin()
        frame = self.ledger.frames[-1]
        frame.opaque = frame.is_leaky = True
        try:
            return await send()
        except BaseException as error:
            self._failed(error, keeps=False)
            raise

    @property
    def is_begun(self) -> bool:
        """Whether a transaction is open."""
        return self.channel.connection is not None

    # -- poison

    @property
    def poison(self) -> BaseException | None:
        """The error because of which the transaction can only be rolled back."""
        return next((f.poison for f in self.ledger.frames if f.poison is not None), None)

    def refuse_poisoned(self) -> None:
        """Raise if the transaction can only be rolled back."""
        poison = self.poison
        if poison is not None:
            raise TransactionPoisonedError(
                "a statement of this transaction failed, and what it was part of cannot be "
                "repeated; roll back"
            ) from poison

    def _failed(self, error: BaseException, *, keeps: bool) -> None:
        """A statement failed: what does that make of the transaction?

        Args:
            error: what it raised.
            keeps: the transaction is as good as before, if the store still holds it.
        """
        channel = self.channel
        if channel.connection is None:
            return
        if channel.is_lost:
            channel.abandon()
            self._lost(error)
        elif not keeps:
            self.ledger.frames[-1].poison = error

    def _lost(self, error: BaseException) -> None:
        """The store has rolled the whole transaction back."""
        ledger = self.ledger
        opaque = any(frame.opaque for frame in ledger.frames)
        ledger.undo_frames()
        if opaque:
            ledger.frames[0].poison = error

    # -- flush

    async def flush_first(self) -> None:
        """Flush before a query, where the session is one that does."""
        if self.flushes_first and not self.hooks.is_running and not self.ledger.is_clean:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; see `Session.flush`."""
        flush = await self._prepare()
        if flush is not None:
            await self._send(flush)

    async def _prepare(self) -> Flush | None:
        """Run the hooks and make the plan. None: there is nothing to write."""
        ledger = self.ledger
        await self.close_streams(abandoned=True)
        await self.hooks.call("before_flush")
        if not (ledger.new or ledger.changed or ledger.deleted):
            return None
        if self.hooks.hears_objects(ledger):
            await self.hooks.before_objects(ledger)
        plan = make_plan(ledger, self.codecs)
        if plan.is_empty:
            ledger.settle_unchanged(plan.unchanged)
            return None
        if self.is_read_only:
            raise QueryError(f"the session is read-only, and a flush would {plan}")
        return Flush(plan, ledger, self.codecs)

    async def _send(self, flush: Flush) -> None:
        """Write in the transaction; it is begun if it is not open."""
        flush.take()
        try:
            await self.begin()
            await flush.send(self.channel.write)
            await self.hooks.after_objects(flush.plan)
            await self.hooks.call("after_flush")
        except BaseException as error:
            await self._undo_flush(error)
            raise

    async def _undo_flush(self, error: BaseException) -> None:
        """A flush failed: its frame is rolled back, in the store and in the books."""
        ledger = self.ledger
        frame = ledger.frames[-1]
        try:
            if frame.savepoint is not None and self.is_begun:
                kept = False
                try:
                    kept = await self.channel.rollback_to(frame.savepoint)
                finally:
                    if kept or self.is_begun:
                        self._undo_frame(frame, error)
                    else:
                        self._lost(error)
            else:
                try:
                    await self.channel.rollback()
                finally:
                    self._lost(error)
        except BaseException as interruption:
            # What went wrong first is what the user has to know; a cancellation must surface.
            raise interruption from error

    def _undo_frame(self, frame: Frame, error: BaseException) -> None:
        self.ledger.undo_frame()
        if frame.opaque:
            frame.poison = error

    async def begin(self) -> None:
        """Begin the transaction, unless it is open."""
        if not self.is_begun:
            await self.channel.begin()

    # -- commit and rollback

    async def commit(self) -> None:
        """Flush and commit; see `Session.commit`."""
        self.refuse_poisoned()
        if any(frame.is_block for frame in self.ledger.frames):
            raise ObjectStateError(
                "commit() inside a begin_nested() block; leave the block first, it is part of "
                "the transaction"
            )
        await self.close_streams(abandoned=True)
        if any(not stream.is_own for stream in self.streams):
            raise ObjectStateError(
                "commit() while a stream of this transaction is open; leave its block first"
            )
        try:
            await self.hooks.call("before_commit")
            flush = await self._prepare()
            if flush is not None and self._commits_alone(flush):
                await self._commit_alone(flush)
            else:
                if flush is not None:
                    await self._send(flush)
                if self.is_begun:
                    await self._commit_transaction()
        except BaseException as error:
            if self.unknown is None:
                self.outcome = Outcome.NOT_APPLIED
            self.channel.raise_cancelled(error)
            raise
        try:
            await self._committed()
        finally:
            self.channel.raise_cancelled(None)

    async def settle_unknown(self) -> Outcome:
        """Ask what became of a commit that was not answered; if it was applied, take note."""
        unknown = self.unknown
        if unknown is None:
            return self.outcome or Outcome.NOT_APPLIED
        outcome = unknown.outcome = await unknown.verify()
        if outcome is Outcome.APPLIED:
            self.unknown = None
            await self._committed()
        return outcome

    async def _committed(self) -> None:
        """The unit is stored. A cancellation that came with the COMMIT keeps no hook from that."""
        callbacks = [function for frame in self.ledger.frames for function in frame.callbacks]
        self.outcome = Outcome.APPLIED
        self.ledger.committed()
        if not self.channel.was_cancelled:
            await self.hooks.after_commit(callbacks)
            return
        with anyio.move_on_after(self.channel.database.cleanup_timeout, shield=True):
            await self.hooks.after_commit(callbacks)

    def _commits_alone(self, flush: Flush) -> bool:
        """Whether the unit is one statement that can be its own transaction."""
        return (
            not self.is_begun
            and self.channel.options.isolation is None
            and not self.leaves_token
            and not self.hooks.hears("after_flush")
            and not self.hooks.hears_objects(self.ledger)
            and flush.only_statement is not None
        )

    async def _commit_alone(self, flush: Flush) -> None:
        """Send the unit's one statement without BEGIN and COMMIT around it."""
        flush.take()
        try:
            await flush.send(self.channel.commit_alone)
        except CommitUnknownError as error:
            self._become_unknown(error)
            raise
        except BaseException as error:
            self._lost(error)
            raise

    async def _commit_transaction(self) -> None:
        token: CommitToken | None = None
        try:
            if self.leaves_token:
                token = CommitToken()
                await token.leave(self.channel)
            await self.channel.commit()
            if token is not None:
                token.answered(self.channel.database)
        except CommitUnknownError as error:
            if token is not None:
                error.verify_with(partial(token.verify, self.channel.database))
            self._become_unknown(error)
            raise
        except BaseException as error:
            try:
                await self.channel.rollback()
            finally:
                self._lost(error)
            raise

    def _become_unknown(self, error: CommitUnknownError) -> None:
        self.outcome = Outcome.UNKNOWN
        self.unknown = error

    async def rollback(self) -> None:
        """Roll back; see `Session.rollback`."""
        ledger = self.ledger
        unknown = self.unknown is not None
        concerned = objects_of(ledger.frames) if unknown else []
        # With nothing to roll back, what is known of the unit before stays true.
        was_begun = self.channel.connection is not None or ledger.was_written or not ledger.is_clean
        try:
            await self.close_streams()
            await self.channel.rollback()
        finally:
            ledger.restore_all()
            if unknown:
                for obj in concerned:
                    if ledger.holds(obj):
                        ledger.expire(obj, discard=True)
                self.unknown = None
            elif was_begun:
                self.outcome = Outcome.NOT_APPLIED
        await self.hooks.call("after_rollback")

    # -- savepoints

    async def open_savepoint(self, *, is_block: bool) -> Frame:
        """Set a savepoint and open its frame.

        Args:
            is_block: it is a block's, and must be left before the transaction is committed.
        """
        self.refuse_poisoned()
        await self.begin()
        try:
            name = await self.channel.savepoint()
        except BaseException as error:
            # Whether it was set or not, what is outside of it is as good as before.
            self._failed(error, keeps=True)
            raise
        frame = self.ledger.open_frame(name)
        frame.is_block = is_block
        return frame

    async def close_savepoint(self, frame: Frame) -> None:
        """Flush and release. A failed flush has rolled the savepoint back already."""
        self.refuse_poisoned()
        self._innermost(frame)
        await self.flush()
        try:
            await self.channel.release_savepoint(cast("str", frame.savepoint))
        except BaseException as error:
            self._failed(error, keeps=False)
            raise
        self.ledger.release_frame()

    async def roll_back_to(self, frame: Frame, *, keep: bool) -> None:
        """Undo what was done since a savepoint.

        Args:
            frame: the savepoint's.
            keep: it stays set, to be used again.
        """
        ledger = self.ledger
        if frame not in ledger.frames:
            if keep:
                raise ObjectStateError(
                    "the savepoint is gone: it was released, or the transaction is over"
                )
            return
        kept = False
        poison = self._poison_outside(frame)
        try:
            kept = await self.channel.rollback_to(cast("str", frame.savepoint))
        finally:
            if kept or self.channel.connection is not None:
                while ledger.frames[-1] is not frame:
                    ledger.restore_frame()
                    ledger.frames.pop()
                ledger.restore_frame()
                if not keep:
                    ledger.frames.pop()
            else:
                self._lost(poison or ObjectStateError("the transaction was lost"))
        if not keep and kept:
            # Rolled back to, and now forgotten; nothing hangs on it any more, so an error here is
            # not the caller's, who may have one of its own.
            try:
                await self.channel.release_savepoint(cast("str", frame.savepoint))
            except UowError as error:
                self._failed(error, keeps=True)

    def _poison_outside(self, frame: Frame) -> BaseException | None:
        frames = self.ledger.frames
        return next((f.poison for f in frames[: frames.index(frame)] if f.poison), None)

    def _innermost(self, frame: Frame) -> None:
        if self.ledger.frames[-1] is not frame:
            raise ObjectStateError(
                "the savepoint is not the innermost one of this transaction any more; it was "
                "rolled back with what is outside of it, or others inside it are still open"
            )

    # -- streams

    async def close_streams(self, *, abandoned: bool = False) -> None:
        """Close the cursors that are open, or those that somebody left without closing."""
        async with AsyncExitStack() as closing:  # each of them, whatever becomes of the others
            for stream in list(self.streams):
                if stream.is_abandoned or not abandoned:
                    closing.push_async_callback(stream.aclose)
