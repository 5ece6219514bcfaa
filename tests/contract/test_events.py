"""Events, sync and async, on classes and on sessions (U4)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import anyio.lowlevel
import pytest

from tests.contract.sent import Sent, rows
from uow import (
    Column,
    ConstraintError,
    Database,
    InvalidUnitError,
    Mapped,
    MappingError,
    QueryError,
    Registry,
    Session,
    State,
    Table,
    after_delete,
    after_insert,
    after_update,
    before_delete,
    before_insert,
    before_update,
    event,
    state,
)
from uow.session.events import session_hooks

pytestmark = pytest.mark.anyio


class Diary(Table):
    """A class with a hook for everything."""

    class Settings:
        name = "diaries"
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    text: Mapped[str] = Column(unique=True)
    note: Mapped[str] = Column(default="")

    @before_insert
    def on_before_insert(self) -> None:
        heard.append(("before_insert", self.text, self.id))
        self.note = "stamped"

    @after_insert
    async def on_after_insert(self) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append(("after_insert", self.text, self.id))

    @before_update
    async def on_before_update(self) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append(("before_update", self.text))

    @after_update
    def on_after_update(self) -> None:
        heard.append(("after_update", self.text))

    @before_delete
    @after_delete
    def on_delete(self) -> None:
        heard.append(("delete", self.text))


heard: list[tuple[Any, ...]] = []


@pytest.fixture(autouse=True)
def silence() -> None:
    """Nothing was heard yet."""
    heard.clear()


@pytest.fixture
async def diaries(database: Database) -> Database:
    """The database, with the table of diaries."""
    await database.create_all([Diary])
    return database


@contextmanager
def only_here() -> Iterator[None]:
    """Hooks attached to all sessions inside are gone afterwards."""
    before = dict(session_hooks._by_event)
    try:
        yield
    finally:
        session_hooks._by_event.clear()
        session_hooks._by_event.update(before)


@pytest.mark.needs("table_classes")
async def test_hooks_of_a_class(diaries: Database, sent: Sent) -> None:
    """Methods marked as hooks run around each kind of write, before the values are checked."""
    async with Session(diaries) as session:
        diary = Diary(text="a")
        session.add(diary)

        assert heard == []
        await session.flush()

        assert heard == [("before_insert", "a", None), ("after_insert", "a", diary.id)]
        assert diary.note == "stamped"
        assert session.dirty == set()
        heard.clear()
        diary.text = "b"
        await session.flush()
        session.delete(diary)
        await session.commit()

        assert heard == [
            ("before_update", "b"),
            ("after_update", "b"),
            ("delete", "b"),
            ("delete", "b"),
        ]


@pytest.mark.needs("table_classes")
async def test_unchanged_objects_hear_nothing(diaries: Database, sent: Sent) -> None:
    """An object that was set back to what it was is not updated, and its hooks are silent."""
    async with Session(diaries) as session:
        diary = Diary(text="a")
        session.add(diary)
        await session.commit()
        heard.clear()
        diary.text = "b"
        diary.text = "a"
        sent.clear()
        await session.commit()

        assert heard == []
        assert sent == []


async def test_order_of_session_events(database: Database, models: ModuleType) -> None:
    """Events of a session come in one order, and with the session as their argument."""
    seen: list[tuple[str, bool]] = []
    async with Session(database) as session:
        for name in (
            "before_commit",
            "before_flush",
            "before_insert",
            "after_insert",
            "after_flush",
            "after_commit",
            "after_rollback",
        ):

            def hear(given: Session, *_: Any, name: str = name) -> None:
                seen.append((name, given is session))

            session.on(name, hear)
        session.add(models.Note(text="a"))
        await session.commit()

        assert seen == [
            ("before_commit", True),
            ("before_flush", True),
            ("before_insert", True),
            ("after_insert", True),
            ("after_flush", True),
            ("after_commit", True),
        ]
        seen.clear()
        await session.rollback()

        assert seen == [("after_rollback", True)]


async def test_hooks_of_all_sessions(database: Database, models: ModuleType) -> None:
    """`event.listens_for(Session, ...)` hears every session; sync and async alike."""
    seen: list[str] = []
    with only_here():

        @event.listens_for(Session, "before_flush")
        async def audit(session: Session) -> None:
            await anyio.lowlevel.checkpoint()
            seen.append(f"flush of {len(session.new)}")

        @event.listens_for(Session, "after_insert")
        def count(_: Session, obj: Any) -> None:
            seen.append(obj.text)

        for text in "ab":
            async with Session.begin(database) as session:
                session.add(models.Note(text=text))
    async with Session.begin(database) as session:
        session.add(models.Note(text="c"))

    assert seen == ["flush of 1", "a", "flush of 1", "b"]


@pytest.mark.needs("table_classes")
async def test_hooks_attached_to_a_class(database: Database) -> None:
    """`event.listens_for(Model, ...)` hears the objects of that class, after its own methods."""

    class Letter(Table):
        class Settings:
            name = "letters"
            registry = Registry()

        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        text: Mapped[str]

        @before_insert
        def own(self) -> None:
            heard.append(("own", self.text))

    @event.listens_for(Letter, "before_insert")
    def more(letter: Letter) -> None:
        heard.append(("more", letter.text))

    await database.create_all([Letter])
    async with Session.begin(database) as session:
        session.add(Letter(text="a"))

    assert heard == [("own", "a"), ("more", "a")]


@pytest.mark.needs("table_classes")
async def test_hooks_may_add_and_change(diaries: Database, models: ModuleType) -> None:
    """What hooks add, change and delete is part of the same flush, with hooks of its own."""
    doomed = models.Note(text="doomed")
    async with Session.begin(diaries) as session:
        session.add(doomed)
    async with Session(diaries) as session:
        victim = await session.get_one(models.Note, doomed.id)

        def hook(given: Session, obj: Any) -> None:
            if obj.text == "first":
                given.add(Diary(text="second"))
                given.delete(victim)

        session.on("before_insert", hook)
        session.on("before_flush", lambda given: given.add(Diary(text="zeroth")))
        session.add(Diary(text="first"))
        await session.commit()

    assert await rows(diaries, Diary.text, Diary.note) == [
        ("first", "stamped"),
        ("second", "stamped"),
        ("zeroth", "stamped"),
    ]
    assert await rows(diaries, models.Note.id) == []
    assert sorted(heard[:3]) == [
        ("before_insert", "first", None),
        ("before_insert", "second", None),
        ("before_insert", "zeroth", None),
    ]


@pytest.mark.needs("table_classes")
async def test_hooks_may_read(diaries: Database, models: ModuleType) -> None:
    """A hook may read through the session, also inside of the flush."""
    counts: list[int] = []
    async with Session.begin(diaries) as session:
        session.add(models.Note(text="n"))
        await session.flush()

        async def count(given: Session) -> None:
            counts.append(await given.find(Diary).count())
            assert len(await given.find(models.Note).to_list()) == 1

        for name in ("before_flush", "after_flush", "before_commit"):
            session.on(name, count)
        session.add(Diary(text="a"))
        await session.flush()

    assert counts[:2] == [0, 1]


@pytest.mark.needs("table_classes")
async def test_hooks_that_change_what_was_flushed(diaries: Database) -> None:
    """What an `after_*` hook writes to an object is a change, for the next flush."""
    async with Session(diaries) as session:
        diary = Diary(text="a")
        session.add(diary)

        def hook(_: Session, obj: Diary) -> None:
            obj.note = f"key {obj.id}"

        session.on("after_insert", hook)
        await session.flush()

        assert session.dirty == {diary}
        await session.commit()

    assert await rows(diaries, Diary.note) == [(f"key {diary.id}",)]


@pytest.mark.needs("table_classes")
async def test_wrong_value_set_by_a_hook(diaries: Database, sent: Sent) -> None:
    """Values are checked after the hooks have run."""
    async with Session(diaries) as session:

        def hook(_: Session, obj: Any) -> None:
            obj.note = 5

        session.on("before_insert", hook)
        session.add(Diary(text="a"))
        with pytest.raises(InvalidUnitError, match=r"Diary\.note"):
            await session.commit()

        assert sent == []
        await session.rollback()


@pytest.mark.parametrize(
    "name",
    ["before_flush", "before_insert", "after_insert", "after_flush", "before_commit"],
)
async def test_hook_that_raises(database: Database, models: ModuleType, name: str) -> None:
    """What a hook raises is the error of the flush: nothing is stored, everything still waits."""
    async with Session(database) as session:
        broken = True

        def hook(*_: Any) -> None:
            if broken:
                raise KeyError(name)

        session.on(name, hook)
        note = models.Note(text="a")
        session.add(note)
        with pytest.raises(KeyError, match=name):
            await session.commit()

        assert session.new == {note}
        assert note.id is None
        assert not session.in_transaction
        broken = False
        await session.commit()

    assert await rows(database, models.Note.text) == [("a",)]


async def test_after_commit_cannot_undo(
    database: Database, models: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    """What `after_commit` raises is logged; the commit stands, and other hooks run (U10)."""
    seen: list[str] = []

    def fail(*_: Any) -> None:
        raise KeyError("late")

    async with Session(database) as session:
        session.on("after_commit", fail)
        session.on("after_commit", lambda _: seen.append("hook"))
        session.on_commit(fail)
        session.on_commit(lambda: seen.append("callback"))
        session.add(models.Note(text="a"))
        with caplog.at_level(logging.ERROR, "uow"):
            await session.commit()

        assert seen == ["hook", "callback"]
        assert len(caplog.records) == 2

    assert await rows(database, models.Note.text) == [("a",)]


@pytest.mark.needs("table_classes")
async def test_repeated_flush_calls_hooks_again(diaries: Database) -> None:
    """A flush that is repeated after a failure calls its hooks again."""
    async with Session.begin(diaries) as session:
        session.add(Diary(text="taken"))
    heard.clear()
    async with Session(diaries) as session:
        diary = Diary(text="taken")
        session.add(diary)
        with pytest.raises(ConstraintError):
            await session.commit()

        assert heard == [("before_insert", "taken", None)]
        diary.text = "free"
        await session.commit()

    assert heard[1:] == [("before_insert", "free", None), ("after_insert", "free", diary.id)]


async def test_rollback_from_an_after_rollback_hook(database: Database, models: ModuleType) -> None:
    """After a rollback the session is right when its hook is called."""
    states: list[State] = []
    async with Session(database) as session:
        note = models.Note(text="a")
        session.add(note)
        await session.flush()
        session.on("after_rollback", lambda _: states.append(state(note)))
        await session.rollback()

    assert states == [State.TRANSIENT]


async def test_hooks_where_they_cannot_be(database: Database, models: ModuleType) -> None:
    """Hooks on what has no such event, or on what is no function, are refused."""
    with pytest.raises(QueryError):
        event.listens_for(models.Note, "before_flush")(print)
    with pytest.raises(QueryError):
        event.listens_for(object(), "before_flush")(print)
    with pytest.raises(QueryError):
        event.listens_for(Session, "before_lunch")(print)
    with pytest.raises(MappingError):
        before_insert(5)  # type: ignore[type-var]


@pytest.mark.needs("table_classes")
async def test_hooks_cost_the_shortcut(diaries: Database, sent: Sent) -> None:
    """A unit with hooks in its transaction is sent in one, so that they can still undo it."""
    async with Session(diaries) as session:
        session.add(Diary(text="a"))
        await session.commit()

    assert sent.words == ["BEGIN", "INSERT", "COMMIT"]
