"""Random hierarchies: whatever is stored, changed and deleted is read back as what it is (R3)."""

from __future__ import annotations

from typing import Any

import anyio
import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uow import Column, Database, Mapped, Registry, Session, Table, delete, update

KINDS = ("joined", "told", "single", "concrete")
"""`told` is joined with a discriminator."""


@attrs.frozen
class Plan:
    """A hierarchy and what is done with its objects.

    Attributes:
        kind: how it is kept.
        parents: for each class but the root the number of its parent, which comes before it.
        fields: for each class how many fields it adds.
        objects: for each object the number of its class.
        changed: numbers of objects and of fields that are set.
        deleted: numbers of objects.
        versioned: whether the root has a version.
    """

    kind: str
    parents: list[int]
    fields: list[int]
    objects: list[int]
    changed: list[tuple[int, int]]
    deleted: set[int]
    versioned: bool


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Up to seven classes, and a dozen objects."""
    count = draw(st.integers(1, 7))
    classes = st.integers(0, count - 1)
    objects = draw(st.lists(classes, min_size=1, max_size=12))
    numbers = st.integers(0, len(objects) - 1)
    return Plan(
        draw(st.sampled_from(KINDS)),
        [draw(st.integers(0, number)) for number in range(count - 1)],
        [draw(st.integers(0, 2)) for _ in range(count)],
        objects,
        draw(st.lists(st.tuples(numbers, st.integers(0, 9)), max_size=8)),
        draw(st.sets(numbers, max_size=4)),
        draw(st.booleans()),
    )


def classes_of(plan: Plan) -> list[Any]:
    """Define the classes."""
    made: list[Any] = []
    for number, count in enumerate(plan.fields):
        own: dict[str, Any] = {f"f{number}_{n}": n for n in range(count)}
        hints: dict[str, Any] = dict.fromkeys(own, int)
        says: dict[str, Any] = {"name": f"t{number}"}
        bases: tuple[Any, ...] = (Table,)
        if number == 0:
            says["registry"] = Registry()
            says["inheritance"] = "joined" if plan.kind == "told" else plan.kind
            if plan.kind in {"told", "single"}:
                says["discriminator"] = "kind"
            hints = {"id": int, **hints}
            own["id"] = Column(primary_key=True, auto_increment=True)
            if plan.versioned:
                hints["version"], own["version"] = Mapped[int], Column(version=True)
        else:
            bases = (made[plan.parents[number - 1]],)
        body = {
            "__module__": __name__,
            "__qualname__": f"C{number}",
            "__annotations__": hints,
            "Settings": type("Settings", (), says),
            **own,
        }
        made.append(type(bases[0])(f"C{number}", bases, body))
    return made


def values_of(obj: Any) -> dict[str, Any]:
    """The fields that classes add, and the class."""
    names = [name for name in type(obj)._uow_mapper.by_attribute if name.startswith("f")]
    return {"class": type(obj).__name__, **{name: getattr(obj, name) for name in names}}


async def read(database: Database, model: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Every object of a class and those below it, as a session of its own reads it."""
    async with Session(database) as session:
        found = await session.find(model).to_list()
        for obj in found:
            assert await session.get(type(obj), obj.id) is obj
        assert await session.find(model).count() == len(found)
        return sorted([((type(o).__name__, o.id), values_of(o)) for o in found], key=str)


async def run(plan: Plan) -> None:
    """Do it, and compare what is read with what is known."""
    classes = classes_of(plan)
    async with Database("sqlite://") as database:
        await database.create_all(classes[:1])
        objects = [classes[number]() for number in plan.objects]
        async with Session.begin(database) as session:
            session.add_all(objects)
        known = {(type(o).__name__, o.id): values_of(o) for o in objects}

        def expected(model: Any) -> list[tuple[Any, dict[str, Any]]]:
            below = {one.__name__ for one in classes if issubclass(one, model)}
            return sorted([pair for pair in known.items() if pair[0][0] in below], key=str)

        async with Session.begin(database) as session:
            loaded = [await session.get_one(type(one), one.id) for one in objects]
            for number, field in plan.changed:
                obj = loaded[number]
                names = [name for name in values_of(obj) if name != "class"]
                if names:
                    setattr(obj, names[field % len(names)], 100 + number)
            for obj in loaded:
                known[type(obj).__name__, obj.id] = values_of(obj)
            await session.flush()
            for number in plan.deleted:
                del known[type(loaded[number]).__name__, loaded[number].id]
                session.delete(loaded[number])
        for model in classes:
            assert await read(database, model) == expected(model)

        for model in [] if plan.kind == "concrete" else classes:
            names = [n for n in model._uow_mapper.by_attribute if n.startswith("f")]
            if not names:
                continue
            async with Session.begin(database) as session:
                count = await session.execute(update(model).set(dict.fromkeys(names, 7)).all())
            assert count == len(expected(model))
            for key, values in expected(model):
                known[key] = {**values, **dict.fromkeys(names, 7)}
        assert await read(database, classes[0]) == expected(classes[0])
        last = classes[-1]
        async with Session.begin(database) as session:
            count = await session.execute(delete(last).all())
        assert count == len(expected(last))
        for key, _ in expected(last):
            del known[key]
        assert await read(database, classes[0]) == expected(classes[0])


@pytest.mark.parametrize("backend", ["asyncio"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=plans())
def test_random_hierarchies(plan: Plan, backend: str) -> None:
    """Each kind, any shape: objects come back as what they are, whatever class is asked for."""
    anyio.run(run, plan, backend=backend)
