"""Objects of hierarchies: written to their tables and read as what they are (R3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.hierarchies import (
    VEHICLES,
    Account,
    Asset,
    Business,
    Circle,
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
    Tile,
    Vehicle,
    Visit,
)
from tests.contract.sent import Sent, rows
from uow import (
    AmbiguousRowError,
    Database,
    LockTimeoutError,
    NotFoundError,
    NotLoadedError,
    ObjectStateError,
    QueryError,
    Session,
    StaleObjectError,
    State,
    aliased,
    func,
    select,
    sql,
    state,
)
from uow.mapping.mapper import mapper_of
from uow.session.late import LateKeys
from uow.session.plan import make_plan

pytestmark = [pytest.mark.anyio, pytest.mark.needs("table_classes")]


def people() -> list[Person]:
    """One of each class, in an order that is none of the tables'."""
    return [
        Graduate(name="gina", grade=4, thesis="on trees"),
        Person(name="pia"),
        Teacher(name="tom", salary=3, subject="maths", room=12),
        Student(name="stan", grade=2, tags=["x"], notes=["late"]),
        Employee(name="eve", salary=5),
        Student(name="suse", grade=1),
    ]


async def stored(database: Database, objects: list[Any]) -> list[Any]:
    """Store objects with a session of their own, and give their keys."""
    async with Session.begin(database) as session:
        session.add_all(objects)
    return [type(obj)._uow_mapper.identity(obj) for obj in objects]


# -- writing


async def test_rows_go_base_first(database: Database, sent: Sent) -> None:
    """All base rows are one statement, and each table below gets its rows in one, with keys."""
    found = people()
    keys = await stored(database, found)

    assert sorted(keys) == list(range(1, 7))
    assert len([t for t in sent.texts if t.startswith("INSERT") and "h_people" in t]) == 1
    assert sent.writes == ["INSERT"] * 5
    assert await rows(database, Person.name, Person.id) == sorted(
        (one.name, one.id) for one in found
    )
    assert await rows(database, Graduate.thesis, Graduate.id) == [("on trees", found[0].id)]


async def test_store_values_come_back(database: Database) -> None:
    """Keys, versions, defaults and generated columns of every table are filled in by one flush."""
    student = Student(name="s", grade=4)
    async with Session.begin(database) as session:
        session.add(student)
        await session.flush()

        assert (student.kind, student.version, student.doubled, student.state) == (
            "student", 1, 8, "new",
        )  # fmt: skip
        student.grade = 5
        await session.flush()

        assert (student.doubled, student.version) == (10, 2)


async def test_updates_touch_what_changed(database: Database, sent: Sent) -> None:
    """Trap 38: only the table of a changed column is written, and the root's for a version."""
    await stored(database, [VEHICLES["BigCar"](maker="m", car=1, bigcar=2)])
    async with Session.begin(database) as session:
        car: Any = await session.find(Vehicle).one()
        sent.clear()
        car.car = 5
        await session.flush()

        assert [
            ("h_car" in text, "h_vehicles" in text) for text in sent.texts if "UPDATE" in text
        ] == [(True, False)]
        sent.clear()
        car.maker, car.bigcar = "n", 6
        await session.flush()

        assert sent.writes == ["UPDATE", "UPDATE"]
    async with Session(database) as session:
        again: Any = await session.find(Vehicle).one()
        assert (again.maker, again.car, again.bigcar) == ("n", 5, 6)


async def test_version_is_the_roots(database: Database) -> None:
    """A change of a child's column alone raises the version of the root, and checks it."""
    (key,) = await stored(database, [Student(name="s", grade=1)])
    async with Session(database) as mine:
        student = await mine.get_one(Student, key)
        student.grade = 7
        async with Session.begin(database) as theirs:
            (await theirs.get_one(Person, key)).name = "t"
        with pytest.raises(StaleObjectError) as caught:
            await mine.commit()

        assert caught.value.objects == (student,)
        assert student.version == 1
        await mine.rollback()
        await mine.refresh(student)
        student.grade = 8
        await mine.commit()

        assert student.version == 3
    assert await rows(database, Student.grade) == [(8,)]


async def test_deletes_go_child_first(database: Database, sent: Sent) -> None:
    """Rows of all tables go, the root's last; a row of another class stays."""
    found = people()
    await stored(database, found)
    async with Session.begin(database) as session:
        graduate = await session.find(Graduate).one()
        teacher = await session.find(Teacher).one()
        sent.clear()
        session.delete(graduate)
        session.delete(teacher)
    tables = [text for text in sent.texts if text.startswith("DELETE")]

    assert [("h_people" in text) for text in tables] == [False] * (len(tables) - 1) + [True]
    async with Session(database) as session:
        assert await session.find(Person).count() == 4
        assert await session.find(Student).count() == 2
        assert await session.find(Employee).count() == 1
    assert state(graduate) is State.DETACHED or state(graduate) is State.DELETED


async def test_stale_delete(database: Database) -> None:
    """The root's version is checked on DELETE too, and what was deleted of the child comes back."""
    (key,) = await stored(database, [Graduate(name="g", grade=1, thesis="t")])
    async with Session(database) as session:
        graduate = await session.get_one(Graduate, key)
        async with Session.begin(database) as theirs:
            (await theirs.get_one(Person, key)).name = "t"
        session.delete(graduate)
        with pytest.raises(StaleObjectError):
            await session.commit()

        assert state(graduate) is State.DELETED
        await session.rollback()
    async with Session(database) as session:
        assert (await session.get_one(Person, key)).name == "t"


async def test_failed_flush_is_repeated(database: Database) -> None:
    """A flush that fails at a child's row leaves objects pending and without keys."""
    await stored(database, [Student(name="s", grade=1, number=7)])
    async with Session(database) as session:
        new = Student(name="n", grade=2, number=7)
        other = Person(name="p")
        session.add_all([other, new])
        for _ in range(2):
            with pytest.raises(Exception, match=r"(?i)unique|constraint"):
                await session.commit()

            assert new in session.new
            assert other in session.new
            assert new.id is None
            assert other.id is None
        new.number = 8
        await session.commit()

        assert new.version == 1
        assert new.doubled == 4
    assert await rows(database, Student.number) == [(7,), (8,)]


async def test_rollback_and_savepoint(database: Database) -> None:
    """Values of every table go back to what they were, and new objects become transient."""
    (key,) = await stored(database, [Student(name="s", grade=1, notes=["a"])])
    async with Session(database) as session:
        student = await session.get_one(Student, key)
        async with session.begin_nested() as savepoint:
            student.grade, student.name = 5, "t"
            student.notes.append("b")
            new = Graduate(name="g", grade=1, thesis="x")
            session.add(new)
            await session.flush()
            await savepoint.rollback()

        assert (student.grade, student.name, student.notes, student.version) == (1, "s", ["a"], 1)
        assert state(new) is State.TRANSIENT
        assert new.id is None
        with pytest.raises(NotLoadedError):
            _ = new.doubled
        student.grade = 6
        await session.flush()
        await session.rollback()

        assert (student.grade, student.version, student.doubled) == (1, 1, 2)
        student.notes.append("c")
        await session.commit()
    async with Session(database) as session:
        assert (await session.get_one(Student, key)).notes == ["a", "c"]


async def test_keys_made_in_python(database: Database, sent: Sent) -> None:
    """A key that is known goes to all tables; a column of both tables is written to both."""
    photo, part = Photo(title="p", width=3), Part(title="whole")
    piece = Part(title="piece", of_id=part.id)
    await stored(database, [piece, photo, part])

    assert await rows(database, Asset.title) == [("p",), ("piece",), ("whole",)]
    async with Session.begin(database) as session:
        (await session.get_one(Asset, piece.id)).title = "cut"
    async with Session(database) as session:
        assert (await session.get_one(Part, piece.id)).title == "cut"
        assert await session.find(Asset, Asset.title == "cut").count() == 1
        assert await session.find(Part, Part.title == "cut").count() == 1


async def test_composite_key(database: Database) -> None:
    """A key of several columns is handed down whole."""
    await stored(
        database,
        [City(country="no", no=1, name="oslo", people=7), Place(country="no", no=2, name="x")],
    )
    async with Session(database) as session:
        city = await session.get_one(Place, ("no", 1))

        assert type(city) is City
        city.people = 8
        await session.commit()
        assert await session.get(City, ("no", 2)) is None
        session.delete(city)
        await session.commit()
    assert await rows(database, Place.no) == [(2,)]


async def test_one_key_one_object(database: Database) -> None:
    """Two classes of a hierarchy share keys, so a second object with one is refused."""
    photo = Photo(title="p", width=3)
    await stored(database, [photo])
    async with Session(database) as session:
        await session.get_one(Photo, photo.id)
        with pytest.raises(ObjectStateError):
            session.add(Asset(id=photo.id, title="x"))


async def test_references_to_any_level(database: Database) -> None:
    """Foreign keys to a root and to a leaf decide the order of rows of all their tables."""
    guest, host = Student(name="s", grade=1), Teacher(name="t", subject="x")
    async with Session.begin(database) as session:
        session.add_all([host, guest])
        await session.flush()
        visit = Visit(guest_id=guest.id, host_id=host.id)
        session.add(visit)
        helper = Employee(name="e", boss_id=host.id)
        session.add(helper)
        await session.flush()
        for one in (host, visit, guest, helper):
            session.delete(one)
    assert await rows(database, Person.id) == []


async def test_single_table(database: Database, sent: Sent) -> None:
    """Classes of one table are one row each, with NULL where they have no field."""
    firm = Corporation(owner="c", tax="1", shares=9, extra=["x"])
    async with Session.begin(database) as session:
        session.add_all([Private(owner="p", age=4), firm, Account(owner="a")])
        await session.flush()
        assert firm.extra == ["x"]
        session.add(Corporation(owner="d", tax="2", shares=1, parent_id=firm.id))
    async with Session(database) as session:
        found = await session.find(Account).order_by(Account.owner).to_list()

        assert [type(one) for one in found] == [Account, Corporation, Corporation, Private]
        assert found[1] is not firm
        corporation: Any = found[1]
        assert (corporation.shares, corporation.extra, corporation.version) == (9, ["x"], 1)
        corporation.shares = 10
        await session.commit()
        assert corporation.version == 2
        assert [
            one.owner for one in await session.find(Business).order_by(Business.owner).to_list()
        ] == ["c", "d"]
        assert await session.find(Private).count() == 1
        assert await session.find(Account, Business.tax == "1").count() == 1
        session.delete(found[3])
        await session.commit()
        assert await session.find(Account).count() == 3


async def test_concrete(database: Database) -> None:
    """Each class has its table and its keys; a query for the base reads them all."""
    found = [
        Circle(label="c", radius=1),
        Square(label="s", side=2),
        Tile(label="t", side=3, colour="red"),
        Figure(label="f"),
    ]
    keys = await stored(database, found)

    assert keys == [1, 1, 1, 1]
    async with Session(database) as session:
        read = await session.find(Figure).order_by(Figure.label).to_list()

        assert [type(one) for one in read] == [Circle, Figure, Square, Tile]
        tile: Any = read[3]
        assert (tile.side, tile.colour) == (3, "red")
        assert await session.get(Tile, 1) is tile
        assert type(await session.get(Figure, 1)) is Figure
        assert [
            type(one) for one in await session.find(Square).order_by(Square.label).to_list()
        ] == [Square, Tile]
        assert await session.find(Figure, Figure.label > "c").count() == 3
        assert await session.find(Figure, Tile.colour == "red").to_list() == [tile]
        assert [type(o) for o in await session.find(Figure, with_children=False).to_list()] == [
            Figure
        ]
        assert await session.find(Figure).of_type(Square).count() == 2
        square: Any = tile
        square.side = 7
        await session.commit()
        with pytest.raises(QueryError, match="one table"):
            await session.find(Figure).for_update().to_list()
    assert await rows(database, Tile.side) == [(7,)]


# -- reading


async def test_objects_are_of_their_classes(database: Database) -> None:
    """A query for the root gives every object as what it is, with all its values."""
    await stored(database, people())
    async with Session(database) as session:
        found: list[Any] = await session.find(Person).order_by(Person.name).to_list()

        assert [type(one) for one in found] == [
            Employee,
            Graduate,
            Person,
            Student,
            Student,
            Teacher,
        ]
        assert (found[1].thesis, found[1].grade, found[1].doubled) == ("on trees", 4, 8)
        assert (found[3].tags, found[3].notes) == (["x"], ["late"])
        assert (found[5].subject, found[5].salary, found[5].room) == ("maths", 3, 12)


async def test_get_gives_what_it_is(database: Database) -> None:
    """`get` of any class above gives the object; of a class that it is not, None."""
    found = people()
    await stored(database, found)
    key = found[0].id
    for first in (Person, Student, Graduate):
        async with Session(database) as session:
            graduate = await session.get(first, key)

            assert type(graduate) is Graduate
            assert await session.get(Person, key) is graduate
            assert await session.get(Student, key) is graduate
            assert await session.get(Employee, key) is None
    async with Session(database) as session:
        assert await session.get(Employee, key) is None
        with pytest.raises(NotFoundError):
            await session.get_one(Teacher, key)
        assert type(await session.get(Person, key)) is Graduate


async def test_children_are_filtered(database: Database) -> None:
    """A query for a child gives it and those below it; conditions may name the root's columns."""
    await stored(database, people())
    async with Session(database) as session:
        query = session.find(Student).order_by(Student.grade)

        assert [one.name for one in await query.to_list()] == ["suse", "stan", "gina"]
        assert await query.count() == 3
        assert await session.find(Student, Person.name == "stan").count() == 1
        assert await session.find(Student, Person.name == "tom").exists() is False
        assert [type(one) for one in await query.with_children(False).to_list()] == [
            Student,
            Student,
        ]
        assert await query.with_children(False).count() == 2
        assert await session.find(Employee, with_children=False).count() == 1


async def test_filters_on_child_columns(database: Database) -> None:
    """From the root, conditions and orders may name columns of any class below."""
    await stored(database, people())
    async with Session(database) as session:
        found = await session.find(Person, Student.grade > 1).order_by(-Student.grade).to_list()

        assert [one.name for one in found] == ["gina", "stan"]
        query = session.find(Person, (Teacher.subject == "maths") | (Graduate.thesis == "on trees"))
        assert {one.name for one in await query.to_list()} == {"tom", "gina"}
        assert await query.count() == 2


async def test_of_type(database: Database) -> None:
    """`of_type` keeps some classes, those below them included."""
    await stored(database, people())
    async with Session(database) as session:
        query = session.find(Person).of_type(Student, Teacher).order_by(Person.name)

        assert [one.name for one in await query.to_list()] == ["gina", "stan", "suse", "tom"]
        assert await query.count() == 4
        assert await query.limit(2).count() == 2
        with pytest.raises(QueryError, match="Person is no class below Student"):
            session.find(Student).of_type(Person)


async def test_classes_told_by_tables(database: Database) -> None:
    """Without a discriminator the tables tell the class, however many children there are."""
    made = [VEHICLES[name](maker=name) for name in VEHICLES]
    await stored(database, [*made, Vehicle(maker="none")])
    async with Session(database) as session:
        found = await session.find(Vehicle).order_by(Vehicle.id).to_list()

        assert [type(one).__name__ for one in found] == [one.maker for one in found[:-1]] + [
            "Vehicle"
        ]
        exact = await session.find(Vehicle).with_children(False).to_list()
        assert [one.maker for one in exact] == ["none"]
        cars = session.find(Vehicle).of_type(VEHICLES["Car"])
        assert {one.maker for one in await cars.to_list()} == {"Car", "BigCar"}
        assert [one.maker for one in await cars.with_children(False).to_list()] == ["Car"]
        assert await session.find(VEHICLES["Bus"], with_children=False).count() == 1
        async with session.stream(session.find(Vehicle), batch_size=5) as stream:
            assert len([one async for one in stream]) == 13


async def test_two_prefixes_are_an_error(database: Database) -> None:
    """A row with rows in tables of two branches is an error that names the class and the tables."""
    (car,) = await stored(database, [VEHICLES["Car"](maker="m")])
    async with Session.begin(database) as session:
        await session.execute(sql("INSERT INTO h_bus (id, bus) VALUES ({id}, 1)", id=car))
    async with Session(database) as session:
        with pytest.raises(AmbiguousRowError, match=r"Vehicle.*h_car__, h_bus__"):
            await session.find(Vehicle).to_list()
        with pytest.raises(AmbiguousRowError):
            await session.get(Vehicle, car)


async def test_discriminator_says_otherwise(database: Database) -> None:
    """A discriminator that the tables contradict, or that nobody has, is an error."""
    (key,) = await stored(database, [Student(name="s", grade=1)])
    for value, message in (("teacher", "says Teacher"), ("dragon", "no class that is known")):
        async with Session.begin(database) as session:
            await session.execute(sql("UPDATE h_people SET kind = {kind}", kind=value))
        async with Session(database) as session:
            with pytest.raises(AmbiguousRowError, match=message):
                await session.find(Person).to_list()
            with pytest.raises(AmbiguousRowError, match=message):
                await session.get(Person, key)


async def test_loaded_objects_stay(database: Database) -> None:
    """A row whose object is there yields that object, changed or not; refresh reads it anew."""
    (key,) = await stored(database, [Student(name="s", grade=1)])
    async with Session(database) as session:
        student = await session.get_one(Student, key)
        student.grade = 9
        (again,) = await session.find(Person).to_list()

        assert again is student
        assert student.grade == 9
        await session.refresh(student)
        assert student.grade == 1
        session.expire(student)
        assert (await session.find(Person).one()) is student
        assert (student.grade, student.name) == (1, "s")


@pytest.mark.needs("two_connections")
async def test_locks_bring_up_to_date(database: Database) -> None:
    """`for_update` reads clean columns of all tables again, of whatever class the row is."""
    keys = await stored(database, [Student(name="s", grade=1), Teacher(name="t", subject="x")])
    async with Session(database) as session:
        student: Any = await session.get_one(Person, keys[0])
        async with Session.begin(database) as theirs:
            (await theirs.get_one(Student, keys[0])).grade = 5
        found: list[Any] = await session.find(Person).for_update().order_by(Person.id).to_list()

        assert found[0] is student
        assert student.grade == 5
        assert await session.get(Person, keys[1], for_update=True) is found[1]
        await session.commit()


@pytest.mark.needs("row_locks")
@pytest.mark.parametrize("how", ["find", "get", "page"])
async def test_locks_are_on_rows_of_classes_below(database: Database, how: str) -> None:
    """A lock of a polymorphic query holds in every table, and shows what is there under it."""
    car, ship = VEHICLES["Car"](maker="m", car=1), VEHICLES["Ship"](maker="n")
    big, plain = VEHICLES["BigCar"](maker="o", car=2), Vehicle(maker="p")
    keys = await stored(database, [car, ship, big, plain])

    async def locked(session: Session, **options: Any) -> list[Any]:
        query = session.find(Vehicle).order_by(Vehicle.id).for_update(**options)
        if how == "get":
            found = [await session.get(Vehicle, k, for_update=True, **options) for k in keys]
            return [one for one in found if one is not None]
        return await query.to_list() if how == "find" else (await query.page(9)).items

    async with Session(database) as one, Session(database) as other:
        before: Any = await one.get_one(Vehicle, keys[0])
        async with Session.begin(database) as theirs:
            (await theirs.get_one(VEHICLES["Car"], keys[0])).car = 7
        found = await locked(one)
        assert [type(each).__name__ for each in found] == ["Car", "Ship", "BigCar", "Vehicle"]
        assert (found[0], before.car) == (before, 7)
        for table, key in ("h_car", keys[0]), ("h_bigcar", keys[2]), ("h_ship", keys[1]):
            with pytest.raises(LockTimeoutError):
                text = f"SELECT id FROM {table} WHERE id = {{id}} FOR UPDATE NOWAIT"
                await other.execute(sql(text, id=key))
            await other.rollback()
        await one.rollback()
        await other.execute(sql("SELECT id FROM h_car WHERE id = {id} FOR UPDATE", id=keys[0]))
        if database.dialect.capabilities.lock_of:
            free = await locked(one, skip_locked=True)
            assert [(type(each), each.id) for each in free] == [
                (type(each), each.id) for each in found[1:]
            ]
        else:  # the row would be left out, and its object be of the class above
            with pytest.raises(QueryError, match=r"with_children\(False\)"):
                await locked(one, skip_locked=True)
        with pytest.raises(LockTimeoutError):
            await locked(one, nowait=True)
        await one.rollback()
        await other.rollback()


async def test_terminals(database: Database) -> None:
    """Limits, pages, aggregates, subqueries, joins and plans work as on plain tables."""
    found = people()
    await stored(database, found)
    async with Session(database) as session:
        query = session.find(Person).order_by(Person.name)

        assert [one.name for one in await query.limit(2).offset(1).to_list()] == ["gina", "pia"]
        page = await query.page(4)
        assert [one.name for one in page.items] == ["eve", "gina", "pia", "stan"]
        rest = await query.page(4, after=page.next)
        assert [type(one) for one in rest.items] == [Student, Teacher]
        by_grade = await session.find(Student).order_by(Student.grade).page(2)
        assert [one.name for one in by_grade.items] == ["suse", "stan"]
        assert await query.explain()
        sums = await session.execute(select(func.sum(Student.grade), func.count(Student.name)))
        assert tuple(sums[0]) == (7, 3)
        kinds = await session.execute(
            select(Person.kind, func.count()).group_by(Person.kind).order_by(Person.kind)
        )
        assert [tuple(one) for one in kinds] == [
            ("employee", 1), ("grad", 1), ("person", 1), ("student", 2), ("teacher", 1),
        ]  # fmt: skip
        rows_of = await session.find(Student).select(Student.name, Student.grade).to_list()
        assert sorted(tuple(one) for one in rows_of) == [("gina", 4), ("stan", 2), ("suse", 1)]
        bosses = session.find(Employee, Employee.salary > 4).select(Employee.id)
        assert [
            one.name for one in await session.find(Person, Person.id.in_(bosses)).to_list()
        ] == ["eve"]
        boss = aliased(Employee)
        eve = await session.find(Employee, Employee.name == "eve").one()
        tom = await session.find(Teacher).one()
        tom.boss_id = eve.id
        await session.flush()
        joined = (
            session.find(Employee)
            .join(boss, Employee.boss_id == boss.id)
            .filter(boss.name == "eve")
        )
        assert [one.name for one in await joined.to_list()] == ["tom"]
        assert [one.name async for one in query.limit(3)] == ["eve", "gina", "pia"]
        union = session.find(Person, Person.name == "pia").union(
            session.find(Person, Student.grade == 4)
        )
        assert [one.name for one in await union.order_by(Person.name).to_list()] == ["gina", "pia"]
        await session.rollback()


async def test_outer_join_of_a_child(database: Database) -> None:
    """A class of several tables is joined as one; rows without a match stay."""
    found = people()
    await stored(database, found)
    async with Session.begin(database) as session:
        guest, host = found[1], found[2]
        session.add(Visit(guest_id=guest.id, host_id=host.id))
        await session.flush()
        teacher = aliased(Teacher)
        query = (
            session.find(Person)
            .join(Visit, Visit.guest_id == Person.id, outer=True)
            .join(teacher, Visit.host_id == teacher.id, outer=True)
            .select(Person.name, teacher.name.label("host"), teacher.subject)
            .order_by(Person.name)
        )
        names = [tuple(one) for one in await query.to_list()]

        assert names[:3] == [("eve", None, None), ("gina", None, None), ("pia", "tom", "maths")]
        assert len(names) == 6


async def test_merge_and_copies(database: Database) -> None:
    """An object merged into a session is matched by its key, whatever level it is asked at."""
    (key,) = await stored(database, [Student(name="s", grade=1)])
    async with Session(database) as session:
        outside = await session.get_one(Person, key)
    outside.name = "new"
    async with Session.begin(database) as session:
        merged = await session.merge(outside)

        assert type(merged) is Student
        assert merged is not outside
        assert merged.name == "new"
    assert await rows(database, Person.name) == [("new",)]


async def test_delete_and_insert_of_one_key(database: Database) -> None:
    """An object may give its key to one of another class of the hierarchy in one flush."""
    photo = Photo(title="p", width=3)
    await stored(database, [photo])
    async with Session.begin(database) as session:
        session.delete(await session.get_one(Asset, photo.id))
        session.add(Part(id=photo.id, title="q"))
    async with Session(database) as session:
        assert type(await session.get_one(Asset, photo.id)) is Part


async def test_many_objects_of_several_classes(database: Database) -> None:
    """Batches that go by arrays or COPY hand their keys down in the order of the objects."""
    found: list[Any] = []
    for number in range(700):
        found.append(Student(name=f"s{number}", grade=number))
        found.append(Graduate(name=f"g{number}", grade=number, thesis=f"t{number}"))
    await stored(database, found)
    async with Session(database) as session:
        read: list[Any] = await session.find(Student).order_by(Student.id).to_list()

        assert [(type(o), o.id, o.name, o.grade) for o in read] == [
            (type(o), o.id, o.name, o.grade) for o in found
        ]
        assert {one.thesis for one in read if type(one) is Graduate} == {
            f"t{number}" for number in range(700)
        }
        for one in read:
            one.grade += 1
            one.name += "!"
        await session.commit()
        for one in read[:600]:
            session.delete(one)
        await session.commit()
    assert len(await rows(database, Person.id)) == 800
    assert len(await rows(database, Graduate.id)) == 400
    assert {one.version for one in read[600:]} == {2}


async def test_promised_keys(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new row may wait for the key of a new object of a hierarchy, whichever class it names."""
    boss, worker = Teacher(name="boss", subject="x"), Employee(name="worker")
    guest = Graduate(name="guest", grade=1, thesis="t")
    visit = Visit(guest_id=-1, host_id=-1)

    def planned(ledger: Any, codecs: Any, **_: Any) -> Any:
        late = LateKeys()
        for child, name, parent in (
            (worker, "boss_id", boss),
            (visit, "guest_id", guest),
            (visit, "host_id", boss),
        ):
            own = mapper_of(child).by_attribute[name]
            late.promise(child, own, parent, mapper_of(parent).by_attribute["id"])
        return make_plan(ledger, codecs, late)

    monkeypatch.setattr("uow.session.unit.make_plan", planned)
    async with Session(database) as session:
        session.add_all([visit, worker, guest, boss])
        await session.flush()

        assert (visit.guest_id, visit.host_id) == (guest.id, boss.id)
        assert worker.boss_id == boss.id
        await session.rollback()
        assert {one.id for one in (boss, guest, worker)} == {None}
    monkeypatch.undo()
    async with Session.begin(database) as session:
        for one in (visit, worker, guest, boss):
            assert state(one) is State.TRANSIENT
    assert await rows(database, Visit.id) == []


async def test_names_of_classes_below(database: Database) -> None:
    """An alias names columns of classes below, and yields objects of every class."""
    await stored(database, people())
    async with Session(database) as session:
        other = aliased(Person)
        grade: Any = getattr(other, "grade")  # noqa: B009 - a class below has it
        found = await session.find(other, grade > 1).order_by(other.name).to_list()

        assert [type(one) for one in found] == [Graduate, Student]
        pairs = (
            session.find(Person)
            .join(other, (Person.name < other.name) & (Student.grade > grade))
            .select(Person.name, other.name.label("than"))
        )
        assert sorted(tuple(one) for one in await pairs.to_list()) == [
            ("gina", "stan"), ("gina", "suse"), ("stan", "suse"),
        ]  # fmt: skip
        graded = session.find(Student, Student.grade > 1).cte("graded")
        names = select(graded.c.name).order_by(graded.c.name)
        assert [one.name for one in await session.execute(names)] == ["gina", "stan"]
        with pytest.raises(QueryError, match="of which class below Person"):
            aliased(Person, session.find(Person).cte("everybody"))


async def test_hooks_hear_of_objects(database: Database) -> None:
    """An object in several tables is told of once, whichever of them were written."""
    heard: list[tuple[str, str]] = []
    async with Session(database) as session:
        for event in ("after_insert", "after_update", "after_delete"):
            session.on(event, lambda _, one, event=event: heard.append((event, one.name)))
        graduate = Graduate(name="g", grade=1, thesis="t")
        session.add(graduate)
        await session.commit()
        graduate.thesis, graduate.grade, graduate.name = "u", 2, "h"
        await session.commit()
        session.delete(graduate)
        await session.commit()

    assert heard == [("after_insert", "g"), ("after_update", "h"), ("after_delete", "h")]


@pytest.mark.needs("two_connections")
async def test_row_that_changed_its_class(database: Database) -> None:
    """An object stays what it is, though its key has become one of another class."""
    photo = Photo(title="p", width=3)
    await stored(database, [photo])
    async with Session(database) as session:
        mine = await session.get_one(Photo, photo.id)
        async with Session.begin(database) as theirs:
            theirs.delete(await theirs.get_one(Photo, photo.id))
            theirs.add(Part(id=photo.id, title="q"))
        (found,) = await session.find(Asset).for_update().to_list()

        assert found is mine
        assert (mine.title, mine.width) == ("p", 3)
        await session.rollback()
