"""Bad input: one clear error of ours, before anything is sent, and nothing is lost by it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import attrs
import pytest

from tests.contract.sent import Sent, rows
from uow import (
    ConcurrentUseError,
    Database,
    InvalidUnitError,
    NotLoadedError,
    ObjectStateError,
    PoolClosedError,
    QueryError,
    Range,
    Session,
    SessionClosedError,
    State,
    UnknownFieldError,
    UowError,
    ValidationError,
    delete,
    errors,
    insert,
    insert_many,
    select,
    sql,
    state,
    update,
)

pytestmark = pytest.mark.anyio

BIG = 2**63
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

WRONG: dict[str, list[Any]] = {
    "number": [
        "1",
        1.0,
        True,
        BIG,
        -BIG - 1,
        Decimal(1),
    ],
    "small": [
        2**15,
    ],
    "flag": [
        1,
        "true",
    ],
    "text": [
        5,
        b"x",
        "nul\0nul",
        "lone\ud800surrogate",
    ],
    "short": [
        "123456",
    ],
    "data": [
        "x",
        [1, 2],
    ],
    "ratio": [
        "1.0",
        True,
        Decimal(1),
    ],
    "price": [
        1.5,
        "1.50",
        Decimal("1.005"),
        Decimal("123456789.00"),
        Decimal("NaN"),
        Decimal("Infinity"),
    ],
    "day": [
        datetime(2024, 1, 1, tzinfo=UTC),
        "2024-01-01",
    ],
    "hour": [
        time(1, tzinfo=UTC),
    ],
    "moment": [
        datetime(2024, 1, 1),  # noqa: DTZ001 - naive on purpose
        date(2024, 1, 1),
    ],
    "local": [
        datetime(2024, 1, 1, tzinfo=UTC),
    ],
    "span": [
        5,
    ],
    "key": [
        "00000000-0000-0000-0000-000000000000",
    ],
    "document": [
        {"a": math.nan},
        {"a": [1, {"b": math.inf}]},
        {1: "a"},
        {"a": object()},
        {"a": "\0"},
        {"a": "\udfff"},
        {"deep": DEEP},
        {"circle": CIRCLE},
        ["no", "dict"],
    ],
    "names": [
        [1],
        "abc",
    ],
    "size": [
        {"width": 1},
    ],
    "colour": [
        "red",
    ],
    "level": [
        1,
    ],
    "numbers": [
        ["x"],
        [BIG],
    ],
    "between": [
        (1, 2),
        Range(1, BIG),
    ],
}
"""Values by the field that does not take them."""


def right_of(models: ModuleType) -> dict[str, Any]:
    """A value for each field that is right."""
    return {
        "number": 1,
        "small": 1,
        "flag": True,
        "text": "x",
        "short": "12345",
        "data": b"x",
        "ratio": 1.5,
        "price": Decimal("1.50"),
        "day": date(2024, 1, 1),
        "hour": time(1),
        "moment": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        "local": datetime(2024, 1, 1),  # noqa: DTZ001 - naive on purpose
        "span": timedelta(seconds=1),
        "key": UUID(int=1),
        "document": {"a": [1, None, "x", 2.5, {"b": True}]},
        "names": ["a"],
        "size": models.Dimensions(1, 2),
        "colour": models.Colour.RED,
        "level": models.Level.LOW,
        "numbers": [1],
        "between": Range(1, 2),
    }


@asynccontextmanager
async def untouched(database: Database, models: ModuleType, sent: Sent) -> AsyncIterator[Session]:
    """A session with work of every kind in it, which must be all there and work afterwards."""
    doomed, kept = models.Note(text="doomed"), models.Note(text="kept")
    async with Session.begin(database) as other:
        other.add_all([doomed, kept])
    async with Session(database) as session:
        changed = await session.get_one(models.Note, kept.id)
        changed.rank = 5
        gone = await session.get_one(models.Note, doomed.id)
        session.delete(gone)
        new = models.Order(id=1)
        session.add(new)
        sent.clear()
        yield session

        assert [word for word in sent.words if word != "SELECT"] == []
        assert new in session.new
        assert changed in session.dirty
        assert session.deleted == {gone}
        await session.commit()

    notes = await rows(database, models.Note.text, models.Note.rank)
    assert ("kept", 5) in notes
    assert ("doomed", 0) not in notes
    assert (1,) in await rows(database, models.Order.id)


@pytest.mark.parametrize("name", list(WRONG))
@pytest.mark.needs("exact_values")
async def test_wrong_values_at_construction(
    database: Database, models: ModuleType, sent: Sent, name: str
) -> None:
    """A value that does not fit is refused by the constructor, named by class and field (M4)."""
    async with untouched(database, models, sent):
        for value in WRONG[name]:
            with pytest.raises(ValidationError, match=rf"Everything\.{name}") as caught:
                models.Everything(**{name: value})

            assert len(caught.value.problems) == 1


@pytest.mark.parametrize("name", list(WRONG))
@pytest.mark.needs("exact_values")
async def test_wrong_values_of_stored_objects(
    database: Database, models: ModuleType, sent: Sent, name: str
) -> None:
    """A wrong value that is set is refused at the flush, before anything is sent (M4)."""
    right = right_of(models)[name]
    row = models.Everything()
    async with Session.begin(database) as other:
        other.add(row)
    async with untouched(database, models, sent) as session:
        session.add(row)
        for value in WRONG[name]:
            setattr(row, name, value)
            for verb in (session.flush, session.commit):
                with pytest.raises(InvalidUnitError, match=rf"Everything\.{name}") as caught:
                    await verb()

                assert caught.value.objects == (row,)
        setattr(row, name, right)
    assert await rows(database, getattr(models.Everything, name)) == [(right,)]


@pytest.mark.parametrize("name", list(WRONG))
@pytest.mark.needs("exact_values")
async def test_wrong_values_of_new_objects(
    database: Database, models: ModuleType, sent: Sent, name: str
) -> None:
    """A wrong value set after construction is refused at the flush as well (M4)."""
    right = right_of(models)
    async with untouched(database, models, sent) as session:
        row = models.Everything(**right)
        session.add(row)
        for value in WRONG[name]:
            setattr(row, name, value)
            with pytest.raises(InvalidUnitError, match=rf"Everything\.{name}"):
                await session.flush()

            assert state(row) is State.PENDING
        setattr(row, name, right[name])
    assert await rows(database, getattr(models.Everything, name)) == [(right[name],)]


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("document", lambda value: value.update(x=math.nan)),
        ("document", lambda value: value["a"].append(object())),
        ("document", lambda value: value.update(x=value)),
        ("names", lambda value: value.append(3)),
        ("names", lambda value: value.append("\0")),
        ("numbers", lambda value: value.append("3")),
        ("size", lambda value: setattr(value, "width", "wide")),
        ("size", lambda value: value.labels.append(3)),
    ],
)
@pytest.mark.needs("exact_values")
async def test_wrong_value_put_into_a_nested_one(
    database: Database, models: ModuleType, sent: Sent, name: str, spoil: Any
) -> None:
    """Trap 34: what is spoilt in place is found at the flush, named, and can be repaired."""
    row = models.Everything(**right_of(models))
    async with Session.begin(database) as other:
        other.add(row)
    async with untouched(database, models, sent) as session:
        loaded = await session.get_one(models.Everything, row.id)
        spoil(getattr(loaded, name))
        with pytest.raises(InvalidUnitError, match=rf"Everything\.{name}") as caught:
            await session.flush()

        assert caught.value.objects == (loaded,)
        setattr(loaded, name, right_of(models)[name])
    assert await rows(database, getattr(models.Everything, name)) == [(right_of(models)[name],)]


async def test_all_problems_of_a_flush_at_once(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """One error lists every wrong value of every object (M4), and shows none of them."""
    async with untouched(database, models, sent) as session:
        one, two = models.Note(text="a"), models.Author(email="a@x.org", name="secret")
        session.add_all([one, two])
        one.text, one.rank = 5, "secret"
        two.email = "secret" * 100
        with pytest.raises(InvalidUnitError) as caught:
            await session.commit()

        error = caught.value
        assert len(error.problems) == 3
        assert set(error.objects) == {one, two}
        for field in ("Note.text", "Note.rank", "Author.email"):
            assert field in str(error)
        assert "secret" not in str(error)
        session.expunge(one)
        session.expunge(two)


async def test_missing_fields(database: Database, models: ModuleType, sent: Sent) -> None:
    """Required fields that are missing, or None, are named all at once."""
    async with untouched(database, models, sent) as session:
        with pytest.raises(ValidationError) as caught:
            models.Author()

        assert {line.partition(":")[0] for line in caught.value.problems} == {
            "Author.email",
            "Author.name",
        }
        with pytest.raises(ValidationError, match=r"Author\.name"):
            models.Author(email="a@x.org", name=None)
        author = models.Author(email="a@x.org", name="x")
        session.add(author)
        author.name = None
        with pytest.raises(InvalidUnitError, match=r"Author\.name"):
            await session.commit()

        session.expunge(author)


async def test_missing_key(database: Database, models: ModuleType, sent: Sent) -> None:
    """A key that nobody makes must be given, and must not be None."""
    async with untouched(database, models, sent) as session:
        with pytest.raises(ValidationError, match=r"Order\.id"):
            models.Order()
        order = models.Order(id=7)
        order.id = None
        session.add(order)
        with pytest.raises(InvalidUnitError, match=r"Order\.id"):
            await session.commit()

        session.expunge(order)


@pytest.mark.needs("verbs")
async def test_unknown_fields(database: Database, models: ModuleType, sent: Sent) -> None:
    """Names that are no fields are refused wherever they can be given, naming the class."""
    note = models.Note(text="a")
    async with untouched(database, models, sent) as session:
        with pytest.raises(UnknownFieldError, match=r"Note.*'txt'"):
            models.Note(text="a", txt="a")
        with pytest.raises(UnknownFieldError, match=r"Note.*'txt'"):
            note.txt = "b"
        with pytest.raises(UnknownFieldError, match=r"Note.*'txt'"):
            await note.update(text="c", txt="b")
        assert note.text == "a"
        with pytest.raises(UowError, match=r"Slot.*nme"):
            await session.find(models.Slot).update({"nme": 1}, all=True)
        with pytest.raises(UowError, match=r"Slot.*nme"):
            update(models.Slot).set({"nme": 1})
        with pytest.raises(UowError, match=r"Slot.*nme"):
            insert(models.Slot, id=1, nme=1)
        with pytest.raises(UowError, match=r"Slot.*nme"):
            insert_many(models.Slot, [{"id": 1, "nme": 1}])
        with pytest.raises(AttributeError, match="txt"):
            _ = models.Note.txt
        with pytest.raises(AttributeError, match="txt"):
            _ = note.txt
        with pytest.raises(UnknownFieldError):
            del note.text


async def test_object_of_another_session(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """An object is in one session at a time; another one refuses it, and it stays as it is."""
    async with Session(database) as other:
        theirs = models.Note(text="theirs")
        other.add(theirs)
        await other.commit()
        pending = models.Note(text="pending")
        other.add(pending)
        async with untouched(database, models, sent) as session:
            for obj in (theirs, pending):
                for verb in (session.add, session.delete, session.expunge, session.expire):
                    with pytest.raises(ObjectStateError):
                        verb(obj)
                with pytest.raises(ObjectStateError):
                    await session.refresh(obj)
            assert not session.is_modified(theirs)
            assert (theirs in other, pending in other) == (True, True)
        other.expunge(pending)


async def test_second_object_with_a_key(database: Database, models: ModuleType, sent: Sent) -> None:
    """A second object with a key that is in the map is refused at `add`, or at the flush."""
    async with Session.begin(database) as other:
        other.add(models.Slot(id=1))
    async with untouched(database, models, sent) as session:
        present = await session.get_one(models.Slot, 1)
        with pytest.raises(ObjectStateError, match="Slot"):
            session.add(models.Slot(id=1))
        sneaky = models.Slot(id=2)
        session.add(sneaky)
        sneaky.id = 1
        with pytest.raises(ObjectStateError, match="Slot"):
            await session.commit()

        assert await session.get_one(models.Slot, 1) is present
        sneaky.id = 3
    assert await rows(database, models.Slot.id) == [(1,), (3,)]


async def test_detached_twin_of_an_object(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """A detached object cannot join a session that holds another one of its row."""
    async with Session.begin(database) as other:
        twin = models.Slot(id=1)
        other.add(twin)
    async with untouched(database, models, sent) as session:
        present = await session.get_one(models.Slot, 1)
        with pytest.raises(ObjectStateError, match="merge"):
            session.add(twin)
        with pytest.raises(ObjectStateError, match="merge"):
            session.delete(twin)

        assert state(twin) is State.DETACHED
        assert await session.merge(twin) is present


async def test_deleted_object_changed(database: Database, models: ModuleType, sent: Sent) -> None:
    """An object that is marked as deleted cannot be changed, and says how it lives again."""
    async with untouched(database, models, sent) as session:
        (doomed,) = session.deleted
        with pytest.raises(ObjectStateError, match=r"Note\.text.*add"):
            doomed.text = "x"

        assert doomed.text == "doomed"


@pytest.mark.needs("composite_keys")
async def test_key_changed(database: Database, models: ModuleType, sent: Sent) -> None:
    """The key of a stored object cannot change; each part of a composite one neither."""
    async with Session.begin(database) as other:
        other.add_all([models.Order(id=7), models.Line(order_id=7, no=1)])
    async with untouched(database, models, sent) as session:
        line = await session.get_one(models.Line, (7, 1))
        for name in ("order_id", "no"):
            with pytest.raises(ObjectStateError, match=rf"Line\.{name}"):
                setattr(line, name, 9)
        line.no = 1

        assert line not in session.dirty
        with pytest.raises(ObjectStateError, match=r"Line\.no"):
            line.no = 9


@pytest.mark.needs("composite_keys")
async def test_generated_column_set(database: Database, models: ModuleType, sent: Sent) -> None:
    """A column the store computes cannot be set on a stored object."""
    async with Session.begin(database) as other:
        other.add_all([models.Order(id=7), models.Line(order_id=7, no=1)])
    async with untouched(database, models, sent) as session:
        line = await session.get_one(models.Line, (7, 1))
        with pytest.raises(ValidationError, match=r"Line\.total"):
            line.total = 5

        assert line not in session.dirty


@pytest.mark.needs("numbered_keys")
async def test_use_after_close(database: Database, models: ModuleType, sent: Sent) -> None:
    """A closed session refuses every verb; what it held stays readable."""
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.commit()
        query = session.find(models.Note)
    sent.clear()
    for verb in (
        session.flush,
        session.commit,
        session.rollback,
        query.to_list,
        query.count,
        lambda: query.update({"rank": 1}, all=True),
        lambda: session.get(models.Note, 1),
        lambda: session.refresh(note),
        lambda: session.merge(note),
        lambda: session.execute(select(models.Note)),
        lambda: session.fan_out(query),
    ):
        with pytest.raises(SessionClosedError):
            await verb()
    changes: list[Callable[[], object]] = [
        lambda: session.add(note),
        lambda: session.add_all([note]),
        lambda: session.delete(note),
        lambda: session.expunge(note),
        lambda: session.expire(note),
        session.clear,
        session.flush_plan,
        lambda: session.on_commit(print),
        lambda: session.stream(query),
    ]
    for change in changes:
        with pytest.raises(SessionClosedError):
            change()
    with pytest.raises(SessionClosedError):
        async with session.begin_nested():
            pass
    with pytest.raises(SessionClosedError):
        async with session.begin():
            pass
    await session.aclose()

    assert sent == []
    assert note.text == "a"
    assert state(note) is State.DETACHED


async def test_use_after_the_database_closed(tmp_path: Any, models: ModuleType) -> None:
    """A database that is not open says so, and names what opens it."""
    database = Database(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(PoolClosedError, match="never opened"):
        async with Session(database) as session:
            await session.get(models.Note, 1)
    async with database:
        pass
    with pytest.raises(PoolClosedError, match="closed"):
        async with Session(database) as session:
            await session.get(models.Note, 1)
    with pytest.raises(PoolClosedError, match="default"):
        Session()
    with pytest.raises(QueryError, match="Database"):
        Session("sqlite://")  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", ["flush", "commit", "rollback", "begin_nested", "begin"])
async def test_flush_inside_a_hook(
    database: Database, models: ModuleType, sent: Sent, verb: str
) -> None:
    """A hook that flushes, commits or rolls back is refused; the flush itself is undone whole."""
    async with untouched(database, models, sent) as session:
        broken = True

        async def hook(_: Session) -> None:
            if not broken:
                return
            if verb.startswith("begin"):
                async with getattr(session, verb)():
                    pass
            else:
                await getattr(session, verb)()

        session.on("before_flush", hook)
        with pytest.raises(ConcurrentUseError, match="hook"):
            await session.flush()

        broken = False


@pytest.mark.parametrize("wrong", [True, False, None, 1, "name = 'x'", {"name": "x"}, object()])
@pytest.mark.needs("verbs")
async def test_filter_that_is_no_expression(
    database: Database, models: ModuleType, sent: Sent, wrong: Any
) -> None:
    """A filter that is a bool, or anything but an expression, is refused when it is given."""
    async with untouched(database, models, sent) as session:
        for use in (
            lambda: session.find(models.Note, wrong),
            lambda: session.find(models.Note).filter(wrong),
            lambda: session.find(models.Note).group_by(models.Note.rank).having(wrong),
            lambda: session.find(models.Note).join(models.Post, wrong),
            lambda: models.Note.find(wrong),
            lambda: select(models.Note).where(wrong),
            lambda: update(models.Note).where(wrong),
        ):
            with pytest.raises(QueryError):
                use()


async def test_truth_of_an_expression(models: ModuleType) -> None:
    """Trap 1: `a and b`, `not a`, `1 < a < 5`, `x in a` raise and drop no condition."""
    note = models.Note
    for wrong in (
        lambda: note.rank > 1 and note.text == "x",
        lambda: note.rank > 1 or note.text == "x",
        lambda: not (note.rank > 1),
        lambda: 1 < note.rank < 5,
        lambda: "x" in note.text,
        lambda: bool(note.rank),
        lambda: [one for one in [note.rank == 1] if one],
    ):
        with pytest.raises(QueryError):
            wrong()


async def test_values_of_the_wrong_type_in_a_query(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """A value that cannot be of the column's type is refused before the query is sent."""
    everything = models.Everything
    async with untouched(database, models, sent) as session:
        conditions: list[Callable[[], Any]] = [
            lambda: everything.number > "x",
            lambda: everything.number == BIG,
            lambda: everything.number.in_([1, "x"]),
            lambda: everything.text == 5,
            lambda: everything.text == "\0",
            lambda: everything.text.like(5),
            lambda: everything.moment > datetime(2024, 1, 1),  # noqa: DTZ001 - naive on purpose
            lambda: everything.key == "x",
            lambda: everything.colour == "nope",
            lambda: everything.number.between(1, None),
        ]
        for wrong in conditions:
            with pytest.raises((QueryError, ValidationError)):
                await session.find(everything, wrong()).to_list()
        with pytest.raises((QueryError, ValidationError)):
            await session.find(everything, everything.number == 1).update({"text": 5})


async def test_whole_table_must_be_said(database: Database, models: ModuleType, sent: Sent) -> None:
    """Trap 7: an update or delete without a filter is refused, unless the whole table is meant."""

    async with untouched(database, models, sent) as session:
        with pytest.raises(QueryError, match="all"):
            await session.find(models.Slot).delete()
        with pytest.raises(QueryError, match="all"):
            await session.find(models.Slot).update({"name": "x"})
        with pytest.raises(QueryError, match="all"):
            await session.execute(delete(models.Slot))
        with pytest.raises(QueryError, match="all"):
            await session.execute(update(models.Slot).set(name="x"))


async def test_what_is_no_statement(database: Database, models: ModuleType, sent: Sent) -> None:
    """`execute` takes statements only; text is not one, `sql` has binds of its own."""
    async with untouched(database, models, sent) as session:
        with pytest.raises(QueryError, match="sql"):
            await session.execute("SELECT 1")  # type: ignore[arg-type]
        with pytest.raises(QueryError):
            await session.execute(models.Note)
        with pytest.raises(QueryError):
            sql("SELECT {a}")
        with pytest.raises(QueryError):
            sql("SELECT 1", a=1)
        with pytest.raises(QueryError):
            session.find(models.Note).limit(-1)
        with pytest.raises(QueryError):
            session.find(models.Note).limit(True)
        with pytest.raises(QueryError):
            session.find(models.Note).offset("1")  # type: ignore[arg-type]
        with pytest.raises(QueryError):
            session.find(models.Note).select()
        with pytest.raises(QueryError):
            await session.find(models.Note).select(models.Note.id, models.Note.text).values()  # type: ignore[misc]


async def test_what_is_no_model(database: Database, models: ModuleType, sent: Sent) -> None:
    """Verbs given something that is no object, or no class, of the mapping say so."""

    @attrs.define
    class Plain:
        id: int = 1

    async with untouched(database, models, sent) as session:
        objects: list[Any] = [Plain(), 5, None, "x", models.Note]
        for wrong in objects:
            for verb in (session.add, session.delete, session.expunge, session.expire):
                with pytest.raises(UowError):
                    verb(wrong)
            with pytest.raises(UowError):
                await session.refresh(wrong)
            with pytest.raises(UowError):
                await session.merge(wrong)
        classes: list[Any] = [Plain, int, None, "Note"]
        for wrong in classes:
            with pytest.raises(UowError):
                await session.get(wrong, 1)
            with pytest.raises(UowError):
                session.find(wrong)


async def test_wrong_events(database: Database, models: ModuleType, sent: Sent) -> None:
    """An event that does not exist, or a hook that is no function, is refused at once."""
    async with untouched(database, models, sent) as session:
        with pytest.raises(QueryError, match="before_flush"):
            session.on("before_lunch", print)
        with pytest.raises(QueryError):
            session.on("before_flush", 5)  # type: ignore[arg-type]


async def test_store_error_names_nothing_secret(database: Database, models: ModuleType) -> None:
    """An error of the store is one of ours, with its cause, and without the values."""
    async with Session(database) as session:
        session.add_all([models.Author(email="secret@x.org", name=name) for name in "ab"])
        with pytest.raises(errors.ConstraintError) as caught:
            await session.flush()

        error = caught.value
        assert error.__cause__ is not None
        assert error.kind == "unique"
        assert error.table == "authors"
        assert error.columns == ("email",)
        assert error.phase is errors.Phase.FLUSH
        assert "secret" not in str(error)
        await session.rollback()


async def test_reading_what_is_not_loaded_names_the_call(
    database: Database, models: ModuleType, sent: Sent
) -> None:
    """Reading a field that is not loaded sends nothing, and says what loads it."""
    async with untouched(database, models, sent) as session:
        (changed,) = session.dirty
        session.expire(changed, discard=True)
        with pytest.raises(NotLoadedError, match=r"Note\.text.*refresh"):
            _ = changed.text
        await session.refresh(changed)
        changed.rank = 5
