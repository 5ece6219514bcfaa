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
from uow.session.plan import FIRST_VERSION, FlushPlan, Kind, Step
from uow.statement import Many, Statement
from uow.tracking.journal import Deleted, Inserted, Updated
from uow.tracking.state import Record, State, read_slot

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.codec import Codec, Codecs
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
        if isinstance(statement, Many) and len(statement.rows) != 1:
            return None
        return statement

    def take(self) -> None:
        """Hand the records over to the journal. From now on writes to them are new changes."""
        ledger = self._ledger
        ledger.settle_unchanged(self._plan.unchanged)
        entries = ledger.frames[-1].entries
        for job in self._jobs:
            step = job.step
            if step.kind is Kind.INSERT:
                entries.append(self._take_inserts(step, job.returning))
            elif step.kind is Kind.UPDATE:
                entries.append(self._take_updates(step))
            else:
                for record in step.records:
                    ledger.deleted.pop(record, None)
                entries.append(Deleted(step.records))

    def _take_inserts(self, step: Step, returning: tuple[MappedColumn, ...]) -> Inserted:
        new = self._ledger.new
        noted: list[dict[str, Any]] = []
        for record in step.records:
            del new[record]
            noted.append(record.noted or {})
            record.noted = {}
        version = step.mapper.version
        filled = returning if version is None or version in step.columns else (*returning, version)
        return Inserted(step.records, noted, filled)

    def _take_updates(self, step: Step) -> Updated:
        mapper = step.mapper
        overwritten = [
            column
            for column in mapper.columns
            if column is mapper.version or column.generated is not None
        ]
        noted: list[dict[str, Any]] = []
        watched: list[dict[str, Any] | None] = []
        replaced: list[dict[MappedColumn, Any]] = []
        for record in step.records:
            noted.append(record.noted or {})
            watched.append(None if record.watched is None else dict(record.watched))
            record.noted = {}
            self._ledger.delist(record)
            replaced.append({column: read_slot(record.obj, column) for column in overwritten})
        return Updated(step.records, noted, replaced, watched)

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
        records = step.records
        if returning:
            rows = [row for answer in answers for row in answer]
            codec.fill(returning, [record.obj for record in records], rows)
        if mapper.version is not None and mapper.version not in step.columns:
            store = mapper.version.set_slot
            for record in records:
                store(record.obj, FIRST_VERSION)
        if step.columns != codec.writable or codec.generated:
            for record in records:
                mapper.mark_complete(record.obj)
        objects = self._ledger.of(mapper.root)
        identity = mapper.identity
        for record in records:
            record.status = State.PERSISTENT
            objects[identity(record.obj)] = record.obj
        self._watch(step, codec)
        for record in records:
            if record.noted:  # written while the flush was under way
                self._ledger.record_changed(record)

    def _updated(self, step: Step, answers: list[Any]) -> None:
        mapper = step.mapper
        codec = self._codecs.of(mapper)
        version = mapper.version
        if version is not None:
            for record in step.records:
                version.set_slot(record.obj, version.get_slot(record.obj) + 1)
        if codec.generated:
            width = len(mapper.key)
            found = {row[:width]: row[width:] for answer in answers for row in answer}
            keys = codec.rows(mapper.key, [record.obj for record in step.records])
            codec.fill(
                codec.generated,
                [record.obj for record in step.records],
                [found[key] for key in keys],
            )
        self._watch(step, codec)

    def _watch(self, step: Step, codec: Codec) -> None:
        """Values that can change without a word are compared from now on with what was sent."""
        for position, column in enumerate(step.columns):
            if column.is_lazy:
                for record, row in zip(step.records, step.rows, strict=True):
                    if row[position] is None:
                        if record.watched is not None:
                            record.watched.pop(column.attribute, None)
                    else:
                        record.lazily_read(record.obj, column.attribute, row[position])

    def _deleted(self, step: Step) -> None:
        for record in step.records:
            self._ledger.forget(record)


def _refuse_stale(job: Job, answers: Sequence[Any]) -> None:
    """Every row of an update or delete must have matched; say which did not."""
    step = job.step
    if step.kind is Kind.INSERT:
        return
    if job.returning:
        width = len(step.mapper.key)
        matched = {row[:width] for answer in answers for row in answer}
        if len(matched) == len(step.records):
            return
        offset = len(step.rows[0]) - _locator_width(step.mapper)
        missing = [
            record
            for record, row in zip(step.records, step.rows, strict=True)
            if row[offset : offset + width] not in matched
        ]
        raise _stale(step, missing)
    counts: list[int] = []
    for answer in answers:
        if isinstance(answer, int):
            if sum(a for a in answers if isinstance(a, int)) == len(step.records):
                return
            raise _stale(step, step.records)
        counts.extend(answer)
    if 0 in counts:
        missing = [record for record, count in zip(step.records, counts, strict=True) if count == 0]
        raise _stale(step, missing)


def _locator_width(mapper: Mapper) -> int:
    return len(mapper.key) + (mapper.version is not None)


def _stale(step: Step, records: Sequence[Record]) -> StaleObjectError:
    shown = ", ".join(repr(record.obj) for record in records[:5])
    more = f" and {len(records) - 5} more" if len(records) > 5 else ""
    reason = (
        "its version is not the one that was loaded, or the row is gone"
        if step.mapper.version is not None
        else "the row is gone"
    )
    return StaleObjectError(
        f"{step.kind.name} of {shown}{more} matched no row: {reason}; refresh and try again",
        objects=[record.obj for record in records],
    )
