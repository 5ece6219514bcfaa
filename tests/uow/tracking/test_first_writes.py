"""The first write to an object of a session, while another thread looks at the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from weakref import ref

import pytest

from uow import Column, Mapped, Registry, Table
from uow.mapping.mapper import mapper_of
from uow.tracking.state import Home, Record, State, set_state


class Thing(Table):
    """Two plain fields."""

    class Settings:
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True)
    text: Mapped[str]
    rank: Mapped[int] = Column(default=0)


class Owner:
    """Stands for a session."""


def stored() -> tuple[Owner, Home, Thing]:
    """An object as if it were loaded, the state it shares, and who keeps that alive."""
    owner = Owner()
    home = Home(ref(owner), cast("Any", None), State.PERSISTENT, {})
    thing = Thing(id=1, text="old")
    set_state(thing, home)
    return owner, home, thing


def meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Have an action happen once, in the middle of noting a write to `text`."""
    mapper = mapper_of(Thing)
    real = mapper.by_attribute["text"]
    left = [action]

    class Watched:
        attribute = "text"

        def get_slot(self, obj: Any) -> Any:
            while left:
                left.pop()()
            return real.get_slot(obj)

    monkeypatch.setitem(cast("dict[str, Any]", mapper.simply_noted), "text", Watched())


def test_recorded_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The note is the record's; none is left behind, which would be written a second time."""
    _owner, home, thing = stored()
    thing.rank = 7
    meanwhile(monkeypatch, home.record_all)
    thing.text = "new"

    record = thing._uow_state
    assert isinstance(record, Record)
    assert record.noted == {"text": "old", "rank": 0}
    assert not any(home.written.values())


def test_taken_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a flush takes away under a write is noted again, as a change of its own."""
    _owner, home, thing = stored()
    thing.rank = 7
    meanwhile(monkeypatch, lambda: home.take_written(home.noted_now()))
    thing.text = "new"

    assert thing._uow_state is home
    assert [list(notes.values()) for notes in home.written.values()] == [["old"]]


def test_what_a_plan_has_not_seen_stays() -> None:
    """A write between a plan and its taking over is not forgotten."""
    _owner, home, thing = stored()
    thing.rank = 7
    seen = home.noted_now()
    thing.text = "new"
    home.take_written(seen)

    (notes,) = home.written.values()
    assert notes == {thing: "old"}
