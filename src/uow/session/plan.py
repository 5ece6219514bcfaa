"""The plan of a flush: what will be written, checked and in order, before anything is sent.

Making a plan changes nothing in the store, and nothing in memory that `Moves` does not take back,
so it can be looked at (`uow.debug.plan`) and it can fail without a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Never

from uow.errors import (
    InvalidUnitError,
    NotLoadedError,
    ObjectStateError,
    Phase,
)
from uow.mapping.mapper import KEY_REFUSED, mapper_of
from uow.session.edges import are_in_order, in_order
from uow.session.given import encode_given, with_versions
from uow.session.late import NOTHING_LATE, KeyOf, LateKeys
from uow.session.linked import LinkedKeys
from uow.session.moves import Moves
from uow.session.steps import FlushPlan, Kind, Step
from uow.tracking.changes import changed_names
from uow.tracking.state import (
    MISSING,
    Raw,
    Record,
    State,
    read_slot,
    state_of,
)
from uow.values import described

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper
    from uow.session.codec import Codec, Codecs
    from uow.session.ledger import Ledger

__all__ = ["make_plan"]

_mapper_of_object: Callable[[Any], Mapper] = attrgetter("_uow_mapper")


class Problems:
    """What is wrong with the values of a flush: all of it, before anything is sent."""

    __slots__ = ("lines", "objects")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.objects: dict[int, Any] = {}

    def add(self, obj: Any, text: str) -> None:
        """Note one."""
        self.lines.append(text)
        self.objects[id(obj)] = obj

    def report(self) -> Never:
        """Raise what was noted."""
        raise InvalidUnitError(self.lines, list(self.objects.values()))


def make_plan(
    ledger: Ledger,
    codecs: Codecs,
    late: LateKeys = NOTHING_LATE,
    found_links: Mapping[Any, Any] | None = None,
) -> FlushPlan:
    """Collect, check, order and encode what waits for a flush.

    Args:
        ledger: the books of a session.
        codecs: how objects travel.
        late: the columns whose values are keys that the flush has yet to make, besides those
            that follow from relations.
        found_links: rows of link tables that were read to be deleted, by what they link.

    Raises:
        InvalidUnitError: values do not fit their fields; all of them are listed.
        ObjectStateError: two objects claim one key.
        FlushCycleError: no order of the rows satisfies the constraints.
    """
    ledger.open_inboxes()
    problems = Problems()
    if codecs.dialect.capabilities.documents:
        return _plan_documents(ledger, codecs, problems)
    if not ledger.relates:
        return _make_plan(ledger, codecs, problems, late, None)
    moves = Moves(ledger, late)
    try:
        moves.make(problems, found_links or {})
        return _make_plan(ledger, codecs, problems, moves.late, moves)
    except BaseException:
        moves.take_back()
        raise


def _plan_documents(ledger: Ledger, codecs: Codecs, problems: Problems) -> FlushPlan:
    """Plan what is written to collections; who is linked to has a key by then."""
    linked = LinkedKeys()
    try:
        linked.make(ledger, codecs, problems)
        plan = _make_plan(ledger, codecs, problems, NOTHING_LATE, None)
    except BaseException:
        linked.take_back()
        raise
    plan.linked = linked
    return plan


def _make_plan(
    ledger: Ledger, codecs: Codecs, problems: Problems, late: LateKeys, moves: Moves | None
) -> FlushPlan:
    unchanged: list[Record] = []
    written = ledger.stored.noted_now()
    recorded = ledger.recorded
    promises = bool(late)
    steps: list[Step] = []
    if ledger.new:
        steps += _inserts(ledger, codecs, problems, late)
    if written or recorded or promises:
        promised = _promised_updates(ledger, late) if promises else {}
        steps += _updates(ledger, codecs, problems, unchanged, written, promised)
    if ledger.deleted:
        steps += _deletes(ledger, codecs)
    if promises:
        _promise(steps, late, problems)
    if problems.lines:
        problems.report()
    defers = False
    if not are_in_order(steps):
        steps, defers = in_order(steps, codecs.dialect.capabilities)
    for step in steps:
        _encode(step, problems)
    if problems.lines:
        problems.report()
    return FlushPlan(steps, unchanged, defers, written, moves)


# -- collecting


def _inserts(ledger: Ledger, codecs: Codecs, problems: Problems, late: LateKeys) -> Iterator[Step]:
    groups: dict[Any, Step] = {}
    keys: dict[Mapper, dict[Any, Any]] = {}
    for mapper, objects in groupby(ledger.new.values(), _mapper_of_object):
        codec = codecs.of(mapper)
        plain, rest = codec.sort_new(objects, ledger.pending)
        for columns, found in plain.items():
            _put(groups, Kind.INSERT, codec, columns, found)
        for obj in rest:
            promised = late.of(obj)
            _check(obj, obj._uow_state.noted or (), mapper, problems, promised)
            given = codec.given(obj, promised)
            if given is None:
                for column in codec.missing(obj):
                    if column not in promised:
                        problems.add(obj, f"{column} has no value")
            else:
                _put(groups, Kind.INSERT, codec, given, [obj])
    for step in groups.values():
        if step.form.gives_key and step.is_root:
            if step.mapper.key[0].identity_always:
                for obj in step.objects:
                    problems.add(obj, f"{step.mapper.key[0]}: {KEY_REFUSED}")
                continue
            for obj in step.objects:
                if not late or late.of(obj).keys().isdisjoint(step.mapper.key):
                    _claim_key(ledger, obj, step.mapper, keys)
        yield step


def _promise(steps: Iterable[Step], late: LateKeys, problems: Problems) -> None:
    """Have rows sent with the keys that are known late, and with those that are known by now."""
    new = {id(obj) for step in steps if step.kind is Kind.INSERT for obj in step.objects}
    for step in steps:
        if step.kind is Kind.DELETE:
            continue
        for obj in step.objects:
            for column, key in late.of(obj).items():
                value = key.known
                if value is None and id(key.obj) not in new:
                    problems.add(obj, f"{column} refers to an object that is not stored")
                for own in step.columns:
                    if own is column.stored:
                        given = step.given.setdefault(id(obj), {})
                        given[own] = key if value is None else value


def _claim_key(
    ledger: Ledger, obj: Any, mapper: Mapper, keys: dict[Mapper, dict[Any, Any]]
) -> None:
    """Refuse a new object whose key another object of the session has."""
    key = mapper.identity(obj)
    claimed = keys.setdefault(mapper.root, {})
    if claimed.setdefault(key, obj) is not obj:
        raise ObjectStateError(
            f"two new objects of {mapper.name} have the same key; nothing was sent",
            phase=Phase.FLUSH,
        )
    present = ledger.of(mapper.root).get(key)
    if present is not None and present is not obj and state_of(present).status is not State.DELETED:
        raise ObjectStateError(
            f"a new {mapper.name} has the key of one the session already holds; nothing was sent",
            phase=Phase.FLUSH,
        )


def _updates(  # noqa: PLR0917 - all of them are what the plan is made of
    ledger: Ledger,
    codecs: Codecs,
    problems: Problems,
    unchanged: list[Record],
    written: Mapping[MappedColumn, Mapping[Any, Any]],
    promised: Mapping[Record, Mapping[MappedColumn, Any]],
) -> Iterable[Step]:
    groups: dict[Any, Step] = {}
    for mapper, names, objects in _written_alike(written) if written else ():
        codec = codecs.of(mapper)
        columns = codec.columns_of(names)
        changed, rest = codec.sift(columns, objects, written)
        if changed:
            _put(groups, Kind.UPDATE, codec, columns, changed)
        for obj in rest:
            ledger.own(obj)  # it is looked at with the other records
    for record in dict.fromkeys((*ledger.recorded, *promised)) if promised else ledger.recorded:
        obj = record.obj
        mapper = mapper_of(obj)
        names = changed_names(record, codecs)
        if _check(obj, names, mapper, problems, promised.get(record, ())):
            names = changed_names(record, codecs)
        if record in promised:
            names = [*names, *(c.attribute for c in promised[record] if c.attribute not in names)]
        if not names:
            unchanged.append(record)
            continue
        codec = codecs.of(mapper)
        _put(groups, Kind.UPDATE, codec, codec.columns_of(names), [obj])
    return groups.values()


def _promised_updates(ledger: Ledger, late: LateKeys) -> dict[Record, Mapping[MappedColumn, Any]]:
    """The stored objects that will hold keys of new ones, with a record each."""
    return {
        ledger.own(obj): columns
        for obj, columns in late
        if ledger.holds(obj) and state_of(obj).stored is State.PERSISTENT
    }


def _written_alike(
    written: Mapping[MappedColumn, Mapping[Any, Any]],
) -> Iterable[tuple[Mapper, Sequence[str], list[Any]]]:
    """Sort objects without a record by class and by the fields that were written."""
    if len(written) == 1:
        ((column, notes),) = written.items()
        return ((column.mapper, (column.attribute,), list(notes)),)
    return _sorted_by_fields(written)


def _sorted_by_fields(
    written: Mapping[MappedColumn, Mapping[Any, Any]],
) -> Iterator[tuple[Mapper, Sequence[str], list[Any]]]:
    classes: dict[Mapper, list[MappedColumn]] = {}
    for column in written:
        classes.setdefault(column.mapper, []).append(column)
    for mapper, columns in classes.items():
        names = [column.attribute for column in columns]
        first = written[columns[0]]
        if all(written[column].keys() == first.keys() for column in columns[1:]):
            yield mapper, names, list(first)
            continue
        fields: dict[Any, list[str]] = {}
        for column in columns:
            for obj in written[column]:
                fields.setdefault(obj, []).append(column.attribute)
        alike: dict[tuple[str, ...], list[Any]] = {}
        for obj, found in fields.items():
            alike.setdefault(tuple(found), []).append(obj)
        yield from ((mapper, list(found), objects) for found, objects in alike.items())


def _put(
    groups: dict[Any, Step],
    kind: Kind,
    codec: Codec,
    columns: tuple[MappedColumn, ...],
    objects: list[Any],
) -> None:
    """Put objects into the step of rows that are written like theirs."""
    if not codec.is_plain:
        _put_into_tables(groups, kind, codec, columns, objects)
        return
    form = codec.form(kind, columns)
    step = groups.get(form)
    if step is None:
        groups[form] = Step(codec, form, objects)
    else:
        step.objects.extend(objects)


def _put_into_tables(
    groups: dict[Any, Step],
    kind: Kind,
    codec: Codec,
    columns: tuple[MappedColumn, ...],
    objects: list[Any],
) -> None:
    """Put objects of a hierarchy into a step a table of theirs; keys are those of the first."""
    root = codec.mapper.tables[0]
    missing = [c for c in codec.mapper.key if kind is Kind.INSERT and c not in columns]
    for table, form in codec.forms(kind, columns):
        step = groups.get(form)
        if step is None:
            step = groups[form] = Step(table, form, [])
        step.objects.extend(objects)
        if missing and not step.is_root:
            names = [column.attribute for column in missing]
            pairs = [(step.mapper.by_attribute[n], root.by_attribute[n]) for n in names]
            for obj in objects:
                step.given[id(obj)] = {own: KeyOf(obj, made) for own, made in pairs}


def _deletes(ledger: Ledger, codecs: Codecs) -> Iterable[Step]:
    groups: dict[Mapper, Step] = {}
    for record in ledger.deleted:
        for table in mapper_of(record.obj).tables:
            step = groups.get(table)
            if step is None:
                codec = codecs.of(table)
                step = groups[table] = Step(codec, codec.form(Kind.DELETE, ()), [])
            step.objects.append(record.obj)
    return groups.values()


def _check(
    obj: Any,
    names: Iterable[str],
    mapper: Mapper,
    problems: Problems,
    promised: Container[MappedColumn] = (),
) -> bool:
    """Check what was written since the constructor, or the store, vouched for it.

    What is promised is overruled, whatever it is.

    Returns:
        Whether a value was put into the form in which it is kept, which the store may hold.
    """
    was_put = False
    for name in names:
        column = mapper.by_attribute[name]
        value = read_slot(obj, column)
        if value is MISSING or type(value) is Raw or column in promised:
            continue
        try:
            kept = column.check_value(value) if value is None else column.checker(value)
        except ValueError as error:
            problems.add(obj, described(column, error))
        else:
            if kept is not value and not column.is_lazy:
                column.set_slot(obj, kept)
                was_put = True
    return was_put


# -- encoding


def _encode(step: Step, problems: Problems) -> None:
    """Turn the values of a step's objects into rows of what the store takes."""
    form = step.form
    if step.given:
        encode_given(step, lambda columns, some: _read(step.codec, columns, some, problems))
        return
    rows = _read(step.codec, form.read, step.objects, problems)
    if form.counts:
        rows = with_versions(step, rows)
    step.rows = rows


def _read(
    codec: Codec,
    columns: tuple[MappedColumn, ...],
    objects: Sequence[Any],
    problems: Problems,
) -> Sequence[tuple[Any, ...]]:
    try:
        return codec.rows(columns, objects)
    except (ValueError, AttributeError, NotLoadedError):
        _name_culprits(codec, columns, objects, problems)
        if not problems.lines:
            raise  # nobody is to blame; a step without rows would store nothing
        return []


def _name_culprits(
    codec: Codec,
    columns: tuple[MappedColumn, ...],
    objects: Sequence[Any],
    problems: Problems,
) -> None:
    """A value could not be encoded; go through them one by one to say which."""
    for obj in objects:
        for column in columns:
            value = read_slot(obj, column)
            if value is MISSING:
                problems.add(obj, f"{column} is not loaded; refresh the object first")
                continue
            encode = codec.encoder(column)
            if encode is None or value is None or type(value) is Raw:
                continue
            try:
                encode(value)
            except ValueError as error:
                problems.add(obj, described(column, error))
