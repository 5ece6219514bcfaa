"""Objects go when nobody holds them, without the help of the collector (T3)."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import attrs
import pytest

from uow import Column, Mapped, Registry, Session, State, Table, connect, state


@attrs.define
class Part:
    """An attrs class."""

    name: str = ""
    sizes: list[int] = attrs.field(factory=list)


class Box(Table):
    class Settings:
        name = "boxes"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str] = Column(default="")
    parts: Mapped[list[Part]] = Column(default_factory=list)
    extra: Mapped[Any] = Column(default=None)
    data: Mapped[bytearray] = Column(default_factory=bytearray)


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _change(box: Any) -> None:
    box.name += "x"
    box.parts.append(Part("lid", [1]))
    box.parts[-1].sizes.append(2)
    box.extra = {"a": [[1]]}
    box.extra["a"][0].append(2)
    box.data.append(1)


def _replace(box: Any) -> None:
    box.extra.append(1)
    box.extra = None


def _new() -> Any:
    return Box(parts=[Part("lid")], extra=[[1]], data=bytearray(b"x"))


FRESH: dict[str, Callable[[Any], object]] = {
    "untouched": lambda box: None,
    "a scalar": lambda box: setattr(box, "name", "y"),
    "a list": lambda box: box.parts.append(Part()),
    "an object": lambda box: setattr(box.parts[0], "name", "y"),
    "deep": lambda box: box.extra[0].append(2),
    "replaced": lambda box: _replace(box),
    "bytes": lambda box: box.data.append(1),
    "all": _change,
}


@pytest.mark.parametrize("name", list(FRESH))
def test_new_objects(name: str) -> None:
    """One that was never added goes at once, whatever was changed on it."""
    box = _new()
    FRESH[name](box)
    gone, part = weakref.ref(box), weakref.ref(box.parts[0])
    del box

    assert gone() is None
    assert part() is None


async def _flushed(session: Session, box: Any) -> None:
    session.add(box)
    await session.flush()


async def _pending(session: Session, box: Any) -> None:
    session.add(box)
    _change(box)


async def _committed(session: Session, box: Any) -> None:
    session.add(box)
    await session.commit()


async def _changed(session: Session, box: Any) -> None:
    await _committed(session, box)
    _change(box)


async def _written(session: Session, box: Any) -> None:
    await _changed(session, box)
    await session.commit()


async def _rolled_back(session: Session, box: Any) -> None:
    await _changed(session, box)
    await session.flush()
    _change(box)
    await session.rollback()


async def _new_again(session: Session, box: Any) -> None:
    await _flushed(session, box)
    _change(box)
    await session.rollback()
    _change(box)


async def _expunged(session: Session, box: Any) -> None:
    await _changed(session, box)
    session.expunge(box)
    _change(box)


async def _deleted(session: Session, box: Any) -> None:
    await _changed(session, box)
    session.delete(box)
    await session.commit()


async def _to_be_deleted(session: Session, box: Any) -> None:
    await _changed(session, box)
    session.delete(box)


async def _refreshed(session: Session, box: Any) -> None:
    await _written(session, box)
    session.expire(box)
    await session.refresh(box)
    _change(box)


UNITS: dict[str, tuple[Callable[[Session, Any], Awaitable[None]], State]] = {
    "flushed": (_flushed, State.TRANSIENT),
    "pending": (_pending, State.TRANSIENT),
    "committed": (_committed, State.DETACHED),
    "changed": (_changed, State.DETACHED),
    "written": (_written, State.DETACHED),
    "rolled back": (_rolled_back, State.DETACHED),
    "new again": (_new_again, State.TRANSIENT),
    "expunged": (_expunged, State.DETACHED),
    "deleted": (_deleted, State.DETACHED),
    "to be deleted": (_to_be_deleted, State.DETACHED),
    "refreshed": (_refreshed, State.DETACHED),
}


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::uow.errors.UncommittedChangesWarning")
@pytest.mark.parametrize("name", list(UNITS))
async def test_objects_that_left_a_session(name: str) -> None:
    """So does one whose session is closed, in whatever state that left it."""
    work, left = UNITS[name]
    database = await connect("sqlite://")
    await database.create_all([Box])
    box = _new()
    async with Session(database) as session:
        await work(session, box)
    del session
    assert state(box) is left
    _change(box)
    gone = weakref.ref(box)
    del box

    assert gone() is None
    await database.aclose()


@pytest.mark.anyio
async def test_a_session_keeps_what_it_is_to_write() -> None:
    """What only the session holds is written all the same, new, changed or deleted."""
    database = await connect("sqlite://")
    await database.create_all([Box])
    async with Session(database) as session:
        box = _new()
        _change(box)
        session.add(box)
        del box
        await session.commit()
        _change(await session.get_one(Box, 1))
        await session.commit()
    async with Session(database) as session:
        box = await session.get_one(Box, 1)
        assert (box.name, bytes(box.data)) == ("xx", b"x\x01\x01")
        session.expunge(box)
        _change(box)
        session.add(box)
        del box
        await session.commit()
        session.delete(await session.get_one(Box, 1))
        await session.commit()
        assert await session.find(Box).count() == 0
    await database.aclose()
