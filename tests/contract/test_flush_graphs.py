"""Random rows with random references are stored in one flush whenever any order exists (U7).

A search over all orders, which knows nothing of how the flush finds its own, says whether one
exists: rows may be written in any order, references that may be NULL later or given up earlier, and
unique values parked before they pass on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any, Final, NamedTuple

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.contract.backends import Backend
from tests.contract.sent import Sent
from uow import (
    Column,
    Database,
    FlushCycleError,
    Mapped,
    Registry,
    Session,
    Table,
    delete,
    insert_many,
    update,
)

registry = Registry()


pytestmark = pytest.mark.needs("table_classes")


class Town(Table):
    """Refers to itself by a key that may be NULL, and to a land by one that may not."""

    class Settings:
        name = "graph_towns"
        registry = registry

    id: Mapped[int] = Column(primary_key=True)
    place: Mapped[int] = Column(unique=True)
    rank: Mapped[int | None] = Column(unique=True, default=None)
    near_id: Mapped[int | None] = Column(foreign_key="graph_towns.id", default=None)
    land_id: Mapped[int] = Column(foreign_key="graph_lands.id")
    version: Mapped[int] = Column(version=True)


class Land(Table):
    """Refers to itself by a key that may not be NULL, and back to a town by one that may."""

    class Settings:
        name = "graph_lands"
        registry = registry

    id: Mapped[int] = Column(primary_key=True)
    code: Mapped[str] = Column(unique=True, max_length=8)
    union_id: Mapped[int] = Column(foreign_key="graph_lands.id")
    town_id: Mapped[int | None] = Column(foreign_key="graph_towns.id", default=None)


MODELS: Final[tuple[type[Town | Land], ...]] = (Town, Land)

Key = tuple[str, int]
Row = dict[str, Any]
State = dict[Key, Row]
"""The rows of both tables, by the class's name and key."""

REFERENCES: Final = {
    "Town": {"near_id": "Town", "land_id": "Land"},
    "Land": {"union_id": "Land", "town_id": "Town"},
}
NULLABLE: Final = {"Town": {"near_id"}, "Land": {"town_id"}}
UNIQUE: Final = {"Town": ("place", "rank"), "Land": ("code",)}
STAYS: Final = 99
"""The key of a land that no change is about."""
FIRST_TOWNS: Final = range(1, 5)
FIRST_LANDS: Final = range(1, 4)


# -- what is right


def is_valid(state: Mapping[Key, Row]) -> bool:
    """Whether all constraints hold."""
    seen: set[Any] = set()
    for (name, _), row in state.items():
        for column, target in REFERENCES[name].items():
            if row[column] is not None and (target, row[column]) not in state:
                return False
        for column in UNIQUE[name]:
            if row[column] is not None:
                if (name, column, row[column]) in seen:
                    return False
                seen.add((name, column, row[column]))
    return True


def stages(key: Key, before: Row | None, after: Row | None) -> list[Row | None]:
    """What a row may be in turn: as it was, without what can be given up, as it will be."""
    name = key[0]
    if before == after:
        return [before]
    if before is None:
        assert after is not None
        return [None, {**after, **dict.fromkeys(NULLABLE[name])}, after]
    changed = {column for column in before if after is None or before[column] != after[column]}
    given_up = dict.fromkeys(NULLABLE[name] & changed)
    parked = {column: ("parked", key) for column in UNIQUE[name] if column in changed}
    return [before, {**before, **given_up, **parked}, after]


def refers_to_itself(key: Key, row: Row | None) -> bool:
    """Whether a row refers to itself."""
    if row is None:
        return False
    return any(key == (target, row[column]) for column, target in REFERENCES[key[0]].items())


def order_exists(before: State, after: State, *, deletes_own_referrer: bool = True) -> bool:
    """Search all ways from one state to the other, one row at a time.

    Args:
        before: the rows that are there.
        after: those that shall be.
        deletes_own_referrer: a row that refers to itself can be deleted.
    """
    keys = sorted({*before, *after})
    rows = [stages(key, before.get(key), after.get(key)) for key in keys]
    goal = tuple(len(one) - 1 for one in rows)

    def valid(at: Sequence[int]) -> bool:
        state = {key: row[number] for key, row, number in zip(keys, rows, at, strict=True)}
        return is_valid({key: row for key, row in state.items() if row is not None})

    start = tuple(0 for _ in rows)
    seen, waiting = {start}, [start]
    while waiting:
        at = waiting.pop()
        if at == goal:
            return True
        for place, number in enumerate(at):
            row = rows[place]
            for further in range(number + 1, len(row)):
                is_kept = refers_to_itself(keys[place], row[number]) and row[further] is None
                if is_kept and not deletes_own_referrer:
                    continue
                there = (*at[:place], further, *at[place + 1 :])
                if there not in seen and valid(there):
                    seen.add(there)
                    waiting.append(there)
    return False


# -- what is drawn


class Change(NamedTuple):
    """One flush."""

    before: State
    after: State


@st.composite
def states(draw: st.DrawFn, towns: Sequence[int], lands: Sequence[int]) -> State:
    """Rows with these keys."""
    places = draw(st.permutations(range(1, 7)))
    ranks = draw(st.permutations([1, 2, 3, None, None, None]))
    codes = draw(st.permutations(["a", "b", "c", "d", "e", "f"]))
    near = st.sampled_from([None, *towns])
    land = st.sampled_from(list(lands))
    state: State = {}
    for number, key in enumerate(towns):
        state["Town", key] = {
            "place": places[number],
            "rank": ranks[number],
            "near_id": draw(near),
            "land_id": draw(land),
        }
    for number, key in enumerate(lands):
        state["Land", key] = {
            "code": codes[number],
            "union_id": draw(land),
            "town_id": draw(near),
        }
    return state


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Rows that are there, and what is to become of them."""
    towns = draw(st.lists(st.sampled_from(FIRST_TOWNS), max_size=3, unique=True))
    lands = draw(st.lists(st.sampled_from(FIRST_LANDS), min_size=1, max_size=3, unique=True))
    before = draw(states(towns, lands))
    left_towns = [key for key in towns if draw(st.booleans())]
    left_lands = [key for key in lands if draw(st.booleans())]
    left_towns += draw(st.lists(st.sampled_from(range(11, 14)), max_size=3, unique=True))
    left_lands += draw(st.lists(st.sampled_from(range(11, 14)), max_size=2, unique=True))
    if not left_lands:
        left_lands = lands[:1]
    after = draw(states(left_towns, left_lands))
    for key, row in after.items():  # some columns stay what they were
        old = before.get(key)
        if old is None:
            continue
        for column in row:
            held = {**after, key: {**row, column: old[column]}}
            if draw(st.booleans()) and is_valid(held):
                row[column] = old[column]
    return Change(before, after)


# -- what is done


class Store:
    """An open database, reached from outside of its event loop."""

    def __init__(self, portal: BlockingPortal, database: Database) -> None:
        self._portal = portal
        self._database = database
        self.capabilities = database.dialect.capabilities

    def hold(self, state: State) -> None:
        """Put rows there, past every flush: first without, then with what they refer to."""
        self._portal.call(self._hold, state)

    async def _hold(self, state: State) -> None:
        async with Session.begin(self._database) as session:
            # MariaDB deletes no row that refers to itself, so all refer to one that stays.
            stays = insert_many(Land, [{"id": STAYS, "code": "stays", "union_id": STAYS}])
            await session.execute(stays.on_conflict(Land.id).nothing())
            await session.execute(update(Town).set({"near_id": None}).all())
            await session.execute(update(Land).set({"town_id": None, "union_id": STAYS}).all())
            await session.execute(delete(Town).all())
            await session.execute(delete(Land).where(Land.id != STAYS))
            lands = {key: row for (name, key), row in state.items() if name == "Land"}
            towns = {key: row for (name, key), row in state.items() if name == "Town"}
            for key, row in lands.items():
                first = {"id": key, "code": row["code"], "union_id": key}
                await session.execute(insert_many(Land, [first]))
            for key, row in towns.items():
                held = {**row, "near_id": None, "id": key, "version": 1}
                await session.execute(insert_many(Town, [held]))
            for key, row in lands.items():
                await session.execute(update(Land).set(row).where(Land.id == key))
            for key, row in towns.items():
                await session.execute(
                    update(Town).set({"near_id": row["near_id"]}).where(Town.id == key)
                )

    def read(self) -> State:
        """What is there, seen by a connection of its own."""
        return self._portal.call(self._read)

    async def _read(self) -> State:
        state: State = {}
        async with Session(self._database) as session:
            for model in MODELS:
                for one in await session.find(model).filter(model.id != STAYS).to_list():
                    state[model.__name__, one.id] = values_of(one)
        return state

    def change(self, change: Change) -> tuple[FlushCycleError | None, Sent, dict[Key, int]]:
        """Change rows in one flush; answer the error, what was sent, how versions rose."""
        return self._portal.call(self._change, change)

    async def _change(self, change: Change) -> tuple[FlushCycleError | None, Sent, dict[Key, int]]:
        classes = {model.__name__: model for model in MODELS}
        sent = Sent()
        async with Session(self._database) as session:
            found = [one for model in MODELS for one in await session.find(model).to_list()]
            objects = {(type(one).__name__, one.id): one for one in found}
            versions = {key: one.version for key, one in objects.items() if isinstance(one, Town)}
            for key, obj in objects.items():
                if key in change.after:
                    for name, value in change.after[key].items():
                        setattr(obj, name, value)
                elif key[1] != STAYS:
                    session.delete(obj)
            for key in change.after.keys() - objects.keys():
                new = classes[key[0]](id=key[1], **change.after[key])
                objects[key] = new
                session.add(new)
            self._database.observers.append(sent.append)
            refused: FlushCycleError | None = None
            try:
                await session.commit()
            except FlushCycleError as error:
                refused = error
                await session.rollback()
            finally:
                self._database.observers.remove(sent.append)
            if refused is not None:
                assert refused.objects
                assert {id(obj) for obj in refused.objects} <= {*map(id, objects.values())}
                return refused, sent, {}
            for key, row in change.after.items():
                assert values_of(objects[key]) == row
            count = len(sent)
            await session.flush()
            assert len(sent) == count
            raised = {
                key: one.version - versions.get(key, 1)
                for key, one in objects.items()
                if isinstance(one, Town) and key in change.after
            }
            return None, sent, raised


def values_of(obj: Any) -> Row:
    """What an object holds besides key and version."""
    names = (*UNIQUE[type(obj).__name__], *REFERENCES[type(obj).__name__])
    return {name: getattr(obj, name) for name in names}


@contextmanager
def opened(url: str, options: Mapping[str, Any]) -> Iterator[Store]:
    """A database with the tables of this module."""
    with start_blocking_portal("asyncio") as portal:
        database = Database(url, **options)
        portal.call(database.open)
        try:
            portal.call(partial(database.create_all, MODELS))
            yield Store(portal, database)
            portal.call(partial(database.drop_all, MODELS))
        finally:
            portal.call(database.aclose)


def test_any_order_is_found(backend: Backend, url: str) -> None:
    """A flush succeeds where a search finds an order, and names rows where it finds none."""
    examples = int(os.environ.get("UOW_EXAMPLES", "60"))
    quick = "sqlite" in backend.name

    with opened(url, backend.options) as store:

        @settings(
            max_examples=examples if quick else examples // 3,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(changes())
        def check(change: Change) -> None:
            store.hold(change.before)
            assert store.read() == change.before

            error, sent, raised = store.change(change)

            exists = order_exists(
                change.before,
                change.after,
                deletes_own_referrer=store.capabilities.deletes_own_referrer,
            )
            event("stored" if error is None else "refused")
            event("written twice" if len(sent.writes) > 3 else "written once")
            if error is None:
                assert exists
                assert store.read() == change.after
                for key, count in raised.items():
                    old = change.before.get(key, change.after[key])
                    assert count == (old != change.after[key])
            else:
                assert not exists
                assert sent.writes == []
                assert store.read() == change.before

        check()


def test_the_search_knows_what_it_should() -> None:
    """The search itself: a circle of references that may not be NULL has no order."""
    union = {"code": "a", "union_id": 2, "town_id": None}
    other = {"code": "b", "union_id": 1, "town_id": None}
    alone = {**other, "union_id": 2}

    assert not order_exists({}, {("Land", 1): union, ("Land", 2): other})
    assert order_exists({}, {("Land", 1): union, ("Land", 2): alone})
    assert all(
        order_exists({("Land", 2): {**alone, "code": one}}, {("Land", 2): {**alone, "code": two}})
        for one, two in product("ab", repeat=2)
    )
