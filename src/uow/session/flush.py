"""A flush: the plan is taken over into the journal, sent, and its results are taken in.

Three steps, of which only the second waits:

1. `take`: in one piece, every record leaves the sets it was in, and an entry of the journal
   says how to put it back. From here on a failure is undone by the journal alone.
2. `send`: statement by statement. Nothing in memory changes.
3. `settle`: in one piece, keys and other values of the store are filled in, objects enter or
   leave the identity map.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, Protocol

from uow.errors import Outcome, QueryError, UowError
from uow.query.statements import DeleteRows, InsertRows, UpdateRows
from uow.session.document_cache import forget_cached
from uow.session.documents import DocumentWrites, Look, outcomes_of
from uow.session.following import Follower, followed_by
from uow.session.given import awaited_keys, fill_awaited, handed_columns
from uow.session.late import KeyOf
from uow.session.lots import find_free_values
from uow.session.moves import drop_deleted
from uow.session.stale import absent_from, refuse_unstored, selects_of_keys, stale_error
from uow.session.steps import FlushPlan, Kind, Step
from uow.statement import Load, Many, Sendable, Statement, values_of
from uow.tracking.journal import Deleted, FieldNotes, Filled, Handed, Inserted, Updated
from uow.tracking.nested.fields import hold_stored, token_of
from uow.tracking.state import Record, State, read_slot, set_state

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.codec import Codecs
    from uow.session.ledger import Ledger

__all__ = ["Flush", "Write"]

NO_NOTES: Final[dict[str, Any]] = {}


class Write(Protocol):
    """How a statement is sent."""

    def __call__(self, statement: Sendable, *, returns: bool) -> Awaitable[Any]:
        """Send a statement; see `Channel.write`."""
        ...


class Job:
    """A step on its way: its statements.

    Attributes:
        step: what is written.
        statements: what is sent for it.
        returning: the columns that come back from them.
        locks: what is sent before, and gives the keys of the rows that are as they should be.
        reads: what is sent afterwards, where values of the store do not come back by themselves.
        rereads: whether new rows are read afterwards, for the same reason.
    """

    __slots__ = ("locks", "reads", "rereads", "returning", "statements", "step")

    def __init__(
        self,
        step: Step,
        statements: Sequence[Sendable],
        returning: tuple[MappedColumn, ...],
        *,
        locks: Sequence[Statement] = (),
        reads: Sequence[Statement] = (),
        rereads: bool = False,
    ) -> None:
        self.rereads = rereads
        self.locks = locks
        self.reads = reads
        self.step = step
        self.statements = statements
        self.returning = returning

    @property
    def is_more(self) -> bool:
        """Whether something is sent besides its statements."""
        return bool(self.locks or self.reads or self.rereads)


def _is_followed(step: Step) -> bool:
    """Whether relations may stand on what is written."""
    if step.mapper.hierarchy is not None:
        return True
    for column in step.columns:  # noqa: SIM110 - each step of each flush comes by here
        if column.by_relation:
            return True
    return False


class Flush:
    """One flush, from a plan to objects that are stored.

    Attributes:
        plan: what is written.
        is_heard: whether some hook may want to hear of it.
    """

    __slots__ = (
        "_awaited",
        "_awaits",
        "_codecs",
        "_documents",
        "_followed",
        "_handed",
        "_jobs",
        "_keys",
        "_ledger",
        "is_heard",
        "outcomes",
        "plan",
    )

    def __init__(self, plan: FlushPlan, ledger: Ledger, codecs: Codecs, *, is_heard: bool) -> None:
        self.plan = plan
        self.is_heard = is_heard
        self._ledger = ledger
        self._codecs = codecs
        self._awaits = False
        # Keys that rows are sent with as soon as other rows are stored.
        self._awaited = awaited_keys(plan.steps)
        self._keys: dict[tuple[int, MappedColumn], Any] = {}
        self._handed: Handed | None = None
        self._documents: DocumentWrites | None = None
        # What became of each object of a flush that was no transaction, when it fails.
        self.outcomes: list[tuple[object, Outcome]] = []
        self._followed: list[tuple[Follower, list[Any], list[Any] | None]] = []
        self._jobs: list[Job] = []
        if plan.steps and plan.steps[0].mapper.document is not None:
            self._documents = DocumentWrites(plan.steps, codecs)
            self._jobs = [Job(step, (), step.form.returning) for step in plan.steps]
            return
        for step in plan.steps:
            if step.awaited:
                self._awaits = True
                self._jobs.append(Job(step, (), step.form.returning))
            else:
                self._jobs.append(self._job(step))

    @property
    def only_statement(self) -> Sendable | None:
        """The statement, if there is just one and it is executed once."""
        if self._documents is not None:
            return self._documents.only_operation
        if len(self._jobs) != 1 or len(self._jobs[0].statements) != 1 or self.plan.defers:
            return None
        statement = self._jobs[0].statements[0]
        step = self._jobs[0].step
        if isinstance(statement, Load) or self._jobs[0].is_more:
            return None  # it is several
        if len(step.objects) > 1 and (isinstance(statement, Many) or step.kind is not Kind.INSERT):
            return None  # rows that match may be followed by one that does not
        return statement

    def take(self) -> None:
        """Hand what waits over to the journal. From now on writes to it are new changes."""
        ledger = self._ledger
        entries = ledger.frames[-1].entries
        unchanged, written = self.plan.unchanged, self.plan.written
        if self.plan.moves is not None:
            self.plan.moves.take(entries)
        if self.plan.linked:
            entries.append(self.plan.linked)
        if unchanged:
            ledger.settle_unchanged(unchanged)
        ledger.take(written)
        for record in unchanged:
            ledger.enlist(record)
        if self._awaited:
            self._handed = Handed(handed_columns(self.plan.steps))
            entries.append(self._handed)
        for job in self._jobs:
            step = job.step
            if not step.is_main:
                continue
            if step.kind is Kind.INSERT:
                entries.append(self._take_inserts(step))
                if _is_followed(step):
                    self._follow_keys(step, None)
            elif step.kind is Kind.UPDATE:
                taken = self._take_updates(step, written)
                entries.append(taken)
                if _is_followed(step):
                    self._follow_keys(step, taken.noted)
            else:
                if step.is_root:
                    entries.append(Deleted(step.objects))
                ledger.frames[-1].deleted.add(step.mapper)

    def _take_inserts(self, step: Step) -> Inserted | Filled:
        if not step.is_root:
            if step.form.lazy:
                self._hold_sent(step)
            return Filled(step.objects, step.form.filled)
        noted = [obj._uow_state.noted for obj in step.objects]
        if any(noted):
            for obj, notes in zip(step.objects, noted, strict=True):
                if notes:
                    obj._uow_state.noted = None
        if step.form.lazy:
            self._hold_sent(step)
        return Inserted(step.objects, noted, step.form.filled)

    def _take_updates(
        self, step: Step, written: Mapping[MappedColumn, Mapping[Any, Any]]
    ) -> Updated:
        objects = step.objects
        stored = self._ledger.stored
        noted: Iterable[dict[str, Any]]
        watched: list[dict[str, Any] | None] = [None] * len(objects)
        is_mixed = step.mapper.hierarchy is not None
        is_alike = len(step.columns) == 1 and not is_mixed
        if is_alike and not [obj for obj in objects if obj._uow_state is not stored]:
            column = step.columns[0]
            noted = FieldNotes(column.attribute, objects, written[column])
        else:
            noted = found = list[dict[str, Any]]()
            for number, obj in enumerate(objects):
                record = obj._uow_state
                if record is stored:
                    columns = step.columns
                    if is_mixed:  # notes are of the columns of the object's class
                        own = obj._uow_mapper.by_attribute
                        columns = tuple([own[column.attribute] for column in columns])
                    found.append({c.attribute: written[c][obj] for c in columns})
                    continue
                found.append(record.noted or {})
                watched[number] = None if record.watched is None else dict(record.watched)
                record.settle_values()
        overwritten = step.form.overwritten
        replaced: list[dict[MappedColumn, Any]] = [{}] * len(objects)
        if overwritten:
            replaced = [{c: read_slot(obj, c) for c in overwritten} for obj in objects]
        if step.form.lazy:
            self._hold_sent(step)
        return Updated(objects, noted, replaced, watched)

    def _follow_keys(self, step: Step, noted: Iterable[dict[str, Any]] | None) -> None:
        """Keep what foreign keys of rows held, for what is loaded to follow them."""
        groups: dict[Mapper, list[tuple[Any, dict[str, Any]]]] = {}
        for obj, notes in zip(step.objects, noted or repeat(NO_NOTES), strict=noted is not None):
            groups.setdefault(obj._uow_mapper, []).append((obj, notes))
        for mapper, found in groups.items():
            objects = [obj for obj, _ in found]
            for key, relations in followed_by(step.columns, mapper).items():
                before: list[Any] | None = None
                if noted is not None:
                    names = [column.attribute for column in key.columns]
                    own = [mapper.by_attribute[name] for name in names]
                    before = [
                        tuple([notes.get(c.attribute, read_slot(obj, c)) for c in own])
                        for obj, notes in found
                    ]
                    if len(own) == 1:
                        before = [value for (value,) in before]
                follower = Follower(self._ledger, key, relations)
                self._followed.append((follower, objects, before))

    def _hold_sent(self, step: Step) -> None:
        """What is sent of values that can change in place is what they are compared with now."""
        for position, column in step.form.lazy:
            name = column.attribute
            for obj, sent in zip(step.objects, values_of(step.rows, position), strict=True):
                hold_stored(obj, column, sent)
                token = token_of(obj, column)
                state = obj._uow_state
                if token is not None and token.exposed:
                    self._ledger.own(obj).watch(name, sent)
                elif isinstance(state, Record) and state.watched is not None:
                    state.watched.pop(name, None)

    async def send(self, write: Write, look: Look) -> None:
        """Send every statement, in order; then take in what came back.

        Args:
            write: sends one.
            look: reads outside of the transaction, if that can be done at once.

        Raises:
            StaleObjectError: a row to update or delete was not there, or not in that version; or
                a new row was left out by the store.
        """
        results: list[list[Any]] = []
        if self._documents is not None:
            await self._send_documents(self._documents, write, look)
            return
        if self.plan.defers:
            defer = self._codecs.dialect.capabilities.defer_constraints
            if defer is not None:
                await write(Statement(defer), returns=False)
        if self._awaits:
            await find_free_values(self.plan.steps, self._codecs, write)
        for number, unfinished in enumerate(self._jobs):
            job = unfinished
            if job.step.awaited:
                fill_awaited(job.step, self._keys)
                job = self._jobs[number] = self._job(job.step)
            returns = bool(job.returning) and not job.rereads
            if job.locks:
                await self._refuse_unlocked(job, write)
            answers: list[Any] = []
            for sent in job.statements:
                answers.append(await write(sent, returns=returns))  # noqa: PERF401
            count = len(job.step.objects)
            if job.step.kind is Kind.INSERT:
                if not (returns and len(answers) == 1 and len(answers[0]) >= count):
                    refuse_unstored(job.step, answers)
                if job.rereads:
                    answers = [await self._reread(job, answers, write)]
                if self._awaited:
                    self._note_keys(job, answers)
            elif job.returning or answers != [count]:
                await self._refuse_stale(job, answers, write)
            if job.reads:
                answers = [await write(statement, returns=True) for statement in job.reads]
            results.append(answers)
        self._settle(results)

    def _settle(self, results: Sequence[list[Any]]) -> None:
        """Take in what came back for each job."""
        if self._handed is not None:
            self._handed.hand_out(self._keys)
        for job, answers in zip(self._jobs, results, strict=True):
            step = job.step
            if not step.is_main:
                self._fill_generated(step, answers)
            elif step.kind is Kind.INSERT:
                self._inserted(step, answers)
            elif step.kind is Kind.UPDATE:
                self._updated(step, answers)
            else:
                self._deleted(step)
        if self.plan.moves is not None:
            self.plan.moves.settle()
        for follower, objects, before in self._followed:
            follower.follow(objects, before)

    async def _send_documents(self, documents: DocumentWrites, write: Write, look: Look) -> None:
        """Send what is written to each collection; then take in the keys that were made."""
        steps = self.plan.steps
        if any(step.awaited for step in steps):
            self._keys.update(documents.keys)
            await find_free_values(steps, self._codecs, write)
            for step in steps:
                if step.awaited:
                    fill_awaited(step, self._keys)
        collections = documents.collections()
        for number, collection in enumerate(collections):
            forget_cached(collection.mapper, self._ledger)
            try:
                await collection.send(write, look)
            except UowError as error:
                self.outcomes = outcomes_of(collections, number, error)
                raise
        self._settle([documents.answers_of(step) for step in steps])

    def _note_keys(self, job: Job, answers: list[Any]) -> None:
        """Keep what other rows are sent with of the values that came back for new rows."""
        codec, returning = job.step.codec, job.returning
        answered = [row for answer in answers for row in answer] if returning else ()
        given = job.step.given
        for number, obj in enumerate(job.step.objects):
            for column in self._awaited.get(id(obj), ()):
                if column.mapper is not job.step.mapper:
                    continue  # of another row of the object
                handed = given[id(obj)].get(column) if id(obj) in given else None
                if isinstance(handed, KeyOf):  # which waited for a key itself
                    value = self._keys[id(handed.obj), handed.column]
                elif column in returning:
                    value = codec.decode(column, answered[number][returning.index(column)])
                else:
                    value = read_slot(obj, column)
                self._keys[id(obj), column] = value

    # -- one kind of step each: the statements, and what takes in their results

    def _job(self, step: Step) -> Job:
        if step.kind is Kind.INSERT:
            return self._insert(step)
        return self._update(step) if step.kind is Kind.UPDATE else self._delete(step)

    def _insert(self, step: Step) -> Job:
        form = step.form
        dialect = self._codecs.dialect
        answered = form.returning
        if answered and not dialect.capabilities.returning_insert:
            answered = self._numbered(step)
        batch = InsertRows(form.mapper, form.sent, step.rows, answered)
        statements = dialect.insert_rows(batch)
        return Job(step, statements, form.returning, rereads=answered != form.returning)

    def _update(self, step: Step) -> Job:
        form, dialect = step.form, self._codecs.dialect
        updates = UpdateRows(
            form.mapper,
            form.sent,
            form.locator,
            step.rows,
            form.returning,
            one_by_one=step.in_sequence or form.is_told_by_count,
        )
        reads: list[Statement] = []
        if form.reads_answer:
            asked = selects_of_keys(step, form.answered, self._keys)
            reads = [dialect.compile(select).statement for select in asked]
        locks: list[Statement] = []
        if form.counts and not form.returning and not step.in_sequence:
            locks = dialect.lock_rows(updates)
            updates.one_by_one = not locks
        statements = dialect.update_rows(updates)
        return Job(step, statements, form.returning, locks=locks, reads=reads)

    def _delete(self, step: Step) -> Job:
        form, dialect = step.form, self._codecs.dialect
        returning = form.returning if len(step.rows) > 1 and not step.in_sequence else ()
        one_by_one = step.in_sequence or not returning
        batch = DeleteRows(form.mapper, form.locator, step.rows, returning, one_by_one=one_by_one)
        return Job(step, dialect.delete_rows(batch), returning)

    def _numbered(self, step: Step) -> tuple[MappedColumn, ...]:
        """Give what is known of new rows without RETURNING: the key that the store numbers."""
        returning = step.form.returning
        known = tuple(column for column in returning if column.auto_increment)
        for column in returning:
            if column in step.mapper.key and column not in known:
                dialect = self._codecs.dialect
                raise QueryError(
                    f"{step.mapper.class_.__name__}.{column.attribute}: {dialect.name} does not"
                    " tell a key that its own default made; make it in Python, with"
                    " default= and a function"
                )
        return known

    async def _reread(self, job: Job, answers: list[Any], write: Write) -> list[Any]:
        """Read what the store made of new rows, in the order of the objects."""
        step, mapper, codec = job.step, job.step.mapper, job.step.codec
        sent, numbered = step.form.sent, self._numbered(step)
        numbers = [row for rows in answers for row in rows] if numbered else ()
        parts = [
            values_of(step.rows, sent.index(column))
            if column in sent
            else values_of(numbers, numbered.index(column))
            for column in mapper.key
        ]
        keys = codec.keys_of(list(zip(*parts, strict=True)))
        known = {
            (id(obj), column): part
            for obj, key in zip(step.objects, keys, strict=True)
            for column, part in zip(mapper.key, key if len(parts) > 1 else (key,), strict=True)
        }
        width = len(mapper.key)
        found: dict[Any, Sequence[Any]] = {}
        for select in selects_of_keys(step, (*mapper.key, *job.returning), known):
            rows = await write(self._codecs.dialect.compile(select).statement, returns=True)
            found.update(zip(codec.keys_of(rows), (row[width:] for row in rows), strict=True))
        refuse_unstored(step, [len(found)])
        return [found[key] for key in keys]

    async def _refuse_unlocked(self, job: Job, write: Write) -> None:
        """Lock the rows that are to be updated: one that is not as it should be is not found."""
        codec = job.step.codec
        found: set[Any] = set()
        for statement in job.locks:
            found.update(codec.keys_of(await write(statement, returns=True)))
        if len(found) < len(job.step.objects):
            raise stale_error(job.step, absent_from(found, job.step))

    async def _refuse_stale(self, job: Job, answers: Sequence[Any], write: Write) -> None:
        """Every row of an update or delete must have matched; say which did not."""
        step = job.step
        codec = step.codec
        if job.returning:
            matched = {key for rows in answers for key in codec.keys_of(rows)}
            if len(matched) < len(step.objects):
                raise stale_error(step, absent_from(matched, step))
            return
        counts = [n for answer in answers for n in ([answer] if type(answer) is int else answer)]
        if sum(counts) == len(step.objects):
            return
        if len(counts) == len(step.objects):
            pairs = zip(step.objects, counts, strict=True)
            raise stale_error(step, [obj for obj, count in pairs if not count])
        found: set[Any] = set()
        for select in selects_of_keys(step):
            rows = await write(self._codecs.dialect.compile(select).statement, returns=True)
            found.update(codec.keys_of(rows))
        raise stale_error(step, absent_from(found, step) or step.objects)

    def _inserted(self, step: Step, answers: list[Any]) -> None:
        form, mapper = step.form, step.mapper
        ledger = self._ledger
        objects = step.objects
        if form.returning:
            rows = answers[0] if len(answers) == 1 else [*chain.from_iterable(answers)]
            step.codec.fill(form.returning, objects, rows)
        if form.counts and mapper.version is not None:
            store = mapper.version.set_slot
            for obj, version in zip(objects, values_of(step.rows, len(step.columns)), strict=True):
                store(obj, version)
        if mapper.hierarchy is not None:
            for obj in objects:
                if type(obj) is not obj._uow_mapper.class_:
                    obj._uow_mapper.mark(obj)
        elif form.completes:
            for obj in objects:
                mapper.mark_complete(obj)
        if not step.is_root:
            return
        ledger.of(mapper.root).update(zip(map(mapper.identity, objects), objects, strict=True))
        pending, stored = ledger.pending, ledger.stored
        for obj in objects:
            state = obj._uow_state
            if state is pending:
                set_state(obj, stored)
            else:
                state.become(State.PERSISTENT)
                state.enter(stored)
                ledger.enlist(state)  # it may have been written to while this was under way
                ledger.settle(state)

    def _updated(self, step: Step, answers: list[Any]) -> None:
        version = step.mapper.version
        if version is not None and step.form.counts:
            versions = values_of(step.rows, len(step.columns))
            for obj, made in zip(step.objects, versions, strict=True):
                version.set_slot(obj, made)
        if step.form.generated:
            self._fill_generated(step, answers)
        stored = self._ledger.stored
        for obj in [obj for obj in step.objects if obj._uow_state is not stored]:
            record = obj._uow_state
            if record.watched is not None:
                self._ledger.enlist(record)
            elif not record.noted and not record.moved:
                set_state(obj, stored)

    @staticmethod
    def _fill_generated(step: Step, answers: list[Any]) -> None:
        """Take in what the store computed of rows, which came back with their keys."""
        mapper, codec, form = step.mapper, step.codec, step.form
        if not form.generated:
            return
        width = len(mapper.key)
        found: dict[Any, Sequence[Any]] = {}
        for rows in answers:
            keys = codec.keys_of(rows)
            found.update(zip(keys, (row[width:] for row in rows), strict=True))
        generated = [found[mapper.identity(obj)] for obj in step.objects]
        codec.fill(form.generated, step.objects, generated)

    def _deleted(self, step: Step) -> None:
        if step.is_root:
            for obj in step.objects:
                self._ledger.forget(obj)
                if obj._uow_mapper.relations:
                    drop_deleted(obj, self._ledger)
