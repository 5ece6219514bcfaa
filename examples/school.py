"""A school: people in joined tables, three levels deep, and what refers to them.

Everybody has a row in `people`; a student has one in `students` too, and a graduate one more.
Lessons refer to teachers and to rooms, which are a hierarchy of their own. A query for people gives
each as what it is, and a change of one column writes the one table that has it.

    python examples/school.py [URL of a database]
"""

from __future__ import annotations

import asyncio
import sys

from uow import Column, Database, Mapped, Session, Table, delete, select, update


class Person(Table):
    """Anybody; the column `kind` says what."""

    class Settings:
        name = "people"
        inheritance = "joined"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    kind: Mapped[str] = Column(discriminator=True, max_length=20)
    name: Mapped[str] = Column(max_length=50)
    version: Mapped[int] = Column(version=True)


class Student(Person):
    """Who learns."""

    class Settings:
        name = "students"

    year: Mapped[int]


class Graduate(Student):
    """Who has learnt."""

    class Settings:
        name = "graduates"

    thesis: Mapped[str] = Column(max_length=100)


class Employee(Person):
    """Who is paid."""

    class Settings:
        name = "employees"

    salary: Mapped[int]


class Teacher(Employee):
    """Who is paid to teach."""

    class Settings:
        name = "teachers"

    subject: Mapped[str] = Column(max_length=50)


class Room(Table):
    """A place; its class is told by the tables that have a row of it."""

    class Settings:
        name = "rooms"
        inheritance = "joined"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    door: Mapped[str] = Column(max_length=10)


class Classroom(Room):
    """A place to sit."""

    class Settings:
        name = "classrooms"

    seats: Mapped[int]


class Laboratory(Classroom):
    """A place with water and gas."""

    class Settings:
        name = "laboratories"

    sinks: Mapped[int]


class Lesson(Table):
    """Somebody who teaches, somewhere to sit: neither a student nor a corridor will do."""

    class Settings:
        name = "lessons"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    teacher_id: Mapped[int] = Column(foreign_key=Teacher.id)
    room_id: Mapped[int] = Column(foreign_key=Classroom.id)


async def open_school(db: Database) -> None:
    """Store people, rooms and two lessons."""
    marie = Teacher(name="Marie", salary=40, subject="chemistry")
    emmy = Teacher(name="Emmy", salary=50, subject="algebra")
    laboratory = Laboratory(door="B 1", seats=12, sinks=6)
    async with Session.begin(db) as session:
        session.add_all(
            [
                Student(name="Ada", year=1),
                Graduate(name="Sofja", year=4, thesis="On tops"),
                marie,
                emmy,
                Employee(name="Hugo", salary=30),
                laboratory,
                Classroom(door="A 1", seats=30),
                Room(door="corridor"),
            ]
        )
        await session.flush()
        for teacher in (marie, emmy):
            session.add(Lesson(teacher_id=teacher.id, room_id=laboratory.id))


async def main(url: str) -> None:
    """Open the school, look at it, and close half of it."""
    async with Database(url) as db:
        await db.create_all([Person, Room, Lesson])
        await open_school(db)

        async with Session.begin(db) as session:
            for person in await session.find(Person).order_by(Person.name).to_list():
                print(f"{person.name}: {type(person).__name__.lower()}")
            learning = session.find(Student).order_by(Student.name)
            print([f"{one.name}, year {one.year}" for one in await learning.to_list()])
            print(
                await session.find(Person, Teacher.subject == "algebra").count(), "teaches algebra"
            )
            rooms = await session.find(Room).of_type(Classroom).order_by(Room.door).to_list()
            print([type(room).__name__ for room in rooms])

            ada = await session.find(Student, Person.name == "Ada").one()
            ada.year += 1  # writes `students`, and raises the version in `people`

        async with Session.begin(db) as session:
            raised = update(Employee).set({Employee.salary: Employee.salary + 5})
            print(await session.execute(raised.where(Person.name != "Hugo")), "are paid more")
            places = (
                select(Person.name, Laboratory.sinks)
                .join(Lesson, Lesson.teacher_id == Person.id)
                .join(Laboratory, Lesson.room_id == Laboratory.id)
            )
            print(sorted(tuple(row) for row in await session.execute(places)))
            print(await session.execute(delete(Student).where(Student.year > 3)), "has left")
            print(await session.find(Person).count(), "are left")

        async with Session(db) as session:
            ada = await session.find(Student).one()
            emmy = await session.find(Teacher, Teacher.name == "Emmy").one()

            assert (ada.year, ada.version, emmy.salary) == (2, 2, 55)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "sqlite://"))
