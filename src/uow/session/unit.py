"""The state machine of a unit of work: what is true after each thing that can go wrong.

A `Unit` brings the books (`Ledger`) and the line to the store (`Channel`) together. Every path
that leaves it does so with both in agreement: what the books call stored is stored, or the unit
is poisoned or unknown and says so. It knows nothing of tasks and users; that is the session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import anyio

from uow.errors import (
    CommitUnknownError,
    ObjectStateError,
    Outcome,
    QueryError,
    TransactionPoisonedError,
    UowError,
)
from uow.session.cascades import gather
from uow.session.flush import Flush
from uow.session.linked import delete_linked, take_linked_along
from uow.session.plan import make_plan
from uow.session.stored_tokens import new_token
from uow.tracking.journal import objects_of

if TYPE_CHECKING:
    from uow.session.channel import Channel
    from uow.session.codec import Codecs
    from uow.session.hooks import HookCaller
    from uow.session.ledger import Ledger
    from uow.session.streaming import Stream
    from uow.statement import Sendable, Statement
    from uow.tracking.journal import Frame

__all__ = ["Unit"]

ONE_SNAPSHOT: Final = frozenset({"REPEATABLE READ", "SERIALIZABLE"})
"""The isolation levels under which all that a transaction reads is true at one moment."""


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
        "_has_read",
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
        self._has_read = False

    # -- statements

    async def fetch(self, statement: Statement, *, lock: bool = False) -> list[Any]:
        """Send a statement that reads, in the transaction if there is or must be one."""
        self.refuse_poisoned()
        if lock and self.is_read_only:
            raise QueryError("the session is read-only, and locks are for those who write")
        if self.streams:
            await self.close_streams(abandoned=True)
        channel = self.channel
        begins = lock or self.is_explicit
        try:
            rows = await (channel.fetch_begun(statement) if begins else channel.fetch(statement))
        except BaseException as error:
            self._failed(error, keeps=statement.reads)
            raise
        self._has_read = channel.connection is not None
        if lock:
            self.ledger.frames[-1].opaque = True
        return rows

    def note_read(self) -> None:
        """Something was read, in the transaction if one is open."""
        self._has_read = self.is_begun

    async def run_raw(self, statement: Statement) -> Any:
        """Send raw SQL; the journal cannot repeat it, unless it only read."""
        frame = self.ledger.frames[-1]
        before = frame.opaque, frame.is_leaky
        answer = await self._opaque(lambda: self.channel.run(statement))
        if answer.only_read or self.is_read_only:
            frame.opaque, frame.is_leaky = before
        return answer

    async def write(self, statement: Sendable, *, returns: bool) -> Any:
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
        for frame in self.ledger.frames:
            if frame.poison is not None:
                return frame.poison
        return None

    def refuse_poisoned(self) -> None:
        """Raise if the transaction can only be rolled back."""
        for frame in self.ledger.frames:
            if frame.poison is not None:
                raise TransactionPoisonedError(
                    "a statement of this transaction failed, and what it was part of cannot be "
                    "repeated; roll back"
                ) from frame.poison

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
        elif not keeps or channel.has_failed:
            self.ledger.frames[-1].poison = error

    def _lost(self, error: BaseException) -> None:
        """The store has rolled the whole transaction back.

        What was read in it was promised to be true together with what is written. So a flush
        alone can be tried again in another transaction only where nothing is promised.
        """
        ledger = self.ledger
        opaque = any(frame.opaque for frame in ledger.frames)
        ledger.undo_frames()
        if opaque or (self._has_read and self.channel.options.isolation in ONE_SNAPSHOT):
            ledger.frames[0].poison = error

    # -- flush

    async def flush_first(self) -> None:
        """Flush before a query, where the session is one that does."""
        if self.flushes_first and not self.hooks.is_running and not self.ledger.is_clean:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; see `Session.flush`."""
        is_silent = self.hooks.is_silent
        flush = await self._prepare(is_silent=is_silent)
        if flush is not None:
            await self._send(flush, is_silent=is_silent)

    async def _prepare(self, *, is_silent: bool) -> Flush | None:
        """Run the hooks, if there are any, and make the plan. None: there is nothing to write."""
        ledger = self.ledger
        if self.streams:
            await self.close_streams(abandoned=True)
        if not is_silent and self.hooks.hears("before_flush"):
            await self.hooks.call("before_flush")
        if ledger.is_untouched:
            return None
        links = await self._gather()
        is_heard = not is_silent and self.hooks.hears_objects(ledger)
        if is_heard:
            await self.hooks.before_objects(ledger)
            links |= await self._gather()
        plan = make_plan(ledger, self.codecs, found_links=links)
        if plan.is_empty:
            if plan.moves is not None:
                plan.moves.settle_nothing()
            ledger.stored.take_written(plan.written)
            ledger.settle_unchanged(plan.unchanged)
            return None
        if self.is_read_only:
            raise QueryError(f"the session is read-only, and a flush would {plan}")
        return Flush(plan, ledger, self.codecs, is_heard=is_heard)

    async def _gather(self) -> dict[Any, Any]:
        """See to what goes along with what is written; give rows of link tables to delete."""
        ledger = self.ledger
        if self.codecs.dialect.capabilities.documents:
            ledger.open_inboxes()
            take_linked_along(ledger)
            await delete_linked(self)
        return await gather(self) if ledger.may_cascade else {}

    async def _send(self, flush: Flush, *, is_silent: bool) -> None:
        """Write in the transaction; it is begun if it is not open."""
        flush.take()
        hooks, channel = self.hooks, self.channel
        try:
            if channel.connection is None:
                await channel.begin()
            await flush.send(channel.write, channel.look)
            if flush.is_heard:
                await hooks.after_objects(flush.plan)
            if not is_silent and hooks.hears("after_flush"):
                await hooks.call("after_flush")
        except BaseException as error:
            if not channel.options.atomic and flush.only_statement is None:
                await self._leave_unknown(error, flush)
            await self._undo_flush(error)
            raise
        if not channel.options.atomic:
            self.ledger.committed()

    async def _leave_unknown(self, error: BaseException, flush: Flush) -> None:
        """A flush failed that was no transaction: what it had written stays, and nobody says what.

        Raises:
            CommitUnknownError: unless it was cancelled.
        """
        unknown = CommitUnknownError(
            "a flush of several documents failed without a transaction (atomic=False): what was "
            "written before stays (`outcomes` says what); roll back, and read again"
        )
        unknown.outcomes = flush.outcomes
        self._become_unknown(unknown)
        await self.channel.rollback()
        if isinstance(error, Exception):
            raise unknown from error
        raise error

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
        try:
            self.refuse_poisoned()
        except TransactionPoisonedError:
            self.outcome = Outcome.NOT_APPLIED
            raise
        if len(self.ledger.frames) > 1 and any(frame.is_block for frame in self.ledger.frames):
            raise ObjectStateError(
                "commit() inside a begin_nested() block; leave the block first, it is part of "
                "the transaction"
            )
        if self.streams:
            await self.close_streams(abandoned=True)
            if any(not stream.is_own for stream in self.streams):
                raise ObjectStateError(
                    "commit() while a stream of this transaction is open; leave its block first"
                )
        is_silent = self.hooks.is_silent
        try:
            if not is_silent and self.hooks.hears("before_commit"):
                await self.hooks.call("before_commit")
            flush = await self._prepare(is_silent=is_silent)
            is_begun = self.channel.connection is not None
            if flush is not None and not is_begun and self._commits_alone(flush):
                await self._commit_alone(flush)
            else:
                if flush is not None:
                    await self._send(flush, is_silent=is_silent)
                if self.channel.connection is not None:
                    await self._commit_transaction(looks=flush is None or not is_silent)
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
        self._has_read = False
        self.ledger.committed()
        if not callbacks and not self.hooks.hears("after_commit"):
            return
        if not self.channel.was_cancelled:
            await self.hooks.after_commit(callbacks)
            return
        with anyio.move_on_after(self.channel.database.cleanup_timeout, shield=True):
            await self.hooks.after_commit(callbacks)

    def _commits_alone(self, flush: Flush) -> bool:
        """Whether a unit that has not begun is one statement that can be its own transaction."""
        return (
            self.channel.options.isolation is None
            and not self.leaves_token
            and not self.hooks.hears("after_flush")
            and not flush.is_heard
            and flush.only_statement is not None
        )

    async def _commit_alone(self, flush: Flush) -> None:
        """Send the unit's one statement without BEGIN and COMMIT around it."""
        flush.take()
        try:
            await flush.send(self.channel.commit_alone, self.channel.look)
        except CommitUnknownError as error:
            self._become_unknown(error)
            raise
        except BaseException as error:
            self._lost(error)
            raise

    async def _commit_transaction(self, *, looks: bool) -> None:
        """Commit.

        Args:
            looks: code of the user may have run since a statement was last waited for, and may have
                cancelled us; else that was heard there.
        """
        # What was only read is as good unanswered.
        leaves_token = self.leaves_token and not self.is_read_only
        token = new_token(self.channel.database) if leaves_token else None
        try:
            if token is not None:
                await token.leave(self.channel)
            await self.channel.commit(looks=looks)
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
        self._has_read = False
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
        dialect = self.codecs.dialect
        if not dialect.capabilities.savepoints:
            raise QueryError(
                f"{dialect.name} has no savepoints: begin_nested(), and transactions in "
                "transactions, are for other stores"
            )
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
            cancelled = await self.channel.release_savepoint(cast("str", frame.savepoint))
        except BaseException as error:
            self._failed(error, keeps=False)
            raise
        self.ledger.release_frame()
        if cancelled is not None:
            raise cancelled

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
                cancelled = await self.channel.release_savepoint(cast("str", frame.savepoint))
            except UowError as error:
                self._failed(error, keeps=True)
            else:
                if cancelled is not None:
                    raise cancelled

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
        if not self.streams:
            return
        async with AsyncExitStack() as closing:  # each of them, whatever becomes of the others
            for stream in list(self.streams):
                if stream.is_abandoned or not abandoned:
                    closing.push_async_callback(stream.aclose)
