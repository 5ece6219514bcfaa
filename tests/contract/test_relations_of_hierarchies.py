"""Relations of classes that inherit from each other: each kind, at every level (R2, R3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.sent import Sent
from uow import (
    Column,
    ConstraintError,
    Database,
    Mapped,
    MappingError,
    QueryError,
    Registry,
    Related,
    RelatedList,
    RelationPath,
    Session,
    State,
    Table,
    ValidationError,
    joined,
    related,
    state,
)

pytestmark = [pytest.mark.anyio, pytest.mark.needs("table_classes")]


def classes(kind: str) -> Any:
    """A firm with people, of whom students are at a school and know courses."""
    registry_ = Registry()
    is_told = kind != "concrete"

    class Firm(Table):
        class Settings:
            name = "rh_firms"
            registry = registry_

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        name: Mapped[str]
        people: RelatedList[Person] = related(default=None, back="firm", order_by="name")

    class Person(Table):
        class Settings:
            name = "rh_people"
            registry = registry_
            inheritance = kind
            discriminator = "kind" if is_told else None

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        name: Mapped[str]
        firm_id: Mapped[int] = Column(foreign_key="rh_firms.id")
        firm: Related[Firm] = related(default=None)

    class School(Table):
        class Settings:
            name = "rh_schools"
            registry = registry_

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        students: RelatedList[Student] = related(default=None, back="school")

    class Student(Person):
        class Settings:
            name = "rh_people" if kind == "single" else "students"

        school_id: Mapped[int | None] = Column(default=None, foreign_key="rh_schools.id")
        school: Related[School | None] = related(default=None)
        courses: RelatedList[Course] = related(
            default=None, through="rh_attendance", back="students"
        )

    class Course(Table):
        class Settings:
            name = "rh_courses"
            registry = registry_

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        students: RelatedList[Student] = related(default=None, through="rh_attendance")

    return Firm, Person, School, Student, Course


@pytest.mark.parametrize("kind", ["joined", "single", "concrete"])
async def test_relations_of_root_and_child(database: Database, kind: str) -> None:
    """One flush stores them, keys of the store included; they are loaded as what they are."""
    Firm, Person, School, Student, Course = classes(kind)  # noqa: N806
    await database.create_all([Firm, Person, School, Student, Course])
    async with Session.begin(database) as session:
        firm, school, course = Firm(name="f"), School(), Course()
        ada = Student(name="ada", firm=firm, school=school, courses=[course])
        pia = Person(name="pia", firm=firm)
        session.add(firm)
    assert (ada.firm_id, ada.school_id, pia.firm_id) == (firm.id, school.id, firm.id)

    ways = [Firm.people] if kind == "concrete" else [Firm.people, joined(Firm.people)]
    for path in ways:
        async with Session(database) as session:
            (found,) = await session.find(Firm).load(path).to_list()
            assert [(type(one), one.name) for one in found.people] == [
                (Student, "ada"),
                (Person, "pia"),
            ]
            assert found.people[0].firm is found
    async with Session(database) as session:
        people = session.find(Student, Student.firm.has(Firm.name == "f"))
        (one,) = await people.load(Student.firm, joined(Student.school), Student.courses).to_list()
        assert one.firm.name == "f"
        assert len(one.courses) == 1
        await session.load(one.school, School.students)
        assert one.school.students == [one]
        assert await session.find(School, School.students.any(Student.name == "ada")).count() == 1
        assert await session.count_related([one.school], School.students) == [1]
        one.school = None
        one.firm = Firm(name="g")
        one.courses.clear()
        await session.commit()
        assert one.school_id is None
        assert one.firm_id == one.firm.id
    async with Session(database) as session:
        (one,) = await session.find(Student).load(Student.firm, Student.courses).to_list()
        assert (one.firm.name, one.courses) == ("g", [])


@pytest.mark.parametrize("kind", ["concrete"])
async def test_rows_of_several_tables_are_not_joined(
    database: Database, sent: Sent, kind: str
) -> None:
    """What has no one table to join says so, and what to write, before anything is sent."""
    Firm, Person, School, Student, Course = classes(kind)  # noqa: N806
    await database.create_all([Firm, Person, School, Student, Course])
    async with Session(database) as session:
        sent.clear()
        with pytest.raises(QueryError, match=r"load\(Firm\.people\), without joined"):
            await session.find(Firm).load(joined(Firm.people)).to_list()
        with pytest.raises(QueryError, match="several tables"):
            await session.find(Person).load(joined(Person.firm)).to_list()
        assert not sent
        plain = session.find(Person).with_children(False).load(joined(Person.firm))
        assert await plain.to_list() == []
        assert sent.words == ["SELECT"]


def test_relation_declared_twice_is_refused() -> None:
    """A class below may not declare a relation of its parent again."""
    parent: Any = classes("joined")[1]
    with pytest.raises(MappingError, match="is a relation of Person already"):

        class Again(parent):  # type: ignore[misc]
            class Settings:
                name = "again"

            firm: Related[Any] = related(default=None)


# -- three levels, with relations between them


def family(kind: str) -> Any:
    """Firms with people of three levels, each with relations of its own."""
    own = kind == "joined"
    registry_ = Registry()

    class Base(Table):
        class Settings:
            abstract = True
            registry = registry_

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)

    class Firm(Base):
        class Settings:
            name = "rf_firms"

        name: Mapped[str] = Column(max_length=20)
        people: RelatedList[Person] = related(
            default=None, back="firm", order_by="name", cascade="all, delete-orphan"
        )
        students: RelatedList[Student] = related(default=None, back="sponsor", via="sponsor_id")

    class Person(Base):
        class Settings:
            name = "rf_people"
            inheritance = kind
            discriminator = "kind"

        name: Mapped[str] = Column(max_length=20)
        firm_id: Mapped[int | None] = Column(foreign_key="rf_firms.id", default=None)
        mentor_id: Mapped[int | None] = Column(foreign_key=lambda: Person.id, default=None)
        firm: Related[Firm | None] = related(default=None, via="firm_id")
        mentor: Related[Person | None] = related(default=None, back="pupils", via="mentor_id")
        pupils: RelatedList[Person] = related(default=None, order_by="name")
        tags: RelatedList[Tag] = related(
            default=None, through="rf_person_tags", back="people", order_by="name"
        )

    class Student(Person):
        class Settings:
            name = "rf_students" if own else "rf_people"

        grade: Mapped[int] = Column(default=0)
        sponsor_id: Mapped[int | None] = Column(foreign_key="rf_firms.id", default=None)
        sponsor: Related[Firm | None] = related(default=None, via="sponsor_id")
        notes: RelatedList[Note] = related(
            default=None, back="student", cascade="all, delete-orphan", order_by="text"
        )

    class Grad(Student):
        class Settings:
            name = "rf_grads" if own else "rf_people"

        teacher_id: Mapped[int | None] = Column(foreign_key=lambda: Teacher.id, default=None)
        teacher: Related[Teacher | None] = related(default=None, back="grads", via="teacher_id")

    class Teacher(Person):
        class Settings:
            name = "rf_teachers" if own else "rf_people"

        subject: Mapped[str] = Column(max_length=20, default="x")
        grads: RelatedList[Grad] = related(default=None, order_by="name")
        desk: Related[Desk | None] = related(
            default=None, back="teacher", cascade="all, delete-orphan"
        )

    class Desk(Base):
        class Settings:
            name = "rf_desks"

        no: Mapped[int] = Column(default=0, unique=True)
        teacher_id: Mapped[int | None] = Column(
            foreign_key=lambda: Teacher.id, default=None, unique=True
        )
        teacher: Related[Teacher | None] = related(default=None)

    class Note(Base):
        class Settings:
            name = "rf_notes"

        text: Mapped[str] = Column(max_length=20)
        student_id: Mapped[int] = Column(foreign_key=lambda: Student.id, default=None)
        student: Related[Student] = related(default=None)

    class Tag(Base):
        class Settings:
            name = "rf_tags"

        name: Mapped[str] = Column(max_length=20)
        people: RelatedList[Person] = related(
            default=None, through="rf_person_tags", order_by="name"
        )

    return Firm, Person, Student, Grad, Teacher, Desk, Note, Tag


def world(classes: Any) -> list[Any]:
    """New objects of all the classes, related at every level."""
    Firm, Person, Student, Grad, Teacher, Desk, Note, Tag = classes  # noqa: N806
    f, g = Firm(name="f"), Firm(name="g")
    x, y = Tag(name="x"), Tag(name="y")
    t = Teacher(name="t", firm=f, subject="m", desk=Desk(no=1))
    p = Person(name="p", firm=f, tags=[x])
    s = Student(name="s", firm=f, sponsor=g, grade=3, mentor=t, tags=[x, y])
    s.notes = [Note(text="n1"), Note(text="n2")]
    d = Grad(name="d", firm=g, sponsor=f, grade=5, mentor=s, teacher=t, tags=[y])
    d.notes.append(Note(text="n3"))
    return [f, g, t, p, s, d]


async def filled(database: Database, kind: str) -> Any:
    """Make the tables and store objects."""
    found = family(kind)
    await database.create_all(list(found))
    async with Session.begin(database) as session:
        session.add_all(world(found))
    return found


def dump(found: Any, path: RelationPath[Any]) -> Any:
    """What a path leads to from an object, by class and name or text."""
    held = [found]
    for step in path._uow_steps:
        inner = [one for one in held if isinstance(one, step.relation.mapper.class_)]
        values = [getattr(one, step.relation.name) for one in inner]
        held = [one for v in values for one in (v if step.relation.many else [v] if v else [])]
    return list(dict.fromkeys((type(one).__name__, one.id) for one in held))


@pytest.mark.parametrize("kind", ["joined", "single"])
async def test_relations_at_every_level(database: Database, kind: str) -> None:
    """A query for the base loads what only some of its objects have, at any depth."""
    Firm, Person, Student, Grad, Teacher, _, Note, Tag = await filled(  # noqa: N806
        database, kind
    )
    async with Session(database) as session:
        firms = session.find(Firm).order_by(Firm.name)
        f, g = await firms.load(Firm.people.tags, Firm.people.notes, Firm.students.notes).to_list()
        assert [(type(p), p.name, [t.name for t in p.tags]) for p in f.people] == [
            (Person, "p", ["x"]),
            (Student, "s", ["x", "y"]),
            (Teacher, "t", []),
        ]
        assert [[n.text for n in one.notes] for one in g.students] == [["n1", "n2"]]
        assert f.students[0].notes[0].student is f.students[0]
        people = [*f.people, *g.people]
        await session.load(people, Student.notes, Grad.teacher, Teacher.desk, Teacher.grads)
        teacher = f.people[2]
        assert teacher.desk.teacher is teacher
        assert teacher.grads[0].teacher is teacher
        assert await session.count_related(people, Student.notes) == [0, 2, 0, 1]
        assert await session.count_related(people, Person.tags) == [1, 2, 0, 1]
        with pytest.raises(QueryError, match=r"Student\.notes is no relation of Teacher"):
            await session.load(teacher, Student.notes)
        with pytest.raises(QueryError, match=r"Teacher\.desk is no relation of Student"):
            await session.find(Student).load(Teacher.desk).to_list()
        with pytest.raises(QueryError, match=r"Student\.notes is no relation of Firm"):
            await session.load([f, *people], Student.notes)
    async with Session(database) as session:
        found = await (
            session.find(Person)
            .order_by(Person.name)
            .load(Student.notes, Grad.teacher.desk, Person.pupils.order_by(-Person.name))
            .load(Person.firm.people.where(Person.name != "p").limit(1))
            .to_list()
        )
        assert [p.name for p in found] == ["d", "p", "s", "t"]
        assert found[0].teacher.desk.teacher_id == found[3].id
        assert [p.name for p in found[1].firm.people] == ["s"]
        assert [[c.name for c in p.pupils] for p in found] == [[], [], ["d"], ["s"]]
        assert await session.find(Person, Student.notes.any(Note.text == "n3")).count() == 1
        assert await session.find(Firm, Firm.people.any(Student.grade > 3)).count() == 1
        assert await session.find(Tag, Tag.people.any(Student.grade > 3)).count() == 1
        query = session.find(Person, Person.pupils.count() > 0).order_by(Person.name)
        assert await query.select(Person.name).values() == ["s", "t"]


@pytest.mark.parametrize("kind", ["joined", "single"])
async def test_joined_over_hierarchies(database: Database, sent: Sent, kind: str) -> None:
    """`joined` reads classes of a hierarchy in one statement, and gives what select-in gives."""
    Firm, Person, Student, Grad, Teacher, Desk, Note, Tag = await filled(  # noqa: N806
        database, kind
    )
    paths: list[tuple[Any, Any, int]] = [
        (Firm, joined(Firm.people), 1),
        (Firm, joined(Firm.students), 1),
        (Person, joined(Person.firm), 1),
        (Person, joined(Person.mentor), 1),
        (Person, joined(Person.pupils), 1),
        (Person, joined(Student.sponsor), 1),
        (Person, joined(Student.notes), 1),
        (Person, joined(Teacher.desk), 1),
        (Person, joined(Person.tags), 1),
        (Student, joined(Student.mentor), 1),
        (Student, joined(joined(Student.sponsor).people), 1),
        (Grad, joined(joined(Grad.teacher).desk), 1),
        (Note, joined(joined(Note.student).sponsor), 1),
        (Tag, joined(Tag.people), 1),
        (Desk, joined(joined(Desk.teacher).grads), 1),
        (Firm, joined(Firm.people.tags), 2),
        (Firm, joined(Firm.people.notes), 2),
        (Firm, joined(joined(Firm.people.mentor).firm), 2),
        (Tag, joined(joined(Tag.people.firm).students), 2),
        (Tag, joined(Tag.people.pupils), 2),
        (Note, joined(Note.student.tags), 2),
    ]
    for class_, path, number in paths:
        plain: Any = RelationPath(tuple([type(step)(step.relation) for step in path._uow_steps]))
        async with Session(database) as session:
            wanted = await session.find(class_).order_by(class_.id).load(plain).to_list()
            expected = [dump(one, path) for one in wanted]
        async with Session(database) as session:
            sent.clear()
            found = await session.find(class_).order_by(class_.id).load(path).to_list()
            assert sent.words == ["SELECT"] * number, path
            assert [(type(o), o.id) for o in found] == [(type(o), o.id) for o in wanted]
            assert [sorted(dump(one, path)) for one in found] == [sorted(e) for e in expected], path
            assert any(expected), path
        async with Session(database) as session:
            query = session.find(class_).order_by(-class_.id).load(path)
            page = await query.page(1)
            assert page.items[0].id == wanted[-1].id
            assert sorted(dump(page.items[0], path)) == sorted(expected[-1]), path
        async with Session(database) as session:
            query = session.find(class_).order_by(-class_.id).load(path).limit(1)
            for offset, (one, held) in enumerate(zip(wanted[::-1], expected[::-1], strict=True)):
                (found_one,) = await query.offset(offset).to_list()
                assert (found_one.id, sorted(dump(found_one, path))) == (one.id, sorted(held)), path
        async with Session(database) as session:
            number_ = len(path._uow_steps) if number == 1 else 1
            sent.clear()
            got = await session.get_one(class_, wanted[0].id, load=[path])
            assert sorted(dump(got, path)) == sorted(expected[0]), path
            assert number_ < 1 or sent.words.count("SELECT") <= number
        async with Session(database) as session:
            ((first, *_),) = await session.fan_out(session.find(class_).load(path))
            assert dump(first, path) is not None


async def test_joined_with_conditions_on_classes_below(database: Database, sent: Sent) -> None:
    """Filters of the query and of the path name columns of any level."""
    Firm, Person, Student, _, Teacher, *_ = await filled(database, "joined")  # noqa: N806
    async with Session(database) as session:
        path = joined(Firm.people.where(Student.grade > 0).order_by(-Student.grade))
        sent.clear()
        found = await session.find(Firm).order_by(Firm.name).load(path).to_list()
        assert sent.words == ["SELECT"]
        assert [[p.name for p in one.people] for one in found] == [["s"], ["d"]]
        await session.load(found, Firm.people)
        assert [[p.name for p in one.people] for one in found] == [["p", "s", "t"], ["d"]]
    async with Session(database) as session:
        query = session.find(Person, Student.grade > 0).load(joined(Person.firm))
        assert [p.firm.name for p in await query.order_by(-Student.grade).to_list()] == ["g", "f"]
        some = session.find(Person).of_type(Teacher).load(joined(Person.firm))
        assert [p.firm.name for p in await some.to_list()] == ["f"]
    async with Session(database) as session:
        query = (
            session.find(Student)
            .join(Firm, Student.sponsor_id == Firm.id)
            .filter(Firm.name == "g")
            .load(joined(Student.sponsor), joined(Student.firm))
        )
        sent.clear()
        (one,) = await query.limit(5).to_list()
        assert (one.sponsor.name, one.firm.name) == ("g", "f")
        assert sent.words == ["SELECT"]


async def test_what_cannot_be_joined_is_refused(database: Database, sent: Sent) -> None:
    """`joined` never falls back without a word: it is done, or an error says what to write."""
    Firm, Person, Student, *_ = await filled(database, "joined")  # noqa: N806
    async with Session(database) as session:
        (person, *_) = await session.find(Person).to_list()
        sent.clear()
        firms = session.find(Firm)
        cases: list[tuple[Any, str]] = [
            (firms.load(joined(Firm.people.limit(1))), "a limit for each owner"),
            (firms.for_update().load(joined(Firm.people)), "for_update"),
            (
                firms.join(Person, Person.firm_id == Firm.id).load(joined(Firm.people)),
                "joins of its own",
            ),
            (session.find(Person).distinct().load(joined(Person.tags)), "distinct"),
            (
                session.find(Person).load(joined(Person.pupils.where(Person.name == "x"))),
                "reads Person already",
            ),
            (
                session.find(Person).load(joined(Student.sponsor.where(Firm.name == "x"))),
                "where and limit are for lists",
            ),
            (
                firms.load(joined(Firm.people), Firm.people.order_by(Person.name)),
                "in two ways",
            ),
        ]
        for query, message in cases:
            with pytest.raises(QueryError, match=message):
                await query.to_list()
        with pytest.raises(QueryError, match=r"session\.load\(objects, Person\.firm\)"):
            await session.load(person, joined(Person.firm))
        with pytest.raises(QueryError, match="for_update"):
            await session.get(Person, 1, for_update=True, load=[joined(Person.firm)])
        assert not sent
        await session.load(person, joined(Person.firm.students))


async def test_a_relation_of_two_classes_below(database: Database) -> None:
    """Two classes may each have a relation of one name: both are loaded, or must be named."""
    registry_ = Registry()

    class Shop(Table):
        class Settings:
            name = "r2_shops"
            registry = registry_

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        goods: RelatedList[Good] = related(default=None, back="shop")

    class Good(Table):
        class Settings:
            name = "r2_goods"
            registry = registry_
            inheritance = "joined"

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        shop_id: Mapped[int] = Column(foreign_key="r2_shops.id", default=None)
        shop: Related[Shop] = related(default=None)

    class Book(Good):
        class Settings:
            name = "r2_books"

        parts: RelatedList[Chapter] = related(default=None, back="book")

    class Machine(Good):
        class Settings:
            name = "r2_machines"

        parts: RelatedList[Wheel] = related(default=None, back="machine")

    class Chapter(Table):
        class Settings:
            name = "r2_chapters"
            registry = registry_

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        book_id: Mapped[int] = Column(foreign_key="r2_books.id", default=None)
        book: Related[Book] = related(default=None)

    class Wheel(Table):
        class Settings:
            name = "r2_wheels"
            registry = registry_

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        machine_id: Mapped[int] = Column(foreign_key="r2_machines.id", default=None)
        machine: Related[Machine] = related(default=None)

    await database.create_all([Shop, Good, Book, Machine, Chapter, Wheel])
    async with Session.begin(database) as session:
        goods = [Book(parts=[Chapter()]), Machine(parts=[Wheel(), Wheel()])]
        session.add(Shop(goods=goods))
    async with Session(database) as session:
        query = session.find(Good).order_by(Good.id).load(Book.parts, Machine.parts)
        found: list[Any] = await query.to_list()
        assert [len(one.parts) for one in found] == [1, 2]
    async with Session(database) as session:
        with pytest.raises(QueryError, match=r"Book\.parts or Machine\.parts"):
            session.find(Shop).load(Shop.goods.parts)
        (shop,) = await session.find(Shop).load(Shop.goods).to_list()
        goods_: list[Any] = list(shop.goods)
        await session.load(goods_, Book.parts, Machine.parts)
        assert [len(one.parts) for one in goods_] == [1, 2]


@pytest.mark.parametrize("kind", ["joined", "single"])
async def test_limits_for_each_owner(database: Database, kind: str) -> None:
    """So many for each, of classes of several levels, by columns of any of them."""
    Firm, Person, Student, Grad, Teacher, _, _, Tag = family(kind)  # noqa: N806
    await database.create_all([Firm, Person, Student, Grad, Teacher, Tag])
    async with Session.begin(database) as session:
        tags = [Tag(name=f"t{n}") for n in range(4)]
        session.add_all(tags)
        for i in range(3):
            kinds = [Student, Teacher, Person, Grad]
            people = [kinds[j % 4](name=f"{i}{j}", tags=tags[j % 4 :]) for j in range(6)]
            session.add(Firm(name=f"f{i}", people=people))
    async with Session(database) as session:
        query = session.find(Firm).order_by(Firm.name)
        path = Firm.people.where(Person.name != "12").order_by(-Person.name).limit(2)
        found = await query.load(path.tags.order_by(-Tag.name).limit(1)).to_list()
        assert [[p.name for p in f.people] for f in found] == [
            ["05", "04"],
            ["15", "14"],
            ["25", "24"],
        ]
        assert {t.name for f in found for p in f.people for t in p.tags} == {"t3"}
        path = Firm.people.where(Student.grade == 0).order_by(Person.name).limit(3)
        found = await query.load(path).to_list()
        assert [p.name for p in found[1].people] == ["10", "13", "14"]
        all_tags = session.find(Tag).order_by(Tag.name)
        people = Tag.people.where(Student.grade == 0).order_by(-Person.name).limit(2)
        assert [[p.name for p in t.people] for t in await all_tags.load(people).to_list()] == [
            ["24", "20"],
            ["24", "20"],
            ["24", "20"],
            ["24", "23"],
        ]


@pytest.mark.parametrize("kind", ["joined", "single"])
async def test_cascades_over_levels(database: Database, kind: str) -> None:
    """What goes with a firm is deleted at every level; what only refers to it is set free."""
    Firm, Person, _, Grad, _, Desk, Note, _ = await filled(database, kind)  # noqa: N806
    async with Session(database) as session:
        session.delete(await session.find(Firm, Firm.name == "f").one())
        await session.commit()
    async with Session(database) as session:
        paths = (Grad.teacher, Grad.sponsor, Person.mentor, Grad.notes, Person.tags)
        d = await session.find(Grad).load(*paths).one()
        assert (d.teacher, d.sponsor, d.mentor) == (None, None, None)
        assert (len(d.notes), len(d.tags)) == (1, 1)
        assert await session.find(Person).count() == 1
        assert await session.find(Desk).count() == 0
        assert await session.find(Note).count() == 1


@pytest.mark.parametrize("kind", ["joined", "single"])
async def test_a_failed_flush_over_levels_is_tried_again(database: Database, kind: str) -> None:
    """Keys and sides are as before after each failure; the repaired work is stored whole."""
    found = family(kind)
    _, Person, _, _, Teacher, Desk, Note, _ = found  # noqa: N806
    await database.create_all(list(found))
    async with Session.begin(database) as session:
        session.add(Teacher(name="t1", desk=Desk(no=77)))
    async with Session(database) as session:
        objects = world(found)
        session.add_all(objects)
        teacher, grad = objects[2], objects[5]
        bad = teacher.desk = Desk(no=77)
        for _ in range(2):
            with pytest.raises(ConstraintError):
                await session.flush()
            assert (teacher.id, bad.teacher_id, grad.teacher_id) == (None, None, None)
            assert state(teacher) is State.PENDING
            assert grad.teacher is teacher
        teacher.desk = Desk(no=78)
        await session.commit()
        with pytest.raises(ValidationError, match="expected Student, got Person"):
            objects[0].students.append(objects[3])
    async with Session(database) as session:
        assert await session.find(Person).count() == 5
        assert await session.find(Note).count() == 3
        found_teacher = await session.find(Teacher, Person.name == "t").load(Teacher.desk).one()
        assert found_teacher.desk.no == 78
