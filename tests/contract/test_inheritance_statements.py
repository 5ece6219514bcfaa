"""Explicit UPDATE, DELETE and INSERT on classes of hierarchies (R4, trap 38)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.hierarchies import (
    VEHICLES,
    Account,
    Asset,
    Business,
    City,
    Corporation,
    Employee,
    Figure,
    Graduate,
    Part,
    Person,
    Photo,
    Place,
    Private,
    Square,
    Student,
    Teacher,
    Vehicle,
)
from tests.contract.sent import Sent, rows
from uow import (
    ConstraintError,
    Database,
    QueryError,
    Session,
    State,
    TransactionPoisonedError,
    delete,
    excluded,
    func,
    insert,
    insert_many,
    select,
    state,
    update,
)
from uow.session.spread_upserts import SpreadUpserts

pytestmark = [pytest.mark.anyio, pytest.mark.needs("table_classes")]


async def stored(database: Database, *objects: Any) -> list[Any]:
    """Store objects with a session of their own, and give their keys."""
    async with Session.begin(database) as session:
        session.add_all(objects)
    return [type(obj)._uow_mapper.identity(obj) for obj in objects]


async def run(database: Database, statement: Any) -> Any:
    """Run a statement in a session of its own."""
    async with Session.begin(database) as session:
        return await session.execute(statement)


def some() -> list[Person]:
    """Objects of each class."""
    return [
        Person(name="pia"),
        Student(name="stan", grade=1, number=1),
        Student(name="suse", grade=2, number=2),
        Graduate(name="gina", grade=3, number=3, thesis="t"),
        Teacher(name="tom", salary=1, subject="x"),
    ]


# -- UPDATE


async def test_update_is_routed(database: Database, sent: Sent) -> None:
    """Columns go to their tables; a condition may name any table; the count is of objects."""
    await stored(database, *some())
    sent.clear()
    count = await run(
        database,
        update(Student)
        .set({Student.grade: Student.grade + 10, Student.name: "new"})
        .where(Person.name != "suse", Student.grade >= 1),
    )

    assert count == 2
    assert await rows(database, Student.grade, Student.name) == [
        (2, "suse"),
        (11, "new"),
        (13, "new"),
    ]
    written = [text.split("SET")[0] for text in sent.texts if text.startswith("UPDATE")]
    assert sorted("h_people" in text for text in written) == [False, True]


async def test_update_of_one_table(database: Database, sent: Sent) -> None:
    """Trap 38: no other table is written than that of the columns, and that of the version."""
    await stored(
        database, VEHICLES["BigCar"](maker="m", car=1, bigcar=2), VEHICLES["Car"](maker="n")
    )
    car: Any = VEHICLES["Car"]
    sent.clear()

    assert await run(database, update(car).set({car.car: 7}).all()) == 2
    assert [
        t for t in sent.texts if t.startswith("UPDATE") and "h_vehicles" in t.split("SET")[0]
    ] == []
    assert await rows(database, car.car) == [(7,), (7,)]


async def test_update_of_the_root(database: Database, sent: Sent) -> None:
    """A statement about the root's columns alone is one statement, and is about all classes."""
    await stored(database, *some())
    sent.clear()

    assert await run(database, update(Person).set(name="x").where(Person.name != "pia")) == 4
    assert sent.writes == ["UPDATE"]
    assert await run(database, update(Person).set(name="y").where(Student.grade > 1)) == 2
    assert await rows(database, Person.name) == [("pia",), ("x",), ("x",), ("y",), ("y",)]


async def test_values_of_other_tables(database: Database) -> None:
    """A new value may be made of columns of another table, as they were before the statement."""
    await stored(database, *some())
    count = await run(
        database,
        update(Student)
        .set({Student.number: Person.id + 100, Student.name: Student.state, Student.state: "old"})
        .where(Student.grade > 1),
    )

    assert count == 2
    found = await rows(database, Student.id, Student.number, Student.name, Student.state)
    assert [tuple(one[1:]) for one in found if one[2] == "new"] == [
        (one[0] + 100, "new", "old") for one in found if one[2] == "new"
    ]
    assert len([one for one in found if one[2] == "new"]) == 2


async def test_update_returns_columns_of_all_tables(database: Database) -> None:
    """RETURNING gives columns of every table, as they are afterwards."""
    await stored(database, *some())
    found = await run(
        database,
        update(Student)
        .set(grade=9)
        .where(Student.name == "gina")
        .returning(Student.name, Student.grade, Student.doubled, Person.version),
    )

    assert [tuple(one) for one in found] == [("gina", 9, 18, 2)]


async def test_update_expires_what_it_concerns(database: Database) -> None:
    """Loaded objects of the rows are read again, of whatever class; others stay."""
    keys = await stored(database, *some())
    async with Session(database) as session:
        found: list[Any] = await session.find(Person).order_by(Person.id).to_list()
        await session.execute(
            update(Student).set(grade=7).where(Student.name.in_(["stan", "gina"]))
        )

        assert await session.find(Student, Student.id == keys[1]).one() is found[1]
        assert found[1].grade == 7
        assert found[2].grade == 2
        await session.refresh(found[3])
        assert (found[3].grade, found[3].version) == (7, 2)
        await session.rollback()
        await session.refresh(found[1])
        assert found[1].grade == 1


async def test_a_column_of_both_is_qualified(database: Database) -> None:
    """Trap 38: a column that both tables have must say which one is meant."""
    await stored(database, Part(title="a"), Photo(title="b", width=1))
    with pytest.raises(
        QueryError, match=r"'title' is a column of two tables: say Asset.title or Part"
    ):
        update(Part).set(title="x")
    assert await run(database, update(Part).set({Part.title: "own"}).all()) == 1
    assert await rows(database, Part.title) == [("own",)]
    assert await rows(database, Asset.title) == [("a",), ("b",)]
    assert (
        await run(database, update(Part).set({Asset.title: "base"}).where(Part.title == "own")) == 1
    )
    assert await rows(database, Asset.title) == [("b",), ("base",)]
    assert await rows(database, Part.title) == [("own",)]


async def test_query_update_and_delete(database: Database) -> None:
    """The terminals of queries do the same, limits and narrowed classes included."""
    await stored(database, *some())
    async with Session.begin(database) as session:
        query = session.find(Student).order_by(-Student.grade).limit(2)

        assert await query.update({"grade": 50}) == 2
        exact = session.find(Student, with_children=False)
        assert await exact.update({Student.grade: 60}) == 2
        assert await session.find(Person).of_type(Graduate).delete() == 1
        assert await session.find(Person, Teacher.subject == "x").delete() == 1
    assert await rows(database, Student.grade) == [(60,), (60,)]
    assert await rows(database, Person.name) == [("pia",), ("stan",), ("suse",)]


async def test_discriminator_is_not_set(database: Database) -> None:
    """The class of a row stays what it is."""
    for model in (Person, Student, Account):
        name = "type" if model is Account else "kind"
        with pytest.raises(QueryError, match="tells the class"):
            update(model).set({name: "student"})


@pytest.mark.needs("row_locks")
async def test_keys_are_read_under_a_lock(database: Database, sent: Sent) -> None:
    """Trap 38: rows are locked in every table of the class when their keys are read."""
    await stored(database, *some())
    for statement in (
        update(Student).set({Student.grade: 5}).where(Person.name == "stan"),
        delete(Graduate).where(Student.grade > 0),
        insert(Student, id=1, name="n", grade=1).on_conflict(Student.id).nothing(),
    ):
        sent.clear()
        await run(database, statement)
        (locking,) = [text for text in sent.texts if "FOR UPDATE" in text]

        assert sent.words[1] == "SELECT"
        assert sent.texts[1] is locking
        assert "h_people" in locking


# -- DELETE


async def test_delete_takes_all_rows(database: Database) -> None:
    """Rows of the class, of those above it and of those below it go; the count is of objects."""
    await stored(database, *some())
    async with Session(database) as session:
        found = await session.find(Student).order_by(Student.id).to_list()

        assert await session.execute(delete(Student).where(Student.grade >= 2)) == 2
        assert state(found[0]) is State.PERSISTENT
        assert state(found[2]) is State.DELETED
        await session.commit()
    assert await rows(database, Person.name) == [("pia",), ("stan",), ("tom",)]
    assert await rows(database, Graduate.thesis) == []
    found = await run(database, delete(Person).where(Person.name != "pia").returning(Person.name))
    assert sorted(one.name for one in found) == ["stan", "tom"]
    assert await rows(database, Teacher.subject) == []
    assert await run(database, delete(Person).all()) == 1


async def test_delete_with_composite_key(database: Database) -> None:
    """Keys of several columns find their rows."""
    await stored(
        database,
        City(country="no", no=1, name="oslo", people=7),
        City(country="se", no=1, name="lund", people=3),
        Place(country="no", no=2, name="x"),
    )

    assert (
        await run(database, update(City).set(people=1, name="y").where(City.country == "no")) == 1
    )
    assert await run(database, delete(City).where(City.people == 3)) == 1
    assert await rows(database, Place.country, Place.no, Place.name) == [
        ("no", 1, "y"),
        ("no", 2, "x"),
    ]


async def test_many_keys(database: Database) -> None:
    """More rows than one statement names keys of are written all the same."""
    await run(database, insert_many(Student, [{"name": "s", "grade": n} for n in range(1200)]))

    assert (
        await run(database, update(Student).set({Student.grade: 1, Student.name: "t"}).all())
        == 1200
    )
    assert await rows(database, Student.grade, Student.name) == [(1, "t")] * 1200
    assert await run(database, delete(Student).all()) == 1200
    assert await rows(database, Person.id) == []


# -- INSERT


async def test_insert_is_routed(database: Database, sent: Sent) -> None:
    """Rows go to every table, keys in the order of the rows; defaults apply."""
    statement = insert_many(
        Graduate, [{"name": f"n{n}", "grade": n, "thesis": f"t{n}"} for n in range(5)]
    ).returning(Graduate.id, Graduate.name, Graduate.doubled, Graduate.thesis, Graduate.kind)
    found = await run(database, statement)

    assert [tuple(one[1:]) for one in found] == [
        (f"n{n}", 2 * n, f"t{n}", "grad") for n in range(5)
    ]
    assert sent.writes == ["INSERT"] * 3
    async with Session(database) as session:
        objects = await session.find(Person).order_by(Person.id).to_list()
        assert [(type(one), one.id, one.version) for one in objects] == [
            (Graduate, row.id, 1) for row in found
        ]


async def test_insert_of_expressions(database: Database) -> None:
    """Values may be expressions, and rows come from a query."""
    await stored(database, *some())
    most = select(func.max(Student.grade)).scalar_subquery()
    assert await run(database, insert(Student, name="max", grade=most, number=7)) == 1
    assert (
        await run(
            database,
            insert(Student).from_select(
                [Student.name, Student.grade],
                select(Teacher.subject, Teacher.salary + 40),
            ),
        )
        == 1
    )
    assert (await rows(database, Student.grade, Student.name))[-2:] == [(3, "max"), (41, "x")]


async def test_nothing_on_an_existing_key(database: Database) -> None:
    """Trap 38: where the base row is there nothing is inserted, in no table."""
    person, student, *_ = await stored(database, *some())
    for key in (person, student):
        statement = insert(Student, id=key, name="n", grade=9).on_conflict(Student.id).nothing()
        assert await run(database, statement) == 0
    assert (
        await run(
            database, insert(Student, id=999, name="n", grade=9).on_conflict(Student.id).nothing()
        )
        == 1
    )
    assert await rows(database, Student.grade) == [(1,), (2,), (3,), (9,)]
    async with Session(database) as session:
        assert type(await session.get(Person, person)) is Person


async def test_update_on_an_existing_key(database: Database) -> None:
    """An upsert changes the tables of the columns that are named, of an object of the class."""
    _, student, _, graduate, _ = await stored(database, *some())
    given = [
        {"id": student, "name": "a", "grade": 10},
        {"id": graduate, "name": "b", "grade": 20},
        {"id": 999, "name": "c", "grade": 30},
    ]
    statement = insert_many(Student, given).on_conflict(Student.id).update()

    assert await run(database, statement) == 3
    async with Session(database) as session:
        found: list[Any] = [await session.get_one(Person, one["id"]) for one in given]
        assert [(type(one), one.name, one.grade, one.version) for one in found] == [
            (Student, "a", 10, 2),
            (Graduate, "b", 20, 2),
            (Student, "c", 30, 1),
        ]
        assert found[1].thesis == "t"


async def test_upsert_meets_another_class(database: Database) -> None:
    """A key of an object of another class is a conflict that no update solves; nothing is left."""
    person, *_, teacher = await stored(database, *some())
    for key in (person, teacher):
        async with Session(database) as session:
            statement = insert_many(
                Student,
                [{"id": 500, "name": "n", "grade": 1}, {"id": key, "name": "n", "grade": 2}],
            )
            with pytest.raises(ConstraintError, match="of another class"):
                await session.execute(statement.on_conflict(Student.id).update(Student.grade))
            with pytest.raises(TransactionPoisonedError):
                await session.commit()
            await session.rollback()
    assert await rows(database, Person.name) == [
        ("gina",), ("pia",), ("stan",), ("suse",), ("tom",),
    ]  # fmt: skip
    assert await rows(database, Student.grade) == [(1,), (2,), (3,)]


async def test_upsert_meets_another_class_told_by_tables(database: Database) -> None:
    """Without a discriminator it is the tables that tell that a row is of another class."""
    await stored(database, Place(country="no", no=2, name="x"))
    key = {"country": "no", "no": 2}
    statement = insert(City, {**key, "name": "y", "people": 1}).on_conflict(City.country, City.no)

    assert await run(database, statement.nothing()) == 0
    with pytest.raises(ConstraintError, match="of another class"):
        await run(database, statement.update())
    assert await rows(database, Place.name) == [("x",)]
    assert await rows(database, City.people) == []


async def test_objects_of_other_classes_stay_loaded(database: Database) -> None:
    """A statement about one class leaves the loaded objects of its siblings alone."""
    keys = await stored(database, Private(owner="p", age=1), Business(owner="b", tax="1"))
    async with Session(database) as session:
        private = await session.get_one(Private, keys[0])
        firm = await session.get_one(Business, keys[1])
        await session.execute(update(Business).set(owner="x").all())

        assert private.owner == "p"
        await session.refresh(firm)
        assert (firm.owner, firm.version) == ("x", 2)
        await session.rollback()


async def test_upsert_by_other_keys(database: Database) -> None:
    """A unique column of any of the tables may be met; no row is left without its others."""
    await stored(database, Student(name="s", grade=1, number=7, email="s@x"))
    by_number = insert(Student, name="n", grade=5, number=7).on_conflict(Student.number)
    assert await run(database, by_number.update(Student.grade)) == 1
    by_mail = insert(Student, name="m", grade=6, email="s@x").on_conflict(Student.email)
    assert (
        await run(
            database,
            by_mail.update(Student.name, {Student.grade: excluded(Student.grade) + Student.grade}),
        )
        == 1
    )
    assert await run(database, by_number.nothing()) == 0
    assert (
        await run(database, insert(Student, name="z", grade=0, number=7).on_conflict().nothing())
        == 0
    )
    assert await rows(database, Person.name, Person.version) == [("m", 3)]
    assert await rows(database, Student.grade, Student.number) == [(11, 7)]


async def test_upsert_with_a_condition(database: Database) -> None:
    """The row that is there is changed only if the condition holds, which may be of any table."""
    (key,) = await stored(database, Student(name="s", grade=5))
    for grade, count in ((4, 0), (6, 1)):
        statement = insert(Student, id=key, name="n", grade=grade).on_conflict(Student.id)
        changed = statement.update(
            Student.grade, where=(Student.grade < excluded(Student.grade)) & (Person.name == "s")
        ).returning(Student.grade, Student.name)
        found = await run(database, changed)

        assert [tuple(one) for one in found] == [(6, "s")] * count


async def test_many_upserts_are_a_few_statements(database: Database, sent: Sent) -> None:
    """R4: rows are looked for, inserted and changed together, a statement a table."""
    old = [Student(name=f"s{n}", grade=n, number=n) for n in range(40)]
    old.append(Graduate(name="grad", grade=1, number=40, thesis="t"))
    await stored(database, *old)
    given: list[dict[str, Any]] = [
        {"name": f"new{n}", "grade": 100 + n, "number": n} for n in range(30, 60)
    ]
    given.insert(7, {"name": "last", "grade": 7, "number": 31})  # meets the one before it
    statement = insert_many(Student, given).on_conflict(Student.number)
    sent.clear()
    changed = statement.update(Student.name, Student.grade).returning(Student.number, Student.name)
    found = await run(database, changed)

    assert [tuple(one) for one in found] == [
        (one["number"], "last" if one["number"] == 31 else one["name"]) for one in given
    ]
    assert len([text for text in sent.texts if text.startswith("INSERT")]) == 2
    assert len(sent) < 40, "one by one"
    async with Session(database) as session:
        now: dict[Any, Any] = {one.number: one for one in await session.find(Student).to_list()}
        assert len(now) == 60
        assert (now[29].name, now[29].version) == ("s29", 1)
        assert (now[30].name, now[30].grade, now[30].version) == ("new30", 130, 2)
        assert (now[31].name, now[31].grade, now[31].version) == ("last", 7, 3)
        assert (type(now[40]), now[40].name, now[40].thesis) == (Graduate, "new40", "t")
        assert (now[59].name, now[59].version) == ("new59", 1)
        before = {number: one.version for number, one in now.items()}
    assert await run(database, statement.nothing()) == 0
    some_ = statement.update(Student.grade, {Student.name: "x"}, where=Student.grade < 120)
    assert await run(database, some_) == 1  # number 31, by its first row
    both = insert_many(Student, [{"name": "a", "grade": 1, "number": n} for n in (1, 70, 2)])
    assert await run(database, both.on_conflict().nothing()) == 1
    async with Session(database) as session:
        now = {one.number: one for one in await session.find(Student).to_list()}
        assert (now[31].name, now[31].grade) == ("x", 131)
        assert {n for n in before if now[n].version != before[n]} == {31}
        assert 70 in now
    async with Session(database) as session:
        clash = insert_many(
            Student,
            [{"name": "q", "grade": 1, "number": n, "email": "same@x"} for n in (80, 81)],
        )
        with pytest.raises(ConstraintError):
            await session.execute(clash.on_conflict(Student.number).update(Student.name))
        await session.rollback()
    assert len(await rows(database, Student.number)) == 61


async def test_somebody_else_was_quicker(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that appears between looking and inserting is met, where the store can name the key."""
    keys = await stored(database, Student(name="s", grade=1), Student(name="t", grade=2))
    find = SpreadUpserts._find
    looked: list[int] = []

    async def blind(self: SpreadUpserts, numbers: Any) -> Any:
        looked.append(len(numbers))
        return {} if len(looked) == 1 else await find(self, numbers)

    monkeypatch.setattr(SpreadUpserts, "_find", blind)
    given = [{"id": key, "name": f"n{key}", "grade": 9} for key in (keys[0], 900, keys[1], 901)]
    statement = insert_many(Student, given).on_conflict(Student.id).update(Student.name)
    wanted = statement.returning(Student.id, Student.name, Student.grade)
    if not database.dialect.capabilities.conflict_targets:
        with pytest.raises(ConstraintError):  # and the unit can be tried again
            await run(database, wanted)
        found = await run(database, wanted)
        looked[:] = [4, 2]
    else:
        found = await run(database, wanted)

    assert [tuple(one) for one in found] == [
        (keys[0], f"n{keys[0]}", 1), (900, "n900", 9), (keys[1], f"n{keys[1]}", 2),
        (901, "n901", 9),
    ]  # fmt: skip
    assert looked == [4, 2]


async def test_one_key_twice(database: Database) -> None:
    """Rows of one statement that share a key follow each other."""
    rows_ = [{"id": 5, "name": "a", "grade": 1}, {"id": 5, "name": "b", "grade": 2}]

    assert await run(database, insert_many(Student, rows_).on_conflict(Student.id).update()) == 2
    assert await rows(database, Student.name, Student.grade) == [("b", 2)]


async def test_upsert_of_a_column_of_both(database: Database) -> None:
    """A column that both tables have is changed in both, unless one is named."""
    part = Part(title="a")
    await stored(database, part)
    statement = insert(Part, id=part.id, title="b").on_conflict(Part.id)

    assert await run(database, statement.update()) == 1
    assert await rows(database, Asset.title) == [("b",)]
    assert await rows(database, Part.title) == [("b",)]


async def test_failure_in_the_middle_poisons(database: Database) -> None:
    """A statement that fails at its second table leaves nothing that could be committed."""
    await stored(database, Student(name="s", grade=1, number=1))
    async with Session(database) as session:
        with pytest.raises(ConstraintError):
            await session.execute(insert(Student, name="n", grade=2, number=1))
        with pytest.raises(TransactionPoisonedError):
            await session.commit()
        await session.rollback()
    assert await rows(database, Person.name) == [("s",)]


# -- single and concrete tables


async def test_single_table_statements(database: Database) -> None:
    """Statements about a child of one table leave the rows of other classes alone."""
    await stored(
        database,
        Private(owner="p", age=1),
        Business(owner="b", tax="1"),
        Corporation(owner="c", tax="2", shares=1),
    )

    assert await run(database, update(Business).set(owner="x").all()) == 2
    assert await run(database, update(Account).set(owner="y").where(Account.owner == "p")) == 1
    assert await run(database, update(Corporation).set(shares=9).where(Account.owner == "x")) == 1
    assert await run(database, insert(Corporation, owner="n", tax="3", shares=2)) == 1
    assert await run(database, delete(Private).all()) == 1
    assert await rows(database, Account.type, Account.owner) == [
        ("corporation", "n"),
        ("corporation", "x"),
        ("firm", "x"),
    ]
    assert await rows(database, Corporation.shares) == [(2,), (9,)]


async def test_single_table_upserts(database: Database) -> None:
    """An upsert of a child changes objects of that class, and refuses to change others."""
    private, firm = await stored(database, Private(owner="p", age=1), Business(owner="b", tax="1"))
    statement = (
        insert(Business, owner="n", tax="1").on_conflict(Business.tax).update(Business.owner)
    )

    assert await run(database, statement) == 1
    assert await rows(database, Business.id, Business.owner, Business.version) == [(firm, "n", 2)]
    other = insert(Business, id=private, owner="n", tax="9").on_conflict(Business.id)
    assert await run(database, other.nothing()) == 0
    with pytest.raises(ConstraintError, match="of another class"):
        await run(database, other.update())
    assert await rows(database, Private.owner) == [("p",)]


async def test_concrete_statements(database: Database) -> None:
    """Statements about a concrete class are about its table; a query over several is refused."""
    await stored(database, Figure(label="f"), Square(label="s", side=1))

    assert await run(database, update(Figure).set(label="x").all()) == 1
    assert await rows(database, Square.label) == [("s",)]
    async with Session.begin(database) as session:
        with pytest.raises(QueryError, match=r"with_children\(False\)"):
            await session.find(Figure).delete(all=True)
        assert await session.find(Figure, with_children=False).update({"label": "y"}, all=True) == 1


def test_no_single_text() -> None:
    """What is several statements has no text; what is one has."""
    for statement in (update(Employee).set(salary=1).all(), delete(Student).all()):
        with pytest.raises(QueryError, match=r"session\.execute"):
            statement.compile("sqlite")
    assert "h_people" in update(Person).set(name="x").all().compile("sqlite").sql
    assert "h_vehicles" in delete(Vehicle).all().compile("sqlite").sql
