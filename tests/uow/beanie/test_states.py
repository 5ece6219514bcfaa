"""Events, state, revisions, validation and bulk writers; numbers are those of the inventory."""
# mypy: disable-error-code="arg-type, assignment"
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

import datetime as dt
import ipaddress
import pathlib
import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pydantic
import pytest
from bson import Decimal128
from pydantic import Field, SecretStr, field_validator

from tests.support.mongodb import database_of
from uow import Database, Document, QueryError, Session, StaleObjectError, ValidationError
from uow.beanie import (
    ActionConflictResolution,
    After,
    Before,
    BulkWriter,
    Delete,
    Insert,
    Replace,
    Save,
    SaveChanges,
    Update,
    ValidateOnSave,
    after_event,
    before_event,
)
from uow.beanie.exceptions import (
    MergeConflictError,
    RevisionIdWasChanged,
    StateManagementIsTurnedOff,
    StateNotSaved,
)
from uow.beanie.operators import Inc, Set
from uow.errors import MappingError

pytestmark = pytest.mark.anyio


class Inner(pydantic.BaseModel):
    """An embedded value."""

    a: int = 0
    b: int = 0


class Managed(Document):
    """Tells its changes."""

    class Settings:
        use_state_management = True
        state_management_save_previous = True
        use_revision = True

    name: str
    age: int = 0
    inner: Inner = Inner()


class Whole(Document):
    """Tells its changes by whole fields."""

    class Settings:
        use_state_management = True
        state_management_replace_objects = True

    inner: Inner = Inner()
    age: int = 0


class Unmanaged(Document):
    """Does not."""

    name: str = "x"


class Hearing(Document):
    """Has a handler for those below it."""

    class Settings:
        abstract = True

    _log: list[str] = []  # noqa: RUF012 - it is copied

    @after_event(Insert, Save, SaveChanges, Update, Delete)
    def after_all(self) -> None:
        """Note it."""
        self._log.append("after")


class Heard(Hearing):
    """Has handlers of everything."""

    name: str
    age: int = 0
    seen: list[str] = []  # noqa: RUF012 - it is copied

    @before_event(Insert)
    def before_insert_(self) -> None:
        """Note it, and change what is stored."""
        self._log.append("before insert")
        self.age += 1

    @before_event([Save, SaveChanges], Replace)
    async def before_writes(self) -> None:
        """Note it, later."""
        self._log.append("before writes")

    @before_event(Update)
    def before_update_(self) -> None:
        """Note it, and change something else."""
        self._log.append("before update")
        self.seen = ["updated"]

    @before_event(Delete)
    def _before_delete(self) -> None:
        """Note it."""
        self._log.append("before delete")


class Merging(Document):
    """A handler changes what an update may change too."""

    class Settings:
        action_conflict_resolution = ActionConflictResolution.UPDATE_WINS

    age: int = 0
    note: str = ""

    @before_event(Update)
    def raise_age(self) -> None:
        """Change both."""
        self.age = 100
        self.note = "by handler"


class ActionWins(Document):
    """The handler's value is the one."""

    class Settings:
        action_conflict_resolution = ActionConflictResolution.ACTION_WINS

    age: int = 0
    other: int = 0

    @before_event(Update)
    def raise_age(self) -> None:
        """Change one."""
        self.age = 100


class Counting(Document):
    """Counts the calls of its handlers, some of which are of several events."""

    updates: int = 0
    others: int = 0
    note: str = ""
    _after: int = 0

    @before_event(Update)
    def count_update(self) -> None:
        """Of updates alone."""
        self.updates += 1

    @before_event(Insert, Replace, Save)
    def count_other(self) -> None:
        """Of what writes it whole."""
        self.others += 1

    @after_event(Update, Replace)
    def note_after(self) -> None:
        """What follows them."""
        self._after += 1


class Overrides(Document):
    """Only the handler's changes are written."""

    class Settings:
        action_conflict_resolution = ActionConflictResolution.ACTION_OVERRIDE

    age: int = 0
    other: int = 0

    @before_event(Update)
    def raise_age(self) -> None:
        """Change one."""
        self.age = 100


class Refusing(Document):
    """That both change it is an error."""

    class Settings:
        action_conflict_resolution = ActionConflictResolution.RAISE

    age: int = 0

    @before_event(Update)
    def raise_age(self) -> None:
        """Change it."""
        self.age = 100


class Validated(Document):
    """Is checked again when it is saved."""

    class Settings:
        validate_on_save = True

    age: int = Field(0, ge=0)
    name: str = ""
    _validated: int = 0

    @before_event(ValidateOnSave)
    def count_it(self) -> None:
        """Note it."""
        self._validated += 1

    @field_validator("name")
    @classmethod
    def strip(cls, value: str) -> str:
        """Take spaces off."""
        return value.strip()


class Sparse(Document):
    """Stores no nulls, and some values in a form of its own."""

    class Settings:
        keep_nulls = False
        bson_encoders = {SecretStr: lambda one: one.get_secret_value().upper()}  # noqa: RUF012

    name: str | None = None
    secret: SecretStr = SecretStr("")


class Everything(Document):
    """A value of every kind that is stored without asking."""

    ip: ipaddress.IPv4Address = ipaddress.IPv4Address("127.0.0.1")
    path: pathlib.PurePosixPath = pathlib.PurePosixPath("/a")
    day: dt.date = dt.date(2020, 1, 2)
    span: dt.timedelta = dt.timedelta(seconds=90)
    number: Decimal = Decimal("1.5")
    data: bytes = b"x"
    key: Any = None
    kinds: set[int] = {1, 2}  # noqa: RUF012 - it is copied
    pair: tuple[int, str] = (1, "a")
    pattern: re.Pattern[str] = re.compile("^a")
    url: pydantic.AnyUrl = pydantic.AnyUrl("https://x.org/")


ALL = (
    Managed, Whole, Unmanaged, Heard, Merging, ActionWins, Counting, Overrides, Refusing, Validated,
    Sparse, Everything,
)  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client library is for asyncio."""
    return "asyncio"


async def test_state(bound: Database) -> None:
    """72-74, 244-249, 251, 293, 294: what differs is told by path, and given up again."""
    made = Managed(name="ann")
    with pytest.raises(StateNotSaved):
        assert made.is_changed
    assert made.get_saved_state() is None
    await made.insert()

    assert not made.is_changed
    assert made.get_changes() == {}
    made.age = 3
    made.inner.a = 5
    assert made.is_changed
    assert made.get_changes() == {"age": 3, "inner.a": 5}
    saved = made.get_saved_state()
    assert saved is not None
    assert (saved["age"], saved["inner"]["a"]) == (0, 0)
    made.rollback()
    assert not made.is_changed
    assert (made.age, made.inner) == (0, Inner())
    assert isinstance(made.inner, Inner)
    made.age = 4
    await made.save_changes()
    assert not made.is_changed
    assert made.has_changed
    assert made.get_previous_changes() == {"age": 4}
    assert await made.save_changes() is None
    found = await Managed.find_one(Managed.name == "ann")
    assert found is not None
    assert found.get_changes() == {}
    with pytest.raises(StateManagementIsTurnedOff, match="use_state_management = True"):
        Unmanaged().get_changes()
    whole = await Whole().insert()
    whole.inner.b = 2
    assert whole.get_changes() == {"inner": Inner(b=2)}
    with pytest.raises(StateManagementIsTurnedOff, match="state_management_save_previous"):
        whole.get_previous_changes()
    assert Whole.use_state_management()
    assert Whole.state_management_replace_objects()
    assert not Whole.state_management_save_previous()


async def test_state_in_a_session(bound: Database) -> None:
    """248: a rollback of the object leaves nothing to be flushed."""
    async with Session(bound) as session:
        made = Managed(name="ann")
        session.add(made)
        await session.flush()
        made.age = 3
        made.inner.a = 1
        made.rollback()
        assert not session.dirty
        assert made.get_changes() == {}
        await session.commit()


async def test_revisions(bound: Database) -> None:
    """76, 253, 254, 292: who writes an old revision is told, and may insist."""
    made = await Managed(name="ann").insert()
    other = await Managed.get(made.id)
    assert other is not None
    other.age = 5
    await other.save_changes()
    made.age = 6
    with pytest.raises(RevisionIdWasChanged):
        await made.save_changes()
    with pytest.raises(StaleObjectError):
        await made.update(Inc({Managed.age: 1}))
    await made.save_changes(ignore_revision=True)
    stored = await Managed.get(made.id)
    assert stored is not None
    assert stored.age == 6
    stale = await Managed.get(made.id)
    assert stale is not None
    await made.set({Managed.name: "bob"})
    await stale.set({Managed.age: 7}, ignore_revision=True)
    assert (stale.name, stale.age) == ("bob", 7)


async def test_events(bound: Database) -> None:
    """229-238, 243: handlers are called before and after, in time or later, inherited ones too."""
    made = Heard(name="ann")
    await made.insert()

    assert made._log == ["before insert", "after"]
    assert made.age == 1
    made._log.clear()
    made.name = "bob"
    await made.save()
    assert made._log == ["before writes", "before update", "after", "after"]
    assert made.seen == ["updated"]
    made._log.clear()
    made.name = "cid"
    await made.save_changes()
    assert made._log == ["before writes", "before update", "after", "after"]
    made._log.clear()
    await made.delete()
    assert made._log == ["before delete", "after"]
    with pytest.raises(MappingError, match="no event 'Explode'"):
        before_event("Explode")


async def test_events_of_a_session(bound: Database) -> None:
    """231, 236: what a session writes is heard of too."""
    async with Session(bound) as session:
        made = Heard(name="ann")
        session.add(made)
        await session.commit()
        assert made._log == ["before insert", "after"]
        made._log.clear()
        made.name = "bob"
        session.delete(made)
        await session.commit()
    assert made._log == ["before delete", "after"]


async def test_skipped_events(bound: Database) -> None:
    """239, 240: handlers are left out by direction or name."""
    made = Heard(name="ann")
    await made.insert(skip_actions=[After])
    assert made._log == ["before insert"]
    made._log.clear()
    made.name = "bob"
    await made.save(skip_actions=["before_writes", "before_update_"])
    assert made._log == ["after", "after"]
    made._log.clear()
    await made.set({Heard.age: 9}, skip_actions=[Before, After])
    assert made._log == []
    await made.delete(skip_actions=[Before, "after_all"])
    assert made._log == []
    with pytest.raises(QueryError, match="skip_actions takes"):
        await Heard(name="x").insert(skip_actions=[3])


async def test_handlers_of_updates(bound: Database) -> None:
    """89, 241, 242: what handlers change goes with the update; what both change is settled."""
    one = await Merging().insert()
    await one.set({Merging.age: 5})
    assert (one.age, one.note) == (5, "by handler")

    two = await ActionWins().insert()
    await two.update(Set({ActionWins.age: 5, ActionWins.other: 6}))
    assert (two.age, two.other) == (100, 6)

    three = await Overrides().insert()
    await three.set({Overrides.age: 5, Overrides.other: 6})
    assert (three.age, three.other) == (100, 0)

    four = await Refusing().insert()
    with pytest.raises(MergeConflictError) as caught:
        await four.set({Refusing.age: 5})
    assert caught.value.conflicting_fields == ["age"]
    stored = await Refusing.get(four.id)
    assert stored is not None
    assert stored.age == 0


async def test_a_verb_calls_a_handler_once(bound: Database) -> None:
    """230, 241: the flush in a verb does not call again what the verb calls itself."""
    made = await Counting().save()
    assert (made.updates, made.others) == (0, 1)

    await made.set({Counting.note: "a"})
    assert (made.updates, made._after) == (1, 1)
    stored = await Counting.get(made.id)
    assert stored is not None
    assert stored.updates == 1
    made.note = "b"
    await made.replace()
    assert (made.others, made._after) == (2, 2)
    async with Session(bound) as session:
        session.add(made)
        made.note = "c"
        await session.commit()
    assert (made.updates, made._after) == (3, 3)


async def test_validate_on_save(bound: Database) -> None:
    """75, 256: values are checked when they are saved, and stand-ins are replaced."""
    made = await Validated(age=1).insert()
    assert made._validated == 1
    made.age = "7"
    made.name = " ann "
    await made.save()
    assert (made.age, made.name) == (7, "ann")
    made.age = -1
    with pytest.raises(ValidationError, match=r"Validated\.age"):
        await made.save_changes()
    stored = await Validated.get(made.id)
    assert stored is not None
    assert stored.age == 7
    with pytest.raises(ValidationError):
        await made.validate_self()


async def test_encoding(bound: Database) -> None:
    """71, 80, 98, 257, 258: nulls are left out, encoders are for queries too, all comes back."""
    made = Sparse(name="ann", secret=SecretStr("x"))
    await made.insert()
    with database_of(str(bound.url)) as store:
        assert store.Sparse.find_one()["secret"] == "X"
        made.name = None
        await made.save()
        assert "name" not in store.Sparse.find_one()
        assert await Sparse.find(Sparse.secret == SecretStr("x")).count() == 1
        all_ = await Everything(key=uuid4()).insert()
        stored = store.Everything.find_one()
        assert isinstance(stored["number"], Decimal128)
        assert stored["ip"] == "127.0.0.1"
        assert stored["url"] == "https://x.org/"
    found = await Everything.get(all_.id)
    assert found is not None
    for name in ("ip", "path", "day", "span", "number", "data", "kinds", "pair", "pattern", "url"):
        assert getattr(found, name) == getattr(all_, name), name


async def test_bulk_writer(bound: Database) -> None:
    """224-228, 31-34: writes are collected, sent together, all of them or none."""
    async with BulkWriter() as bulk_writer:
        for n in range(3):
            await Unmanaged.insert_one(Unmanaged(name=f"n{n}"), bulk_writer=bulk_writer)
        assert await Unmanaged.count() == 0
        assert len(repr(bulk_writer)) > 0
    assert bulk_writer.result is not None
    assert bulk_writer.result.inserted_count == 3
    assert await Unmanaged.count() == 3

    first, second, third = await Unmanaged.find_all(sort="name").to_list()
    async with BulkWriter(ordered=False, comment="here") as bulk_writer:
        first.name = "first"
        await first.save_changes(bulk_writer=bulk_writer)
        await second.update({"$set": {"name": "second"}}, bulk_writer=bulk_writer)
        await third.delete(bulk_writer=bulk_writer)
        await Unmanaged.find(Unmanaged.name == "n1").set({"name": "x"}, bulk_writer=bulk_writer)
        await Unmanaged.find_one(Unmanaged.name == "zz").delete(bulk_writer=bulk_writer)
        result = await bulk_writer.commit()
    assert result is not None
    assert (result.matched_count, result.modified_count, result.deleted_count) == (2, 2, 1)
    found = await Unmanaged.find_all(sort="name").to_list()
    assert [one.name for one in found] == ["first", "second"]

    with pytest.raises(ValueError, match="of one collection"):
        async with BulkWriter(object_class=Unmanaged) as bulk_writer:
            await Unmanaged.insert_one(Unmanaged(), bulk_writer=bulk_writer)
            await Whole().insert(bulk_writer=bulk_writer)
    assert await Unmanaged.count() == 2
    assert await BulkWriter().commit() is None
    with pytest.raises(QueryError, match="gives no documents back"):
        await Unmanaged.find_one().update(
            {"$set": {"name": "x"}}, bulk_writer=BulkWriter(), response_type="NEW_DOCUMENT"
        )


async def test_bulk_writer_of_a_class(bound: Database) -> None:
    """48, 49, 60: a class gives its writer; what is none of its objects is refused by name."""
    async with Merging.bulk_writer(ordered=False) as bulk_writer:
        await Merging.insert_one(Merging(age=3), bulk_writer=bulk_writer)
        with pytest.raises(QueryError, match="is for Merging, not for Overrides"):
            await Overrides.insert_one(Overrides(), bulk_writer=bulk_writer)
    assert await Merging.find(Merging.age == 3).count() == 1
    wrong: Any = {"age": 3}
    with pytest.raises(QueryError, match="insert_one takes a Merging, not a dict"):
        await Merging.insert_one(wrong)
    with pytest.raises(QueryError, match="insert_many takes Mergings, not a dict"):
        await Merging.insert_many([Merging(), wrong])
    assert await Merging.count() == 1


async def test_bulk_writer_in_a_transaction(bound: Database) -> None:
    """224: a bulk write in a session is of its unit."""
    async with Session(bound) as session:
        async with BulkWriter(session) as bulk_writer:
            await Unmanaged.insert_one(Unmanaged(), bulk_writer=bulk_writer)
            await Unmanaged.update_all({"$set": {"name": "y"}}, bulk_writer=bulk_writer)
        assert await Unmanaged.find(Unmanaged.name == "y").count() == 1
        await session.rollback()
    assert await Unmanaged.count() == 0
