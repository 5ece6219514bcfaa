"""Rows that wait for each other in a circle, and rows that wait for keys (U7, traps 23 to 25)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.contract.sent import Sent, rows
from uow import (
    Column,
    ConstraintError,
    Database,
    FlushCycleError,
    InvalidUnitError,
    Mapped,
    Registry,
    Session,
    StaleObjectError,
    Table,
    debug,
    update,
)
from uow.mapping.mapper import mapper_of
from uow.session import parking
from uow.session.late import LateKeys
from uow.session.plan import make_plan
from uow.statement import Many
from uow.types import Integer

pytestmark = [pytest.mark.anyio, pytest.mark.needs("table_classes")]

registry = Registry()


class Base(Table):
    class Settings:
        abstract = True
        registry = registry


class Suit(enum.Enum):
    HEARTS = "hearts"
    SPADES = "spades"


class Person(Base):
    """Refers to others, and to itself, by keys that the store makes."""

    class Settings:
        name = "circle_persons"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str] = Column(unique=True, max_length=20)
    friend_id: Mapped[int | None] = Column(foreign_key="circle_persons.id", default=None)
    friends: Mapped[int] = Column(generated="coalesce(friend_id, 0)")
    version: Mapped[int] = Column(version=True)


class Letter(Base):
    """Belongs to a person; its key is made by the store too."""

    class Settings:
        name = "circle_letters"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    sender_id: Mapped[int] = Column(foreign_key="circle_persons.id")
    answers_id: Mapped[int | None] = Column(foreign_key="circle_letters.id", default=None)


class Bead(Base):
    """Refers to another, always."""

    class Settings:
        name = "circle_beads"

    id: Mapped[int] = Column(primary_key=True)
    next_id: Mapped[int] = Column(foreign_key="circle_beads.id")


class Numbered(Base):
    """Refers to another, always, by a key that the store makes."""

    class Settings:
        name = "circle_numbered"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    next_id: Mapped[int] = Column(foreign_key="circle_numbered.id")


class Thing(Base):
    """Unique values of many types."""

    class Settings:
        name = "circle_things"

    id: Mapped[int] = Column(primary_key=True)
    word: Mapped[str] = Column(unique=True, max_length=2)
    name: Mapped[str] = Column(unique=True, max_length=40)
    number: Mapped[int] = Column(unique=True)
    small: Mapped[int] = Column(type=Integer(16), unique=True)
    key: Mapped[UUID] = Column(unique=True)
    data: Mapped[bytes] = Column(unique=True, max_length=8)
    day: Mapped[date] = Column(unique=True)
    moment: Mapped[datetime] = Column(unique=True)
    local: Mapped[datetime] = Column(unique=True, timezone=False)
    hour: Mapped[time] = Column(unique=True)
    price: Mapped[Decimal] = Column(unique=True, precision=8, scale=2)
    rank: Mapped[int | None] = Column(unique=True)
    version: Mapped[int] = Column(version=True)


class Checked(Base):
    """Unique values that checks and types leave little room for."""

    class Settings:
        name = "circle_checked"

    id: Mapped[int] = Column(primary_key=True)
    positive: Mapped[int] = Column(unique=True, check="positive > 0")
    tight: Mapped[int] = Column(unique=True, check="tight BETWEEN 1 AND 3")
    odd: Mapped[int] = Column(unique=True, check="odd % 2 = 1")
    suit: Mapped[Suit] = Column(unique=True)


class Spot(Base):
    """Unique over two fields, of which one cannot vary."""

    class Settings:
        name = "circle_spots"
        constraints = ({"unique": ["suit", "number"]},)

    id: Mapped[int] = Column(primary_key=True)
    suit: Mapped[Suit]
    number: Mapped[int]


class Pass(Base):
    """A unique value, and a reference that cannot be NULL."""

    class Settings:
        name = "circle_passes"

    id: Mapped[int] = Column(primary_key=True)
    code: Mapped[str] = Column(unique=True, max_length=12)
    person_id: Mapped[int] = Column(foreign_key="circle_persons.id")


class Seat(enum.Enum):
    """So few that there is never a value to spare."""

    NORTH = "north"
    EAST = "east"
    SOUTH = "south"
    WEST = "west"


class Player(Base):
    """Has a unique value that cannot be parked."""

    class Settings:
        name = "circle_players"

    id: Mapped[int] = Column(primary_key=True)
    seat: Mapped[Seat] = Column(unique=True)


class Game(Base):
    """Refers to two others, always."""

    class Settings:
        name = "circle_games"

    id: Mapped[int] = Column(primary_key=True)
    first_id: Mapped[int] = Column(foreign_key="circle_players.id")
    second_id: Mapped[int] = Column(foreign_key="circle_players.id")
    version: Mapped[int] = Column(version=True)


MODELS = (Person, Letter, Bead, Numbered, Thing, Checked, Spot, Pass, Player, Game)


@pytest.fixture
async def tables(database: Database) -> Database:
    """The tables of this module."""
    await database.create_all(MODELS)
    return database


async def store(database: Database, *objects: Any) -> None:
    """Store objects with a session of their own."""
    async with Session.begin(database) as session:
        session.add_all(objects)


def updated(sent: Sent) -> int:
    """How many rows were updated."""
    count = 0
    for one in sent:
        if not isinstance(one, str) and one.sql.startswith("UPDATE"):
            count += len(one.rows) if isinstance(one, Many) else 1
    return count


# -- unique values that are swapped

VALUES: dict[str, Callable[[int], Any]] = {
    "word": lambda n: chr(96 + n) * 2,
    "name": lambda n: f"name {n}",
    "number": lambda n: n,
    "small": lambda n: n,
    "key": lambda n: UUID(int=n),
    "data": lambda n: bytes([n]),
    "day": lambda n: date(2024, 1, n),
    "moment": lambda n: datetime(2024, 1, n, tzinfo=UTC),
    "local": lambda n: datetime(2024, 1, n),  # noqa: DTZ001
    "hour": lambda n: time(n),
    "price": lambda n: Decimal(n) / 4,
    "rank": lambda n: n,
}


def things(count: int) -> list[Thing]:
    """Things whose values all differ."""
    return [
        Thing(id=n, **{name: make(n) for name, make in VALUES.items()}) for n in range(1, count + 1)
    ]


async def test_values_are_rotated(tables: Database, sent: Sent) -> None:
    """Trap 24: unique values of rows go round in one flush; one row is written twice."""
    await store(tables, *things(3))
    async with Session(tables) as session:
        found = await session.find(Thing).order_by(Thing.id).to_list()
        for number, name in enumerate(VALUES, 2):
            values = [getattr(one, name) for one in found]
            rotated = [*values[1:], values[0]]
            for one, value in zip(found, rotated, strict=True):
                setattr(one, name, value)
            sent.clear()
            await session.flush()

            assert updated(sent) == 4, name
            assert [getattr(one, name) for one in found] == rotated
            assert [one.version for one in found] == [number] * 3
        await session.commit()

    for name in VALUES:
        column = getattr(Thing, name)
        assert [value for _, value in await rows(tables, Thing.id, column)] == [
            getattr(one, name) for one in found
        ]


async def test_values_of_every_type_are_rotated_at_once(tables: Database, sent: Sent) -> None:
    """A row that gives up values of many fields is parked once."""
    await store(tables, *things(3))
    async with Session(tables) as session:
        found = await session.find(Thing).order_by(Thing.id).to_list()
        for name in VALUES:
            values = [getattr(one, name) for one in found]
            for one, value in zip(found, [*values[1:], values[0]], strict=True):
                setattr(one, name, value)
        sent.clear()
        await session.commit()

        assert updated(sent) == 4
    assert [number for _, number in await rows(tables, Thing.id, Thing.number)] == [2, 3, 1]


async def test_many_swaps_are_parked_together(tables: Database, sent: Sent) -> None:
    """Rows of many circles give up their values in one step, one row a circle."""
    await store(tables, *things(10))
    async with Session(tables) as session:
        found = await session.find(Thing).order_by(Thing.id).to_list()
        for one, two in zip(found[::2], found[1::2], strict=True):
            one.number, two.number = two.number, one.number
        plan = debug.plan(session)

        assert [(step.form.role.value, len(step.objects)) for step in plan.steps] == [
            ("park", 5),
            ("main", 10),
        ]
        await session.commit()

    assert [number for _, number in await rows(tables, Thing.id, Thing.number)] == [
        2, 1, 4, 3, 6, 5, 8, 7, 10, 9,
    ]  # fmt: skip


async def test_parked_values_are_nobodys(
    tables: Database, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where values are few the store is asked which are free, before anything is written."""
    drawn: list[int] = []

    def numbers(type_: object) -> Iterator[int]:
        for number in range(1, 50):
            drawn.append(number)
            yield number

    monkeypatch.setattr(parking, "_drawn", numbers)
    await store(tables, *things(5))
    async with Session(tables) as session:
        found = await session.find(Thing).order_by(Thing.id).limit(2).to_list()
        found[0].small, found[1].small = 2, 1
        sent.clear()
        await session.commit()

    assert max(drawn) >= 6
    assert sent.words[:3] == ["BEGIN", "SELECT", "SELECT"]
    assert [small for _, small in await rows(tables, Thing.id, Thing.small)] == [2, 1, 3, 4, 5]


async def test_no_value_is_free(
    tables: Database, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If all values that were tried are taken, that is the error, and nothing was written."""
    monkeypatch.setattr(parking, "_drawn", lambda type_: iter(range(1, 6)))
    await store(tables, *things(5))
    async with Session(tables) as session:
        found = await session.find(Thing).order_by(Thing.id).limit(2).to_list()
        found[0].small, found[1].small = 2, 1
        sent.clear()
        with pytest.raises(FlushCycleError, match=r"Thing\.small") as caught:
            await session.commit()

        assert len(caught.value.objects) == 1
        assert sent.writes == []
        assert session.dirty == set(found)
        monkeypatch.undo()
        await session.commit()

    assert [small for _, small in await rows(tables, Thing.id, Thing.small)] == [2, 1, 3, 4, 5]


async def test_checks_are_kept(tables: Database, sent: Sent) -> None:
    """A parked value passes the checks; where that leaves no room, it is the error."""
    cards = [
        Checked(id=1, positive=1, tight=1, odd=1, suit=Suit.HEARTS),
        Checked(id=2, positive=2, tight=2, odd=3, suit=Suit.SPADES),
    ]
    await store(tables, *cards)
    async with Session(tables) as session:
        one, two = await session.find(Checked).order_by(Checked.id).to_list()
        one.positive, two.positive = 2, 1
        one.tight, two.tight = 2, 1
        await session.commit()

        for name in ("odd", "suit"):
            first, second = getattr(one, name), getattr(two, name)
            setattr(one, name, second)
            setattr(two, name, first)
            sent.clear()
            with pytest.raises(FlushCycleError, match=rf"circle_checked \({name}\)") as caught:
                await session.commit()

            assert set(caught.value.objects) == {one, two}
            assert "<Checked id=1>" in str(caught.value)
            assert sent == []
            await session.rollback()

    stored = await rows(tables, Checked.id, Checked.positive, Checked.tight, Checked.odd)
    assert stored == [(1, 2, 2, 1), (2, 1, 1, 3)]


async def test_one_field_of_a_pair_is_parked(tables: Database) -> None:
    """Of values that are unique together the one that can vary gives way."""
    spots = [Spot(id=1, suit=Suit.HEARTS, number=1), Spot(id=2, suit=Suit.SPADES, number=2)]
    await store(tables, *spots)
    async with Session(tables) as session:
        one, two = await session.find(Spot).order_by(Spot.id).to_list()
        one.suit, one.number, two.suit, two.number = two.suit, two.number, one.suit, one.number
        await session.commit()

    assert await rows(tables, Spot.id, Spot.number, Spot.suit) == [
        (1, 2, Suit.SPADES),
        (2, 1, Suit.HEARTS),
    ]


async def test_a_field_that_stays_is_no_help(tables: Database) -> None:
    """If only the field that cannot vary changes, the other is parked and put back."""
    spots = [Spot(id=1, suit=Suit.HEARTS, number=1), Spot(id=2, suit=Suit.SPADES, number=1)]
    await store(tables, *spots)
    async with Session(tables) as session:
        one, two = await session.find(Spot).order_by(Spot.id).to_list()
        one.suit, two.suit = two.suit, one.suit
        await session.commit()

    assert await rows(tables, Spot.id, Spot.number, Spot.suit) == [
        (1, 1, Suit.SPADES),
        (2, 1, Suit.HEARTS),
    ]


async def test_a_failed_swap_is_tried_again(tables: Database) -> None:
    """After a failed flush nothing of the parked values is left, in memory or in the store."""
    await store(tables, *things(3))
    async with Session(tables) as session:
        one, two, three = await session.find(Thing).order_by(Thing.id).to_list()
        one.number, two.number = 2, 1
        three.name = "name 1"
        with pytest.raises(ConstraintError):
            await session.commit()

        assert (one.number, two.number, one.version) == (2, 1, 1)
        assert session.dirty == {one, two, three}
        three.name = "fresh"
        await session.commit()

        assert (one.version, two.version, three.version) == (2, 2, 2)
    assert [number for _, number in await rows(tables, Thing.id, Thing.number)] == [2, 1, 3]


async def test_a_row_that_went_stale_meanwhile(tables: Database) -> None:
    """A row that another session changed is stale in a swap as elsewhere."""
    await store(tables, *things(2))
    async with Session(tables) as session:
        one, two = await session.find(Thing).order_by(Thing.id).to_list()
        await session.commit()
        async with Session.begin(tables) as other:
            await other.execute(update(Thing).set({"name": "other"}).where(Thing.id == 2))
        one.number, two.number = 2, 1
        with pytest.raises(StaleObjectError) as caught:
            await session.commit()

        assert [*caught.value.objects] == [two]
        await session.rollback()


@pytest.mark.needs("partial_indexes")
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_a_partial_index_is_left_and_entered(
    database: Database, models: Any, order: tuple[int, int]
) -> None:
    """Of two rows of one UPDATE the one that leaves a partial index is written first."""
    ticket = models.Ticket
    leaves, enters = order
    await store(
        database,
        ticket(id=leaves, code="a", is_open=True),
        ticket(id=enters, code="a", is_open=False),
        *(ticket(id=n, code=str(n)) for n in range(10, 30)),
    )
    async with Session(database) as session:
        for one in await session.find(ticket).to_list():
            one.is_open = not one.is_open
        await session.commit()

        for one in await session.find(ticket).to_list():
            one.is_open = not one.is_open
        await session.commit()

    stored = dict(await rows(database, ticket.id, ticket.is_open))
    assert [stored[leaves], stored[enters]] == [True, False]


@pytest.mark.needs("partial_indexes")
async def test_values_alike_only_to_the_store(database: Database, models: Any) -> None:
    """Values that an index's expression makes equal are swapped as well."""
    ticket = models.Ticket
    await store(
        database,
        ticket(id=1, code="a", owner="Ann"),
        ticket(id=2, code="b", owner="bob"),
        ticket(id=3, code="c", owner="CY"),
    )
    async with Session(database) as session:
        one, two, three = await session.find(ticket).order_by(ticket.id).to_list()
        one.owner, two.owner, three.owner = "BOB", "cy", "ann"
        await session.commit()

    assert [owner for _, owner in await rows(database, ticket.id, ticket.owner)] == [
        "BOB",
        "cy",
        "ann",
    ]


# -- references in circles


async def test_circle_that_cannot_be_broken(tables: Database, sent: Sent) -> None:
    """Rows whose keys may not be NULL are refused with the rows and the constraint named."""
    beads = [Bead(id=1, next_id=2), Bead(id=2, next_id=3), Bead(id=3, next_id=1)]
    async with Session(tables) as session:
        session.add_all([*beads, Bead(id=4, next_id=1)])
        with pytest.raises(FlushCycleError, match=r"circle_beads \(next_id\)") as caught:
            await session.commit()

        assert set(caught.value.objects) == set(beads)
        assert all(f"<Bead id={number}>" in str(caught.value) for number in (1, 2, 3))
        assert "<Bead id=4>" not in str(caught.value)
        assert sent == []
        beads[2].next_id = 3
        await session.commit()

    assert await rows(tables, Bead.id, Bead.next_id) == [(1, 2), (2, 3), (3, 3), (4, 1)]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_changed_row_is_written_in_two_parts(tables: Database, waits: bool) -> None:
    """U7: what lets go by one column and refers by another is written in two parts."""
    north, east, south = (
        Player(id=number, seat=seat) for number, seat in enumerate([*Seat][:3], 1)
    )
    game = Game(id=1, first_id=2, second_id=1)
    await store(tables, north, east, south)
    await store(tables, game)
    heard: list[str] = []
    async with Session(tables) as session:
        session.on("after_update", lambda _, one: heard.append(type(one).__name__))
        found = await session.get_one(Game, 1)
        session.delete(await session.get_one(Player, 2))
        session.add(Player(id=4, seat=Seat.EAST))  # which the deleted one has until it is gone
        if waits:  # and what it refers to instead is not there either
            session.add(Player(id=5, seat=Seat.WEST))
        found.first_id = 5 if waits else 3
        found.second_id = 4
        await session.flush()
        assert found.version == 2
        await session.commit()
    wanted = [(5 if waits else 3, 4, 2)]
    assert await rows(tables, Game.first_id, Game.second_id, Game.version) == wanted
    assert heard == ["Game"]

    async with Session(tables) as session:  # by one column there is no order
        found = await session.get_one(Game, 1)
        session.delete(await session.get_one(Player, 4))
        session.add(Player(id=6, seat=Seat.EAST))
        found.second_id = 6
        with pytest.raises(FlushCycleError, match=r"circle_games \(second_id\)"):
            await session.commit()
        await session.rollback()


async def test_a_row_that_refers_to_itself_is_deleted(tables: Database, sent: Sent) -> None:
    """Where the store deletes no such row the error says what to do, and that does it."""
    await store(tables, Bead(id=1, next_id=1), Bead(id=2, next_id=2))
    async with Session(tables) as session:
        one, other = await session.find(Bead).order_by(Bead.id).to_list()
        session.delete(one)
        if not tables.dialect.capabilities.deletes_own_referrer:
            sent.clear()
            with pytest.raises(FlushCycleError, match="refers to itself") as caught:
                await session.commit()
            assert caught.value.objects == (one,)
            assert sent == []
            session.add(one)
            one.next_id = other.id
            await session.flush()
            session.delete(one)
        await session.commit()
    assert await rows(tables, Bead.id, Bead.next_id) == [(2, 2)]


async def test_rows_to_delete_refer_to_each_other(tables: Database, sent: Sent) -> None:
    """A key is NULL before the row it is to goes; one that cannot be is the error."""
    ann, bob = Person(name="ann"), Person(name="bob")
    await store(tables, ann, bob)
    async with Session(tables) as session:
        one, two = await session.find(Person).order_by(Person.id).to_list()
        one.friend_id, two.friend_id = two.id, one.id
        await session.commit()
        session.delete(one)
        session.delete(two)
        sent.clear()
        await session.commit()

        assert updated(sent) == 1
        assert sent.writes.count("DELETE") >= 1
        beads = [Bead(id=1, next_id=1), Bead(id=2, next_id=1)]
        session.add_all(beads)
        await session.commit()
        beads[0].next_id = 2
        await session.commit()
        for bead in beads:
            session.delete(bead)
        sent.clear()
        with pytest.raises(FlushCycleError) as caught:
            await session.commit()

        assert set(caught.value.objects) == set(beads)
        assert sent == []
        await session.rollback()

    assert await rows(tables, Person.id) == []


async def test_hub_and_spokes_are_deleted(tables: Database, sent: Sent) -> None:
    """Of the ways to break a circle the one that writes fewest rows is taken."""
    hub = Person(name="hub")
    await store(tables, hub)
    await store(tables, *(Person(name=str(n), friend_id=hub.id) for n in range(20)))
    async with Session(tables) as session:
        found = await session.find(Person).order_by(Person.id).to_list()
        found[0].friend_id = found[-1].id
        await session.commit()
        for one in found:
            session.delete(one)
        sent.clear()
        await session.commit()

    assert updated(sent) == 1
    assert await rows(tables, Person.id) == []


async def test_updates_close_a_circle(tables: Database) -> None:
    """A new row takes the name of one that comes to refer to it."""
    ann = Person(name="ann")
    await store(tables, ann)
    async with Session(tables) as session:
        one = await session.get_one(Person, ann.id)
        new = Person(name="ann")
        new.id = 1000
        session.add(new)
        one.name, one.friend_id = "old", 1000
        await session.commit()

        assert (new.version, one.version) == (1, 2)
    assert await rows(tables, Person.name, Person.friend_id) == [("ann", None), ("old", 1000)]


async def test_a_parent_is_replaced(tables: Database) -> None:
    """A child moves from a row that goes to a new one that takes over its unique name."""
    old = Person(name="ann")
    await store(tables, old)
    await store(tables, Pass(id=1, code="x", person_id=old.id))
    async with Session(tables) as session:
        one = await session.get_one(Pass, 1)
        session.delete(await session.get_one(Person, old.id))
        new = Person(name="ann")
        new.id = old.id + 1
        session.add(new)
        one.person_id = new.id
        await session.commit()

    assert await rows(tables, Pass.id, Pass.person_id) == [(1, new.id)]
    assert await rows(tables, Person.id, Person.name) == [(new.id, "ann")]


# -- keys that are known late


@pytest.fixture
def promise(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Promise that a field will hold the key of another object, as relations do."""
    promises: list[tuple[Any, str, Any]] = []

    def planned(ledger: Any, codecs: Any, **_: Any) -> Any:
        late = LateKeys()
        for child, name, parent in promises:
            key = mapper_of(parent).by_attribute["id"]
            if parent.id is None:
                late.promise(child, mapper_of(child).by_attribute[name], parent, key)
        return make_plan(ledger, codecs, late)

    monkeypatch.setattr("uow.session.unit.make_plan", planned)
    monkeypatch.setattr("uow.session.session.make_plan", planned)
    return lambda child, name, parent: promises.append((child, name, parent))


async def test_key_of_a_new_parent(
    tables: Database, sent: Sent, promise: Callable[..., None]
) -> None:
    """Parents with keys of the store's and children that refer to them are one flush."""
    persons = [Person(name=str(number)) for number in range(5)]
    letters = [Letter(sender_id=-1) for _ in range(10)]
    for number, letter in enumerate(letters):
        promise(letter, "sender_id", persons[number // 2])
    async with Session(tables) as session:
        session.add_all([*letters, *persons])
        await session.commit()

        assert sent.writes == ["INSERT", "INSERT"]
        assert [one.sender_id for one in letters] == [persons[n // 2].id for n in range(10)]
        sent.clear()
        await session.commit()
        assert sent == []
    assert await rows(tables, Letter.id, Letter.sender_id) == [
        (one.id, one.sender_id) for one in letters
    ]


async def test_generations_of_new_rows(
    tables: Database, sent: Sent, promise: Callable[..., None]
) -> None:
    """A tree of new rows in one table takes one statement a generation."""
    persons = [Person(name="0")]
    for number in range(1, 31):
        persons.append(Person(name=str(number)))
        promise(persons[-1], "friend_id", persons[(number - 1) // 2])
    async with Session(tables) as session:
        session.add_all(persons[::-1])
        await session.commit()

        assert sent.writes == ["INSERT"] * 5
    ids = {one.id: one.name for one in persons}
    assert await rows(tables, Person.id, Person.friend_id, Person.friends) == sorted(
        (one.id, one.friend_id, one.friend_id or 0) for one in persons
    )
    assert all(
        ids[one.friend_id] == str((int(one.name) - 1) // 2)
        for one in persons
        if one.friend_id is not None
    )


async def test_new_row_that_refers_to_itself(
    tables: Database, sent: Sent, promise: Callable[..., None]
) -> None:
    """The key of a row is made first, and then put into the row."""
    ann, bob, cy = Person(name="ann"), Person(name="bob"), Person(name="cy")
    promise(ann, "friend_id", ann)
    promise(bob, "friend_id", cy)
    promise(cy, "friend_id", bob)
    heard: list[str] = []
    async with Session(tables) as session:
        session.on("after_insert", lambda _, one: heard.append(f"new {one.name}"))
        session.on("after_update", lambda _, one: heard.append(f"changed {one.name}"))
        session.add_all([ann, bob, cy])
        await session.commit()

        assert (ann.friend_id, ann.friends, ann.version) == (ann.id, ann.id, 1)
        assert (bob.friend_id, cy.friend_id) == (cy.id, bob.id)
        assert (bob.friends, cy.friends, cy.version) == (cy.id, bob.id, 1)
        ann.name = "Ann"
        await session.commit()

    assert sorted(heard) == ["changed Ann", "new ann", "new bob", "new cy"]
    assert await rows(tables, Person.name, Person.friend_id, Person.version) == [
        ("Ann", ann.id, 2),
        ("bob", cy.id, 1),
        ("cy", bob.id, 1),
    ]


async def test_own_key_that_may_not_be_null(
    tables: Database, sent: Sent, promise: Callable[..., None]
) -> None:
    """A row that must refer to itself by a key the store makes cannot be stored."""
    one = Numbered(next_id=-1)
    promise(one, "next_id", one)
    async with Session(tables) as session:
        session.add(one)
        with pytest.raises(FlushCycleError, match=r"circle_numbered \(next_id\)") as caught:
            await session.commit()

        assert caught.value.objects == (one,)
        assert sent == []
        assert one.next_id == -1
        await session.rollback()


async def test_stored_row_gets_a_new_key(
    tables: Database, sent: Sent, promise: Callable[..., None]
) -> None:
    """A stored row comes to refer to a new one; to the user that is one change of it."""
    ann = Person(name="ann")
    await store(tables, ann)
    async with Session(tables) as session:
        found = await session.get_one(Person, ann.id)
        new = Person(name="new")
        session.add(new)
        promise(found, "friend_id", new)
        sent.clear()
        await session.flush()

        assert sent.writes == ["INSERT", "UPDATE"]
        assert (found.friend_id, found.friends, found.version) == (new.id, new.id, 2)
        await session.rollback()

        assert [found.friend_id, found.version] == [None, 1]
        await session.commit()
    assert await rows(tables, Person.name, Person.friend_id) == [("ann", None)]


async def test_failed_flush_takes_keys_back(tables: Database, promise: Callable[..., None]) -> None:
    """What referred to a new row does not keep its key when the flush fails; it is tried again."""
    await store(tables, Person(name="taken"), Person(name="stored"))
    async with Session(tables) as session:
        stored = await session.find(Person, Person.name == "stored").one()
        new, child, clash = Person(name="new"), Person(name="child"), Person(name="fine")
        letter = Letter(sender_id=-1)
        promise(child, "friend_id", new)
        promise(stored, "friend_id", child)
        promise(letter, "sender_id", child)
        async with session.begin_nested() as savepoint:
            session.add_all([child, new, clash, letter])
            await session.flush()
            assert child.friend_id == new.id
            assert stored.friend_id == child.id
            stored.name = "renamed"
            await savepoint.rollback()

        given: list[Any] = [new.id, child.id, child.friend_id, letter.sender_id]
        assert given == [None, None, None, -1]
        assert [stored.friend_id, stored.name] == [None, "stored"]
        session.add_all([child, new, clash, letter])
        clash.name = "taken"
        with pytest.raises(ConstraintError):
            await session.commit()

        given = [new.id, child.id, child.friend_id, letter.sender_id]
        assert given == [None, None, None, -1]
        assert stored.friend_id is None
        clash.name = "fine"
        await session.commit()

        assert letter.sender_id == child.id
    assert await rows(tables, Person.name, Person.friend_id) == [
        ("child", new.id),
        ("fine", None),
        ("new", None),
        ("stored", child.id),
        ("taken", None),
    ]


async def test_promise_of_what_is_not_stored(
    tables: Database, sent: Sent, promise: Callable[..., None]
) -> None:
    """A key of an object that is not in the session is never known: the error says of which."""
    letter = Letter(sender_id=-1)
    promise(letter, "sender_id", Person(name="elsewhere"))
    async with Session(tables) as session:
        session.add(letter)
        with pytest.raises(InvalidUnitError, match=r"Letter\.sender_id"):
            await session.commit()

        assert sent == []
        await session.rollback()


# -- the plan


async def test_plan_as_text_and_graph(tables: Database, sent: Sent) -> None:
    """The plan shows, before anything is sent, which rows are written twice, and why."""
    one, two = Person(name="a", friend_id=2), Person(name="b", friend_id=1)
    one.id, two.id = 1, 2
    async with Session(tables) as session:
        session.add_all([one, two, Letter(sender_id=1)])
        plan = debug.plan(session)

        assert str(plan) == (
            "1. INSERT circle_persons (id, name, friend_id): 2 rows\n"
            "2. INSERT circle_letters (sender_id, answers_id): 1 row\n"
            "3. UPDATE circle_persons (friend_id): 1 row, fix-up"
        )
        assert plan.mermaid().splitlines() == [
            "flowchart TD",
            '    s1["1. INSERT circle_persons (id, name, friend_id): 2 rows"]',
            '    s2["2. INSERT circle_letters (sender_id, answers_id): 1 row"]',
            '    s3["3. UPDATE circle_persons (friend_id): 1 row, fix-up"]',
            "    s1 --> s2",
            "    s2 --> s3",
            '    s1 -.->|"circle_letters (sender_id)"| s2',
            '    s1 -.->|"circle_persons (friend_id)"| s3',
        ]
        assert sent == []
        await session.commit()

        assert debug.plan(session).mermaid() == 'flowchart TD\n    s0["nothing to flush"]'
