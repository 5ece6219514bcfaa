"""A flush: the plan is taken over into the journal, sent, and its results are taken in.

Three steps, of which only the second waits:

1. `take`: in one piece, every record leaves the sets it was in, and an entry of the journal
   says how to put it back. From here on a failure is undone by the journal alone.
2. `send`: statement by statement. Nothing in memory changes.
3. `settle`: in one piece, keys and other values of the store are filled in, objects enter or
   leave the identity map.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from uow.errors import StaleObjectError
from uow.query.statements import DeleteRows, InsertRows, UpdateRows
from uow.session.plan import FIRST_VERSION
from uow.session.steps import FlushPlan, Kind, Step
from uow.statement import Many, Statement
from uow.tracking.journal import Deleted, Inserted, Updated
from uow.tracking.state import Record, State, read_slot, set_state

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.codec import Codecs
    from uow.session.ledger import Ledger

__all__ = ["Flush", "Write"]


class Write(Protocol):
    """How a statement is sent."""

    def __call__(self, statement: Statement | Many, *, returns: bool) -> Awaitable[Any]:
        """Send a statement; see `Channel.write`."""
        ...


class Job:
    """A step on its way: its statements, and what takes in their results."""

    __slots__ = ("returning", "settle", "statements", "step")

    def __init__(
        self,
        step: Step,
        statements: Sequence[Statement | Many],
        returning: tuple[MappedColumn, ...],
        settle: Callable[[list[Any]], None],
    ) -> None:
        self.step = step
        self.statements = statements
        self.returning = returning
        self.settle = settle


class Flush:
    """One flush, from a plan to objects that are stored."""

    __slots__ = ("_codecs", "_jobs", "_ledger", "_plan")

    def __init__(self, plan: FlushPlan, ledger: Ledger, codecs: Codecs) -> None:
        self._plan = plan
        self._ledger = ledger
        self._codecs = codecs
        self._jobs = [self._job(step) for step in plan.steps]

    @property
    def plan(self) -> FlushPlan:
        """What is written."""
        return self._plan

    @property
    def only_statement(self) -> Statement | Many | None:
        """The statement, if there is just one and it is executed once."""
        if len(self._jobs) != 1 or len(self._jobs[0].statements) != 1:
            return None
        statement = self._jobs[0].statements[0]
        step = self._jobs[0].step
        if len(step.objects) > 1 and (isinstance(statement, Many) or step.kind is not Kind.INSERT):
            return None  # rows that match may be followed by one that does not
        return statement

    def take(self) -> None:
        """Hand what waits over to the journal. From now on writes to it are new changes."""
        ledger = self._ledger
        entries = ledger.frames[-1].entries
        ledger.settle_unchanged(self._plan.unchanged)
        ledger.new.clear()
        ledger.deleted.clear()
        ledger.changed.clear()
        for record in self._plan.unchanged:
            ledger.enlist(record)
        for job in self._jobs:
            step = job.step
            if step.kind is Kind.INSERT:
                entries.append(self._take_inserts(step, job.returning))
            elif step.kind is Kind.UPDATE:
                entries.append(self._take_updates(step))
            else:
                entries.append(Deleted(step.objects))
                ledger.frames[-1].deleted.add(step.mapper)

    def _take_inserts(self, step: Step, returning: tuple[MappedColumn, ...]) -> Inserted:
        noted = [obj._uow_state.noted for obj in step.objects]
        for obj, notes in zip(step.objects, noted, strict=True):
            if notes:
                obj._uow_state.noted = None
        version = step.mapper.version
        filled = returning if version is None or version in step.columns else (*returning, version)
        return Inserted(step.objects, noted, filled)

    def _take_updates(self, step: Step) -> Updated:
        overwritten = [
            column
            for column in step.mapper.columns
            if column is step.mapper.version or column.generated is not None
        ]
        noted: list[dict[str, Any]] = []
        watched: list[dict[str, Any] | None] = []
        for obj in step.objects:
            record = obj._uow_state
            noted.append(record.noted or {})
            watched.append(None if record.watched is None else dict(record.watched))
            record.noted = None
        replaced: list[dict[MappedColumn, Any]]
        if overwritten:
            replaced = [{c: read_slot(obj, c) for c in overwritten} for obj in step.objects]
        else:
            replaced = [{}] * len(step.objects)
        return Updated(step.objects, noted, replaced, watched)

    async def send(self, write: Write) -> None:
        """Send every statement, in order; then take in what came back.

        Raises:
            StaleObjectError: a row to update or delete was not there, or not in that version.
        """
        results: list[list[Any]] = []
        for job in self._jobs:
            returns = bool(job.returning)
            answers = [await write(statement, returns=returns) for statement in job.statements]
            _refuse_stale(job, answers)
            results.append(answers)
        for job, answers in zip(self._jobs, results, strict=True):
            job.settle(answers)

    # -- one kind of step each: the statements, and what takes in their results

    def _job(self, step: Step) -> Job:
        mapper = step.mapper
        codec = self._codecs.of(mapper)
        dialect = self._codecs.dialect
        if step.kind is Kind.INSERT:
            columns = step.columns
            if mapper.version is not None and mapper.version not in columns:
                columns = (*columns, mapper.version)
            returning = codec.absent(columns)
            statements = dialect.insert_rows(InsertRows(mapper, columns, step.rows, returning))
            return Job(
                step,
                statements,
                returning,
                lambda answers: self._inserted(step, returning, answers),
            )
        if step.kind is Kind.UPDATE:
            columns = step.columns
            if mapper.version is not None:
                columns = (*columns, mapper.version)
            returning = (*mapper.key, *codec.generated) if codec.generated else ()
            statements = dialect.update_rows(
                UpdateRows(mapper, columns, codec.locator, step.rows, returning)
            )
            return Job(step, statements, returning, lambda answers: self._updated(step, answers))
        statements = dialect.delete_rows(DeleteRows(mapper, codec.locator, step.rows))
        return Job(step, statements, (), lambda _: self._deleted(step))

    def _inserted(
        self, step: Step, returning: tuple[MappedColumn, ...], answers: list[Any]
    ) -> None:
        mapper = step.mapper
        codec = self._codecs.of(mapper)
        ledger = self._ledger
        objects = step.objects
        if returning:
            codec.fill(returning, objects, [row for answer in answers for row in answer])
        if mapper.version is not None and mapper.version not in step.columns:
            store = mapper.version.set_slot
            for obj in objects:
                store(obj, FIRST_VERSION)
        if mapper.version is not None or any(not column.auto_increment for column in returning):
            for obj in objects:
                mapper.mark_complete(obj)
        ledger.of(mapper.root).update(zip(map(mapper.identity, objects), objects, strict=True))
        pending, stored = ledger.pending, ledger.stored
        for obj in objects:
            state = obj._uow_state
            if state is pending:
                set_state(obj, stored)
            else:
                state.become(State.PERSISTENT)
                state.home = stored
                ledger.enlist(state)  # it may have been written to while this was under way
                ledger.settle(state)
        self._watch(step)

    def _updated(self, step: Step, answers: list[Any]) -> None:
        mapper = step.mapper
        codec = self._codecs.of(mapper)
        version = mapper.version
        if version is not None:
            for obj in step.objects:
                version.set_slot(obj, version.get_slot(obj) + 1)
        if codec.generated:
            width = len(mapper.key)
            found = {row[:width]: row[width:] for answer in answers for row in answer}
            keys = codec.rows(mapper.key, step.objects)
            codec.fill(codec.generated, step.objects, [found[key] for key in keys])
        stored = self._ledger.stored
        for obj in step.objects:
            record = obj._uow_state
            if record.watched is not None:
                self._ledger.enlist(record)
            elif not record.noted:
                set_state(obj, stored)
        self._watch(step)

    def _watch(self, step: Step) -> None:
        """Values that can change without a word are compared from now on with what was sent."""
        for position, column in enumerate(step.columns):
            if not column.is_lazy:
                continue
            name = column.attribute
            for obj, row in zip(step.objects, step.rows, strict=True):
                sent = row[position]
                if sent is not None:
                    self._ledger.own(obj).watch(name, sent)
                    continue
                state = obj._uow_state
                if isinstance(state, Record) and state.watched is not None:
                    state.watched.pop(name, None)

    def _deleted(self, step: Step) -> None:
        for obj in step.objects:
            self._ledger.forget(obj)


def _refuse_stale(job: Job, answers: Sequence[Any]) -> None:
    """Every row of an update or delete must have matched; say which did not."""
    step = job.step
    if step.kind is Kind.INSERT:
        return
    if job.returning:
        width = len(step.mapper.key)
        matched = {row[:width] for answer in answers for row in answer}
        if len(matched) == len(step.objects):
            return
        offset = len(step.rows[0]) - _locator_width(step.mapper)
        missing = [
            obj
            for obj, row in zip(step.objects, step.rows, strict=True)
            if row[offset : offset + width] not in matched
        ]
        raise _stale(step, missing)
    counts: list[int] = []
    for answer in answers:
        if isinstance(answer, int):
            if sum(a for a in answers if isinstance(a, int)) == len(step.objects):
                return
            raise _stale(step, step.objects)
        counts.extend(answer)
    if 0 in counts:
        missing = [obj for obj, count in zip(step.objects, counts, strict=True) if count == 0]
        raise _stale(step, missing)


def _locator_width(mapper: Mapper) -> int:
    return len(mapper.key) + (mapper.version is not None)


def _stale(step: Step, objects: Sequence[Any]) -> StaleObjectError:
    shown = ", ".join(map(repr, objects[:5]))
    more = f" and {len(objects) - 5} more" if len(objects) > 5 else ""
    reason = (
        "its version is not the one that was loaded, or the row is gone"
        if step.mapper.version is not None
        else "the row is gone"
    )
    return StaleObjectError(
        f"{step.kind.name} of {shown}{more} matched no row: {reason}; refresh and try again",
        objects=objects,
    )
