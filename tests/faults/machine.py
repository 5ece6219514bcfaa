"""A session against a model of what it should do, by random steps (traps 10-22, 26, 33).

The model knows three things: what is committed, what is stored as the open transaction sees it, and
what each object should become. A flush moves the second towards the third, a failed flush takes the
second back to where the innermost savepoint was set and leaves the third, a rollback takes both.

I1, I2: what is committed is what is stored. I3: one object a key. I5: what a rollback leaves. I6:
versions. I7: the pool. I10: a clean commit is a commit. I11: nothing to do sends nothing. I12:
values read are values written. I13: a poisoned session takes nothing but a rollback.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import attrs
from anyio.from_thread import start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.faults.models import MODELS, Account
from tests.faults.steps import Steps
from tests.faults.world import World, has, sqlite_world
from uow import (
    ConstraintError,
    FlushCycleError,
    ObjectStateError,
    Outcome,
    Session,
    State,
    TransactionPoisonedError,
    UowError,
    sql,
    state,
)

Values = dict[str, Any]
Table = dict[int, tuple[Values, int | None]]
"""Rows by key: their values, and the version where the model can tell it."""

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
FIELDS = st.one_of(
    st.tuples(st.just("email"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("name"), TEXT),
    st.tuples(st.just("amount"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("tags"), st.lists(TEXT, max_size=2)),
)
WAITS = st.integers(1, 8)
SELDOM = st.integers(0, 4)
"""What throws away a lot is done at 0 only, so that there is something to throw away."""


@attrs.define(eq=False)
class Thing:
    """One object, and what should be true of it.

    Attributes:
        obj: the object.
        key: the key of its row, once it has or had one.
        values: what its fields hold.
        managed: it is in the session.
        wanted: its row shall be there.
    """

    obj: Account
    key: int | None
    values: Values
    managed: bool = True
    wanted: bool = True


@attrs.define
class Mark:
    """Where a savepoint was set."""

    block: Any
    store: Table
    things: dict[int, tuple[int | None, Values, bool, bool]]


class SessionMachine(RuleBasedStateMachine):
    """Random work on one session at a time.

    No rule has a precondition: how often a call waits, and so what a cancellation meets, depends on
    how quick the machine is, and what is drawn must not.
    """

    backend = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.portal = self.cleanup.enter_context(start_blocking_portal(self.backend))
        self.world: World = self.make_world()
        self.sent: list[object] = []
        self.world.database.observers.append(self.sent.append)
        self.committed: Table = {}
        self.store: Table = {}
        self.things: list[Thing] = []
        self.marks: list[Mark] = []
        self.session: Session

    def make_world(self) -> World:
        """The store to work on."""
        folder = self.cleanup.enter_context(tempfile.TemporaryDirectory())
        return sqlite_world(Path(folder))

    def do(self, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Any:
        return self.portal.call(work, *arguments)

    @initialize()
    def start(self) -> None:
        self.do(self.world.database.open)
        self.do(self.world.database.create_all, MODELS)
        self.outside = self.cleanup.enter_context(self.world.outside())
        for table in ("fault_entries", "fault_accounts"):
            self.outside(f"DELETE FROM {table}")
        self.open()
        for email in "abc":
            self.add(email, email, [email])
        self.commit(0)

    def open(self) -> None:
        self.session = Session(self.world.database)
        self.do(self.session.__aenter__)

    def teardown(self) -> None:
        try:
            if hasattr(self, "outside"):
                self.do(self.session.aclose)
                stats = self.world.database.pool.stats
                assert stats.in_use == 0
                assert stats.acquired == stats.released + stats.terminated
                self.do(self.world.database.aclose)
        finally:
            self.cleanup.close()

    # -- the model

    def pick(self, number: int) -> Thing | None:
        return self.things[number % len(self.things)] if self.things else None

    def is_pending(self, thing: Thing) -> bool:
        return thing.managed and thing.wanted and thing.key not in self.store

    def is_dirty(self, thing: Thing) -> bool:
        return (
            thing.managed
            and thing.wanted
            and thing.key is not None
            and thing.key in self.store
            and self.store[thing.key][0] != thing.values
        )

    def is_doomed(self, thing: Thing) -> bool:
        return thing.managed and not thing.wanted and thing.key in self.store

    def has_work(self) -> bool:
        return any(
            self.is_pending(one) or self.is_dirty(one) or self.is_doomed(one) for one in self.things
        )

    def clashes(self) -> bool:
        """Whether two rows would have one address after a flush."""
        emails = {key: values["email"] for key, (values, _) in self.store.items()}
        fresh: list[str] = []
        for thing in self.things:
            if self.is_doomed(thing):
                del emails[thing.key or 0]
            elif self.is_dirty(thing):
                emails[thing.key or 0] = thing.values["email"]
            elif self.is_pending(thing):
                fresh.append(thing.values["email"])
        addresses = [*emails.values(), *fresh]
        return len(set(addresses)) != len(addresses)

    def turns(self) -> bool:
        """Whether changed rows pass their addresses on in a circle."""
        changed = {one.key: one for one in self.things if self.is_dirty(one)}
        holder = {self.store[key][0]["email"]: key for key in changed if key is not None}
        for first in changed:
            key, seen = first, set()
            while key in changed and key not in seen:
                seen.add(key)
                was = self.store[key or 0][0]["email"]
                wants = changed[key].values["email"]
                if wants == was or wants not in holder:
                    break
                key = holder[wants]
                if key == first:
                    return True
        return False

    def flushed(self) -> None:
        for thing in self.things:
            if self.is_doomed(thing):
                del self.store[thing.key or 0]
            elif self.is_pending(thing):
                was_stored = thing.key is not None
                thing.key = thing.obj.id
                version = None if was_stored else 1
                self.store[thing.key] = (copy.deepcopy(thing.values), version)
            elif self.is_dirty(thing):
                version = self.store[thing.key or 0][1]
                raised = None if version is None else version + 1
                self.store[thing.key or 0] = (copy.deepcopy(thing.values), raised)

    def failed(self) -> None:
        """A flush failed: its frame is undone, and what was to be done is to be done again."""
        before = self.marks[-1].store if self.marks else self.committed
        self.store = copy.deepcopy(before)
        for thing in self.things:
            if not thing.managed:
                continue
            if thing.wanted:
                if thing.key not in self.store and not self.was_deleted_outside(thing):
                    thing.key = None
            elif thing.key not in self.store and not self.was_deleted_outside(thing):
                thing.managed, thing.key = False, None

    def was_deleted_outside(self, thing: Thing) -> bool:
        """Whether a frame further out has deleted the object's row."""
        frames = [self.committed, *(mark.store for mark in self.marks)]
        return any(thing.key in frame for frame in frames)

    def restore(self, mark: Mark) -> None:
        """Everything is as it was when a savepoint was set."""
        self.store = copy.deepcopy(mark.store)
        for thing in self.things:
            kept = mark.things.get(id(thing))
            if kept is not None and kept[2]:
                thing.key, values, thing.managed, thing.wanted = kept
                thing.values = copy.deepcopy(values)
            elif kept is None and thing.managed and thing.key in mark.store:
                thing.wanted = True  # read since, or deleted and read before
                thing.values = copy.deepcopy(mark.store[thing.key or 0][0])
            else:
                thing.key, thing.managed, thing.wanted = None, False, True

    def rolled_back(self) -> None:
        self.marks.clear()
        self.store = copy.deepcopy(self.committed)
        for thing in self.things:
            if thing.managed and thing.key in self.committed:
                thing.wanted = True
                thing.values = copy.deepcopy(self.committed[thing.key or 0][0])
            else:
                thing.key, thing.managed, thing.wanted = None, False, True

    def stored(self) -> None:
        """A commit succeeded."""
        self.committed = copy.deepcopy(self.store)
        self.things = [one for one in self.things if one.wanted or not one.managed]

    # -- what a user does to objects

    @rule(email=st.sampled_from("abcdefgh"), name=TEXT, tags=st.lists(TEXT, max_size=2))
    def add(self, email: str, name: str, tags: list[str]) -> None:
        obj = Account(email=email, name=name, tags=list(tags))
        self.session.add(obj)
        values = {"email": email, "name": name, "amount": 0, "tags": tags}
        self.things.append(Thing(obj, None, values))

    @rule(number=st.integers(0, 50))
    def add_again(self, number: int) -> None:
        thing = self.pick(number)
        if thing is not None:
            self.session.add(thing.obj)
            thing.managed = thing.wanted = True

    @rule(number=st.integers(0, 50), change=FIELDS)
    def change(self, number: int, change: tuple[str, Any]) -> None:
        thing = self.pick(number)
        if thing is None:
            return
        field, value = change
        if thing.managed and not thing.wanted:
            try:
                setattr(thing.obj, field, value)
            except ObjectStateError:
                return
            raise AssertionError("a deleted object was changed")
        setattr(thing.obj, field, copy.deepcopy(value))
        thing.values[field] = value

    @rule(number=st.integers(0, 50), tag=TEXT)
    def append(self, number: int, tag: str) -> None:
        thing = self.pick(number)
        if thing is not None and thing.wanted:
            thing.obj.tags.append(tag)
            thing.values = {**thing.values, "tags": [*thing.values["tags"], tag]}

    @rule(number=st.integers(0, 50))
    def delete(self, number: int) -> None:
        thing = self.pick(number)
        if thing is None or not thing.managed or not thing.wanted:
            return
        self.session.delete(thing.obj)
        if self.is_pending(thing) and thing.key is None:
            thing.managed = False
        else:
            thing.wanted = False

    # -- what a user asks of the store

    def attempt(self, work: Callable[[], Coroutine[Any, Any, Any]], wait: int) -> bool | UowError:
        """Run something, cancelled at a wait unless that is 0: whether it was, or what failed."""

        async def run() -> bool | UowError:
            with anyio.CancelScope() as scope:
                try:
                    await Steps(work(), scope.cancel, (wait,))
                except (ConstraintError, FlushCycleError) as error:
                    return error
                await anyio.lowlevel.checkpoint_if_cancelled()
            return scope.cancelled_caught

        return self.do(run)  # type: ignore[no-any-return]

    def check_error(self, error: UowError) -> None:
        if isinstance(error, FlushCycleError):
            assert self.turns()
        else:
            assert self.clashes()
            assert error.outcome is Outcome.NOT_APPLIED

    @rule(wait=st.one_of(st.just(0), WAITS))
    def flush(self, wait: int) -> None:
        had_work = self.has_work()
        self.sent.clear()
        ended = self.attempt(self.session.flush, wait)
        if isinstance(ended, UowError):
            self.check_error(ended)
            if not isinstance(ended, FlushCycleError):
                self.failed()
            return
        if ended:
            self.failed()
            return
        if had_work:
            assert not self.clashes()
            self.flushed()
        else:
            assert self.sent == []
        self.sent.clear()
        self.do(self.session.flush)
        assert self.sent == []

    @rule(wait=st.one_of(st.just(0), WAITS))
    def commit(self, wait: int) -> None:
        if self.marks:
            try:
                self.do(self.session.commit)
            except ObjectStateError:
                return
            raise AssertionError("a commit inside a savepoint's block")
        had_work = self.has_work()
        ended = self.attempt(self.session.commit, wait)
        if isinstance(ended, UowError):
            self.check_error(ended)
            if not isinstance(ended, FlushCycleError):
                self.failed()
            return
        if ended and self.session.outcome is not Outcome.APPLIED:
            self.failed()
            return
        if had_work:
            assert not self.clashes()
            self.flushed()
        assert self.session.outcome is Outcome.APPLIED
        assert not self.session.in_transaction
        self.stored()

    @rule(chance=SELDOM)
    def rollback(self, chance: int) -> None:
        if chance:
            return
        self.do(self.session.rollback)
        self.rolled_back()

    @rule()
    def savepoint(self) -> None:
        if len(self.marks) == 3:
            return
        block = self.session.begin_nested()
        self.do(block.__aenter__)
        things = {
            id(one): (one.key, copy.deepcopy(one.values), one.managed, one.wanted)
            for one in self.things
        }
        self.marks.append(Mark(block, copy.deepcopy(self.store), things))

    @rule(wait=st.one_of(st.just(0), WAITS))
    def release(self, wait: int) -> None:
        if not self.marks:
            return
        mark = self.marks[-1]
        self.sent.clear()
        ended = self.attempt(lambda: mark.block.__aexit__(None, None, None), wait)
        # What is sent to release it runs to its end, and a cancellation is told afterwards.
        told = [one for one in self.sent if isinstance(one, str)]
        is_released = bool(told) and told[-1].startswith("RELEASE")
        if any(one.startswith("ROLLBACK") for one in told):
            is_released = False
        if ended is False or (ended is True and is_released):
            self.flushed()
            self.marks.pop()
            return
        if isinstance(ended, UowError):
            self.check_error(ended)
        self.marks.pop()
        self.restore(mark)

    @rule(depth=st.integers(0, 2))
    def roll_back_to(self, depth: int) -> None:
        if not self.marks:
            return
        number = depth % len(self.marks)
        mark = self.marks[number]
        self.do(mark.block.rollback)
        for inner in reversed(self.marks[number:]):
            self.restore(inner)
        del self.marks[number + 1 :]

    @rule()
    def leave_by_exception(self) -> None:
        if not self.marks:
            return
        mark = self.marks.pop()
        self.do(mark.block.__aexit__, LookupError, LookupError(), None)
        self.restore(mark)

    @rule(number=st.integers(0, 50))
    def refresh(self, number: int) -> None:
        thing = self.pick(number)
        if thing is None or not thing.managed or not thing.wanted or self.is_pending(thing):
            return
        self.do(self.session.refresh, thing.obj)
        thing.values = copy.deepcopy(self.store[thing.key or 0][0])

    @rule()
    def read_all(self) -> None:
        found = self.do(self.session.find(Account).to_list)
        assert {one.id for one in found} == set(self.store)
        known = {one.key: one.obj for one in self.things if one.managed and one.key in self.store}
        for obj in found:
            if obj.id in known:
                assert obj is known[obj.id]
            else:
                values, version = self.store[obj.id]
                self.things.append(Thing(obj, obj.id, copy.deepcopy(values)))
                assert version in (None, obj.version)

    @rule(number=st.integers(0, 50))
    def get(self, number: int) -> None:
        thing = self.pick(number)
        if thing is None or not thing.managed or thing.key not in self.store:
            return
        assert self.do(self.session.get, Account, thing.key) is thing.obj

    @rule(chance=SELDOM)
    def poison(self, chance: int) -> None:
        """A statement that fails can only be rolled back, to the savepoint it was in or wholly."""
        if chance:
            return

        async def fails() -> None:
            for text in ("INSERT INTO fault_entries VALUES (NULL, 1)", "UPDATE no_such SET x = 1"):
                try:
                    await self.session.execute(sql(text))
                except TransactionPoisonedError:
                    continue
                except UowError:
                    assert self.session.is_poisoned
            for refused in (self.session.flush, self.session.commit):
                try:
                    await refused()
                except (TransactionPoisonedError, ObjectStateError):
                    continue
                raise AssertionError("a poisoned session went on")

        self.do(fails)
        if self.marks:
            self.do(self.marks[-1].block.rollback)
            self.restore(self.marks[-1])
        else:
            self.do(self.session.rollback)
            self.rolled_back()
        assert not self.session.is_poisoned

    @rule(chance=SELDOM)
    def start_again(self, chance: int) -> None:
        if chance:
            return
        old = [(one, one.managed) for one in self.things]
        self.do(self.session.aclose)
        self.rolled_back()
        for thing, was_managed in old:
            if thing.managed and was_managed:
                assert state(thing.obj) is State.DETACHED
                assert {name: getattr(thing.obj, name) for name in thing.values} == thing.values
            else:
                assert state(thing.obj) is State.TRANSIENT
        self.things.clear()
        self.open()

    # -- what must be true after every step

    @invariant()
    def store_agrees(self) -> None:
        if not hasattr(self, "outside"):
            return
        rows = self.outside("SELECT id, email, name, amount, tags, version FROM fault_accounts")
        assert {row[0]: row[1:4] for row in rows} == {
            key: (values["email"], values["name"], values["amount"])
            for key, (values, _) in self.committed.items()
        }
        for row in rows:
            version = self.committed[row[0]][1]
            assert version in (None, row[5])

    @invariant()
    def memory_agrees(self) -> None:
        if not hasattr(self, "outside"):
            return
        session = self.session
        assert session.new == {one.obj for one in self.things if self.is_pending(one)}
        assert session.dirty == {one.obj for one in self.things if self.is_dirty(one)}
        assert session.deleted == {one.obj for one in self.things if self.is_doomed(one)}
        for thing in self.things:
            obj = thing.obj
            assert {name: getattr(obj, name) for name in thing.values} == thing.values
            if not thing.managed:
                expected = State.TRANSIENT
            elif not thing.wanted:
                expected = State.DELETED
            else:
                expected = State.PENDING if self.is_pending(thing) else State.PERSISTENT
            assert state(obj) is expected
            assert (obj in session) is thing.managed
            if not thing.managed or (expected is State.PENDING and thing.key is None):
                assert obj.id is None
                assert not has(obj, "version")
                assert not has(obj, "grade")
            elif expected is State.PERSISTENT:
                assert obj.id == thing.key
                version = self.store[thing.key or 0][1]
                assert version in (None, obj.version)

    @invariant()
    def pool_agrees(self) -> None:
        if hasattr(self, "outside"):
            stats = self.world.database.pool.stats
            assert stats.in_use == int(self.session.in_transaction)
            assert stats.size <= self.world.database.pool.max_size
