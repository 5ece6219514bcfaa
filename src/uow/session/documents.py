"""The writes of a flush of documents: one bulk write a collection, of what changed and no more.

What a document holds besides the fields of its class is never written, so it stays as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from uow.errors import (
    InvalidUnitError,
    Outcome,
    QueryError,
    StaleObjectError,
    UowError,
    ValidationError,
)
from uow.operations import BulkWrite, Find, Operation
from uow.session.stale import stale_error
from uow.session.steps import Kind, Step
from uow.tracking.changes import known_form
from uow.tracking.nested.updates import update_operators
from uow.tracking.state import MISSING, Raw, Record

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.codec import Codecs, DocumentCodec

__all__ = ["CollectionWrite", "DocumentWrites", "Look", "outcomes_of", "pipeline_of"]


_LARGEST: Final = 16 << 20
"""Bytes of a document. "MongoDB Limits", https://www.mongodb.com/docs/manual/reference/limits/."""


def pipeline_of(mapper: Mapper, pipeline: object) -> list[Mapping[str, Any]]:
    """Check a user's pipeline.

    Raises:
        QueryError: it is none, it writes, or the class is no document.
    """
    if mapper.document is None:
        raise QueryError(f"{mapper.name} is a table: pipelines are for documents")
    if not isinstance(pipeline, (list, tuple)):
        raise QueryError("a pipeline is a list of stages")
    stages = cast("list[Mapping[str, Any]]", list(cast("Any", pipeline)))
    for stage in stages:
        if {"$out", "$merge"} & stage.keys():
            raise QueryError("a pipeline that writes ($out, $merge) goes through the client")
    return stages


class Write(Protocol):
    """How an operation is sent; see `Channel.write`."""

    def __call__(self, statement: Operation, *, returns: bool) -> Awaitable[Any]:
        """Send an operation."""
        ...


class Look(Protocol):
    """How documents are looked at when something is wrong."""

    def __call__(self, find: Find, /) -> Awaitable[list[Any] | None]:
        """Give the rows; None if that cannot be done now."""
        ...


class DocumentWrites:
    """What a flush writes to the collections of a document store."""

    __slots__ = ("_codecs", "_held", "_made", "_steps")

    def __init__(self, steps: Sequence[Step], codecs: Codecs) -> None:
        self._steps = steps
        self._codecs = codecs
        self._made: dict[int, list[Any]] = {}
        # By `id` of a step what the store holds, as long as the records still tell it.
        self._held = {
            id(step): [_held_values(obj, step) for obj in step.objects]
            for step in steps
            if step.kind is Kind.UPDATE and step.form.lazy
        }
        new_keys = codecs.dialect.new_keys
        for step in steps:
            if step.kind is Kind.INSERT and not step.form.gives_key:
                self._made[id(step)] = new_keys(step.mapper, len(step.objects))

    @property
    def only_operation(self) -> BulkWrite | None:
        """What is sent, if it concerns just one document."""
        (first, *others) = self._steps
        if others or first.awaited or len(first.objects) > 1:
            return None
        return self.collections()[0].operation

    def collections(self) -> list[CollectionWrite]:
        """What is sent, once the rows are known: the steps of each collection together."""
        grouped: dict[Mapper, list[Step]] = {}
        for step in self._steps:
            grouped.setdefault(step.mapper, []).append(step)
        return [
            CollectionWrite(mapper, steps, self._codecs, self._made, self._held)
            for mapper, steps in grouped.items()
        ]

    @property
    def keys(self) -> dict[tuple[int, MappedColumn], Any]:
        """The keys that were made for new documents, by `id` of the object and column."""
        return {
            (id(obj), step.mapper.key[0]): key
            for step in self._steps
            for obj, key in zip(step.objects, self._made.get(id(step), ()), strict=False)
        }

    def answers_of(self, step: Step) -> list[Any]:
        """The keys that were made for a step, as if a store had answered them."""
        made = self._made.get(id(step))
        return [] if made is None else [[(key,) for key in made]]


class CollectionWrite:
    """What a flush writes to one collection.

    Attributes:
        mapper: whose collection.
        steps: what is written, in order.
        operation: all of it.
    """

    __slots__ = ("mapper", "operation", "steps")

    def __init__(
        self,
        mapper: Mapper,
        steps: Sequence[Step],
        codecs: Codecs,
        made: Mapping[int, Sequence[Any]],
        held: Mapping[int, Sequence[Mapping[MappedColumn, Any]]],
    ) -> None:
        self.mapper = mapper
        self.steps = steps
        writes: list[Any] = []
        for step in steps:
            if step.kind is Kind.INSERT:
                keys = made.get(id(step))
                insert = _codec(step).inserter(step.form.sent, brings_key=keys is None)
                writes += insert(keys or (), step.rows)
            elif step.kind is Kind.UPDATE:
                writes += _updates(step, held.get(id(step)), codecs)
            else:
                writes += [("delete", _found_by(step, row, 0), False) for row in step.rows]
        self.operation = BulkWrite(mapper.table_name, writes)

    @property
    def is_single(self) -> bool:
        """Whether it concerns one document."""
        return len(self.operation.operations) == 1

    async def send(self, write: Write, look: Look) -> None:
        """Send it, and see that every document was found.

        Args:
            write: sends in the transaction.
            look: reads outside of it, if that can be done at once.

        Raises:
            StaleObjectError: a document was not there, or not in the version that was loaded.
        """
        try:
            await self._send(write, look)
        except ValidationError as error:
            raise self._too_large() or error from error

    def _too_large(self) -> ValidationError | None:
        """Say which documents are larger than the store takes, if any is; only it told so."""
        encode = import_module("bson").encode
        problems: list[str] = []
        objects: list[Any] = []
        inserted = [one[1] for one in self.operation.operations if one[0] == "insert"]
        news = [obj for step in self.steps if step.kind is Kind.INSERT for obj in step.objects]
        for obj, document in zip(news, inserted, strict=True):
            size = len(encode(document))
            if size > _LARGEST:
                objects.append(obj)
                problems.append(
                    f"{self.mapper.name}: a document of {size / (1 << 20):.1f} MB, and the store "
                    "takes 16 MB; keep large values elsewhere (GridFS)"
                )
        return InvalidUnitError(problems, objects) if problems else None

    async def _send(self, write: Write, look: Look) -> None:
        if self.is_single:
            if not await write(self.operation, returns=False):
                raise stale_error(self.steps[0], self.steps[0].objects)
            return
        (written,) = await write(self.operation, returns=True)
        expected = dict.fromkeys(Kind, 0)
        for step in self.steps:
            expected[step.kind] += len(step.objects)
        if written.matched < expected[Kind.UPDATE]:
            raise await self._stale(Kind.UPDATE, write, look)
        if written.deleted < expected[Kind.DELETE]:
            raise await self._stale(Kind.DELETE, write, look)

    async def _stale(self, kind: Kind, write: Write, look: Look) -> StaleObjectError:
        """Say which documents were not found.

        They are looked at outside of the transaction, as they were before it: inside, what was
        deleted is gone either way, and a version may have been counted up by somebody else. Only
        updates that know no version are told inside too.
        """
        steps = [step for step in self.steps if step.kind is kind]
        stale: list[Any] = []
        for step in steps:
            found = await self._found(step, look)
            if found is None and kind is Kind.UPDATE and self.mapper.version is None:
                found = await self._found(step, lambda find: write(find, returns=True))
            if found is None:
                continue
            place = len(step.form.sent)
            for obj, row in zip(step.objects, step.rows, strict=True):
                expected = row[place + 1] if len(step.form.locator) > 1 else row[place]
                if row[place] not in found or found[row[place]] != expected:
                    stale.append(obj)
        return stale_error(steps[0], stale or [obj for step in steps for obj in step.objects])

    async def _found(self, step: Step, read: Look) -> dict[Any, Any] | None:
        """The keys of a step's documents that are there, with the versions, or with themselves."""
        names = [column.name for column in step.form.locator]
        place = len(step.form.sent)
        rows = await read(
            Find(
                self.mapper.table_name,
                {"_id": {"$in": [row[place] for row in step.rows]}},
                projection=dict.fromkeys(names, 1),
                fields=names,
            )
        )
        return None if rows is None else {row[0]: row[-1] for row in rows}


def _codec(step: Step) -> DocumentCodec:
    return cast("DocumentCodec", step.codec)


def _found_by(step: Step, row: Sequence[Any], place: int) -> dict[str, Any]:
    """The filter of one document: its key, and its version if it has one."""
    locator = step.form.locator
    if len(locator) == 1:
        return {"_id": row[place]}
    return {column.name: row[place + n] for n, column in enumerate(locator)}


def _updates(
    step: Step, held: Sequence[Mapping[MappedColumn, Any]] | None, codecs: Codecs
) -> list[Any]:
    place = len(step.form.sent)
    settings = step.mapper.document
    keeps_nulls = settings is None or settings.keep_nulls
    if keeps_nulls and not step.form.lazy:
        return _codec(step).updater(step.form.sent, step.form.locator)(step.rows)
    writes: list[Any] = []
    nothing: dict[MappedColumn, Any] = {}
    exact = codecs.dialect.capabilities.exact_classes
    for number, row in enumerate(step.rows):
        change = _Change(keeps_nulls=keeps_nulls, exact=exact)
        known = nothing if held is None else held[number]
        for column, value in zip(step.form.sent, row, strict=False):
            old = known_form(known.get(column, MISSING), column, codecs)
            change.set(None if column.holds_rest else column.name, old, value)
        writes.append(("update", _found_by(step, row, place), change.document, False, False))
    return writes


def _held_values(obj: Any, step: Step) -> dict[MappedColumn, Any]:
    return {column: _held(obj, column) for _, column in step.form.lazy}


def _held(obj: Any, column: MappedColumn) -> Any:
    """What the store holds of a field that can change in place; MISSING if that is not known."""
    state = obj._uow_state
    if not isinstance(state, Record):
        return MISSING
    noted = (state.noted or {}).get(column.attribute, state)
    if noted is not state:
        return noted.value if type(noted) is Raw else MISSING
    return (state.watched or {}).get(column.attribute, MISSING)


class _Change:
    """The update of one document."""

    __slots__ = ("_exact", "_keeps_nulls", "document")

    def __init__(self, *, keeps_nulls: bool, exact: Collection[type]) -> None:
        self.document: dict[str, dict[str, Any]] = {}
        self._keeps_nulls = keeps_nulls
        self._exact = exact

    def set(self, name: str | None, old: Any, new: Any) -> None:
        """Make a field what it shall be, by what differs from what it was.

        Without a name it is all that the document holds besides the fields of its class.
        """
        if name is None:
            self._tell({} if old is MISSING else old or {}, new or {})
        elif new is None and not self._keeps_nulls:
            self._say("$unset", name, "")
        elif not isinstance(old, (dict, list)) or not isinstance(new, (dict, list)):
            self._say("$set", name, new)
        else:
            self._tell({name: old}, {name: new})

    def _tell(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        found = update_operators(old, new, pulled=self._exact)
        for operator, paths in (found or {}).items():
            for path, argument in paths.items():
                self._say(operator, path, argument)

    def _say(self, operator: str, path: str, argument: Any) -> None:
        self.document.setdefault(operator, {})[path] = argument


def outcomes_of(
    collections: Sequence[CollectionWrite], failed: int, error: UowError
) -> list[tuple[object, Outcome]]:
    """Say what became of each object of a flush that was no transaction.

    Args:
        collections: all that was to be written, in order.
        failed: which of them failed.
        error: how.
    """
    found: list[tuple[object, Outcome]] = []
    for number, collection in enumerate(collections):
        objects = [obj for step in collection.steps for obj in step.objects]
        if number != failed:
            outcome = Outcome.APPLIED if number < failed else Outcome.NOT_APPLIED
            found += [(obj, outcome) for obj in objects]
        elif isinstance(error, StaleObjectError):  # the others were found, and written
            missed = {id(obj) for obj in error.objects}
            found += [
                (obj, Outcome.NOT_APPLIED if id(obj) in missed else Outcome.APPLIED)
                for obj in objects
            ]
        elif error.done is not None:  # in order, and none after the one that was refused
            done = error.done
            found += [
                (obj, Outcome.APPLIED if place < done else Outcome.NOT_APPLIED)
                for place, obj in enumerate(objects)
            ]
        else:
            never_sent = error.outcome is Outcome.NOT_APPLIED and isinstance(error, ValidationError)
            outcome = Outcome.NOT_APPLIED if never_sent else Outcome.UNKNOWN
            found += [(obj, outcome) for obj in objects]
    return found
