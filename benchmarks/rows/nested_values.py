"""JSON columns: what is loaded and not touched, read, changed, and written back.

By hand means the raw client, orjson, and an attrs class. `decoded` decodes every document, as
whoever wants to read them must; the floor of loading leaves them as they are.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session as SyncSession

from benchmarks import profiles
from benchmarks.by_hand_sqlite import SqlitePlace
from benchmarks.measure import Contender, ContenderSteps, Row, Sizes, Stopwatch, timed
from benchmarks.profiles import ByHand, Profile
from benchmarks.rows.attribute import nanoseconds
from benchmarks.rows.memory import weighed
from uow import Session
from uow.tracking.nested.kinds import wrap
from uow.tracking.nested.tokens import LOCK, Token

SELECT = profiles.SELECT


def by_hand(*, decodes: bool) -> Contender[SqlitePlace]:
    """Rows into attrs objects."""

    @asynccontextmanager
    async def contender(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
        db = profiles.open_sqlite3(place, sizes.update)

        async def once() -> float:
            with timed() as watch:
                rows = db.execute(SELECT).fetchall()
                if decodes:
                    found = [ByHand(key, orjson.loads(text)) for key, text in rows]
                else:
                    found = [ByHand(key, text) for key, text in rows]
            assert len(found) == sizes.update
            return watch.seconds * 1e3

        yield once
        db.close()

    return contender


@asynccontextmanager
async def load_uow(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    async with profiles.open_uow(place, sizes.update) as db:

        async def once() -> float:
            with timed() as watch:
                async with Session(db) as session:
                    found = await session.find(Profile).to_list()
            assert len(found) == sizes.update
            return watch.seconds * 1e3

        yield once


def load_peer(find_class: Callable[[], Any]) -> Contender[SqlitePlace]:
    """SQLAlchemy's ORM, with one of its classes."""

    @asynccontextmanager
    async def contender(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
        class_ = find_class()
        engine = profiles.open_engine(place, sizes.update)

        async def once() -> float:
            with timed() as watch, SyncSession(engine) as session:
                found = session.scalars(select(class_)).all()
            assert len(found) == sizes.update
            return watch.seconds * 1e3

        yield once
        engine.dispose()

    return contender


PEER_CLASSES: dict[str, Callable[[], Any]] = {
    "sqlalchemy": lambda: profiles.JsonProfile,
    "mutabledict": lambda: profiles.MutableProfile,
    "sqlatypemodel": profiles.model_profile,
}

LOAD = Row(
    key="json_load",
    title="load 5,000 rows with a JSON column that nobody reads",
    unit="ms",
    floor="by_hand",
    bound=1.3,
    goal=1.1,
    contenders={
        "by_hand": by_hand(decodes=False),
        "decoded": by_hand(decodes=True),
        "uow": load_uow,
        **{name: load_peer(find) for name, find in PEER_CLASSES.items()},
    },
)


# -- reading


@contextmanager
def worked() -> Generator[Stopwatch]:
    """Measure the block in seconds of this process's work, for bounds that are no ratios."""
    watch = Stopwatch()
    gc.collect()
    start = time.process_time()
    yield watch
    watch.seconds = time.process_time() - start


def read_lists(found: list[Any]) -> float:
    """Microseconds to read a nested list for the first time, the column having been read."""
    values = [one.data for one in found]
    with worked() as watch:
        for value in values:
            value["visits"]
    return watch.seconds * 1e6 / len(values)


def read_lists_of_models(found: list[Any]) -> float:
    """The same, where the fields are attributes."""
    values = [one.data for one in found]
    with worked() as watch:
        for value in values:
            value.visits
    return watch.seconds * 1e6 / len(values)


def peer_objects(
    find_class: Callable[[], Any], measure: Callable[[list[Any]], float]
) -> Contender[SqlitePlace]:
    """Measure something on freshly loaded objects of SQLAlchemy."""

    @asynccontextmanager
    async def contender(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
        class_ = find_class()
        engine = profiles.open_engine(place, sizes.update)

        async def once() -> float:
            with SyncSession(engine) as session:
                return measure(list(session.scalars(select(class_)).all()))

        yield once
        engine.dispose()

    return contender


def uow_objects(measure: Callable[[list[Any]], float]) -> Contender[SqlitePlace]:
    """Measure something on freshly loaded objects of `uow`."""

    @asynccontextmanager
    async def contender(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
        async with profiles.open_uow(place, sizes.update) as db:

            async def once() -> float:
                async with Session(db) as session:
                    cost = measure(await session.find(Profile).to_list())
                    await session.rollback()
                    return cost

            yield once

    return contender


FIRST_READ = Row(
    key="json_first_read",
    title="first read of a nested list",
    unit="µs",
    floor=None,
    bound=5.0,
    goal=2.0,
    contenders={
        "uow": uow_objects(read_lists),
        "sqlalchemy": peer_objects(PEER_CLASSES["sqlalchemy"], read_lists),
        "mutabledict": peer_objects(PEER_CLASSES["mutabledict"], read_lists),
        "sqlatypemodel": peer_objects(PEER_CLASSES["sqlatypemodel"], read_lists_of_models),
    },
)


@attrs.define
class Settings:
    """A value whose attribute is read."""

    age: int


@asynccontextmanager
async def native(_place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    obj = Settings(1)

    async def once() -> float:
        return nanoseconds(obj, sizes)

    yield once


@asynccontextmanager
async def tracked(_place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    token, obj = Token(None), Settings(1)
    with LOCK:
        wrap(obj, token)
    assert type(obj) is not Settings

    async def once() -> float:
        return nanoseconds(obj, sizes)

    yield once


@asynccontextmanager
async def tracked_by_peer(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    class_ = profiles.model_profile()
    engine = profiles.open_engine(place, 1)
    with SyncSession(engine) as session:
        obj = session.scalars(select(class_)).one().data

        async def once() -> float:
            return nanoseconds(obj, attrs.evolve(sizes, reads=max(10, sizes.reads // 20)))

        yield once
    engine.dispose()


ATTRIBUTE = Row(
    key="json_attribute",
    title="read an attribute of a nested object",
    unit="ns",
    floor="native",
    bound=1.1,
    goal=1.0,
    contenders={"native": native, "uow": tracked, "sqlatypemodel": tracked_by_peer},
)


# -- changing


def appending(get: Callable[[Any], Any], *, is_dirty: bool) -> Callable[[list[Any]], float]:
    """Microseconds to append to a nested list of each object, the list having been read."""

    def measure(found: list[Any]) -> float:
        lists = [get(one.data) for one in found]
        if is_dirty:
            for each in lists:
                each.append(1)
        with worked() as watch:
            for each in lists:
                each.append(2)
        return watch.seconds * 1e6 / len(lists)

    return measure


def by_key(data: Any) -> Any:
    """The list, of a dict."""
    return data["limits"]


def by_attribute(data: Any) -> Any:
    """The list, of a model."""
    return data.limits


def append_row(key: str, title: str, bound: float, *, is_dirty: bool) -> Row[SqlitePlace]:
    """A row about `append`; SQLAlchemy's own types do not notice it."""
    return Row(
        key=key,
        title=title,
        unit="µs",
        floor=None,
        bound=bound,
        goal=bound / 2,
        contenders={
            "uow": uow_objects(appending(by_key, is_dirty=is_dirty)),
            "sqlatypemodel": peer_objects(
                PEER_CLASSES["sqlatypemodel"], appending(by_attribute, is_dirty=is_dirty)
            ),
        },
    )


APPEND_DIRTY = append_row(
    "json_append_dirty", "append to a list of an object that is dirty", 1.0, is_dirty=True
)
APPEND_CLEAN = append_row(
    "json_append_clean", "append to a list of an object that is clean", 5.0, is_dirty=False
)


def change_uow(*, loads_all: bool) -> Contender[SqlitePlace]:
    """Change one in a hundred and commit, with the others loaded and read, or not there."""

    @asynccontextmanager
    async def contender(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
        count = sizes.update
        step = max(1, count // 50)
        async with profiles.open_uow(place, count) as db:

            async def once() -> float:
                async with Session(db) as session:
                    query = session.find(Profile)
                    found = await (query if loads_all else query.filter(Profile.id <= 50)).to_list()
                    for one in found:
                        one.data["limits"]
                    changed = found[::step] if loads_all else found
                    with timed() as watch:
                        for one in changed:
                            one.data["limits"].append(1)
                        await session.commit()
                    for one in changed:
                        one.data["limits"].pop()
                    await session.commit()
                return watch.seconds * 1e3

            yield once

    return contender


def change_peer(
    find_class: Callable[[], Any], change: Callable[[Any, bool], None]
) -> Contender[SqlitePlace]:
    """The same with SQLAlchemy, all loaded."""

    @asynccontextmanager
    async def contender(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
        class_ = find_class()
        engine = profiles.open_engine(place, sizes.update)
        step = max(1, sizes.update // 50)

        async def once() -> float:
            with SyncSession(engine, expire_on_commit=False) as session:
                found = session.scalars(select(class_)).all()
                with timed() as watch:
                    for one in found[::step]:
                        change(one.data, True)
                    session.commit()
                for one in found[::step]:
                    change(one.data, False)
                session.commit()
            return watch.seconds * 1e3

        yield once
        engine.dispose()

    return contender


def change_field(data: Any, adds: bool) -> None:
    """Assign a list anew: what `MutableDict` notices."""
    data["limits"] = [*data["limits"], 1] if adds else data["limits"][:-1]


def change_model(data: Any, adds: bool) -> None:
    """Append to a list, or take it away again."""
    if adds:
        data.limits.append(1)
    else:
        data.limits.pop()


CHANGE = Row(
    key="json_change",
    title="change 50 of 5,000 and commit, beside 50 of 50",
    unit="ms",
    floor="alone",
    bound=1.2,  # no cost for the others; a fifth is what two runs of the same differ by
    goal=1.0,
    contenders={
        "alone": change_uow(loads_all=False),
        "uow": change_uow(loads_all=True),
        "mutabledict": change_peer(PEER_CLASSES["mutabledict"], change_field),
        "sqlatypemodel": change_peer(PEER_CLASSES["sqlatypemodel"], change_model),
    },
)


# -- memory


@asynccontextmanager
async def weigh_by_hand(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    db = profiles.open_sqlite3(place, sizes.update)

    async def once() -> float:
        with weighed() as scale:
            found = [ByHand(key, orjson.loads(text)) for key, text in db.execute(SELECT)]
        return scale.bytes / len(found)

    yield once
    db.close()


@asynccontextmanager
async def weigh_uow(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    async with profiles.open_uow(place, sizes.update) as db:

        async def once() -> float:
            async with Session(db) as session:
                await session.get_one(Profile, 1)  # compiles what is compiled once
                with weighed() as scale:
                    found = await session.find(Profile).to_list()
                return scale.bytes / len(found)

        yield once


def weigh_peer(find_class: Callable[[], Any]) -> Contender[SqlitePlace]:
    """What an object of SQLAlchemy weighs."""

    @asynccontextmanager
    async def contender(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
        class_ = find_class()
        engine = profiles.open_engine(place, sizes.update)

        async def once() -> float:
            with SyncSession(engine) as session:
                session.get(class_, 1)
                with weighed() as scale:
                    found = session.scalars(select(class_)).all()
                return scale.bytes / len(found)

        yield once
        engine.dispose()

    return contender


MEMORY = Row(
    key="json_memory",
    title="bytes a row with a JSON column, loaded and not touched",
    unit="bytes",
    floor="by_hand",
    bound=1.2,
    goal=1.0,
    contenders={
        "by_hand": weigh_by_hand,
        "uow": weigh_uow,
        **{name: weigh_peer(find) for name, find in PEER_CLASSES.items()},
    },
    rounds=3,
)

SQLITE = (LOAD, FIRST_READ, ATTRIBUTE, APPEND_DIRTY, APPEND_CLEAN, CHANGE, MEMORY)
