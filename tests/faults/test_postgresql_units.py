"""Units of work that fail or clash in PostgreSQL, and what is true then (F43-F52, F74)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from tests.faults.models import Account
from tests.faults.postgresql import PostgreSQLWorld
from uow import (
    Column,
    ConstraintError,
    ConstraintKind,
    DriverError,
    Mapped,
    Outcome,
    RetryableError,
    Session,
    StaleObjectError,
    Table,
    TransactionPoisonedError,
    UowError,
    ValidationError,
    func,
    run,
    sql,
)
from uow.drivers._asyncpg_connection import AsyncpgConnection
from uow.drivers.base import TransactionOptions
from uow.errors import Phase
from uow.statement import Statement

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


def bad_condition() -> Any:
    """A condition that the server refuses."""
    return func.no_such_function(Account.id) > 1


# -- F43: errors that are swallowed


async def test_commit_of_a_failed_transaction(postgresql: PostgreSQLWorld) -> None:
    """F43, V1, R5: a COMMIT that the server answers with ROLLBACK is an error, not a success."""
    pool = postgresql.database.pool
    connection = await pool.acquire()
    await connection.begin(TransactionOptions())
    await connection.execute(Statement("UPDATE fault_accounts SET amount = 0"))
    with pytest.raises(ConstraintError):
        await connection.execute(Statement("INSERT INTO fault_entries VALUES (NULL)"))
    assert connection.in_transaction
    with pytest.raises(TransactionPoisonedError) as caught:
        await connection.commit()
    await pool.release(connection)

    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert postgresql.rows()["ann@x.org"][1] == 10
    postgresql.assert_quiet()


SWALLOWED: dict[str, Callable[[Session], Awaitable[object]]] = {
    "a read": lambda session: session.find(Account, bad_condition()).to_list(),
    "raw SQL": lambda session: session.execute(sql("SELECT 1/0")),
    "a bulk write": lambda session: session.find(Account, Account.id == 2).update(
        {"email": "ann@x.org"}
    ),
    "a lock": lambda session: session.get_one(Account, 99, for_update=True),
}


@pytest.mark.parametrize("what", SWALLOWED)
async def test_swallowed_error(postgresql: PostgreSQLWorld, what: str) -> None:
    """F43, V1: after an error that is swallowed a clean exit is a commit, or it is an error."""
    world = postgresql
    error: UowError | None = None
    try:
        async with Session.begin(world.database) as session:
            (await session.get_one(Account, 1)).amount = 11
            await session.flush()
            with pytest.raises((UowError, LookupError)):
                await SWALLOWED[what](session)
            assert session.is_poisoned is (what != "a lock")
    except UowError as raised:
        error = raised

    stored = world.rows()["ann@x.org"][1] == 11
    assert stored is (error is None)
    assert error is None or isinstance(error, TransactionPoisonedError)
    assert error is None or error.outcome is Outcome.NOT_APPLIED
    world.assert_quiet()


async def test_swallowed_error_in_a_savepoint(postgresql: PostgreSQLWorld) -> None:
    """F44: a savepoint heals what failed in it, reads included; the outer unit is committed."""
    world = postgresql
    async with Session.begin(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.amount = 11
        await session.flush()
        for fails in SWALLOWED.values():
            with pytest.raises((UowError, LookupError)):
                async with session.begin_nested():
                    ann.amount = 12
                    await session.flush()
                    await fails(session)
            assert ann.amount == 11

    assert world.rows()["ann@x.org"][1] == 11
    world.assert_agrees()
    world.assert_quiet()


@pytest.mark.parametrize("after", [False, True])
async def test_savepoint_that_cannot_be_set(
    postgresql: PostgreSQLWorld, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """F45: a savepoint that fails to begin takes nothing back of what is outside of it."""
    world = postgresql
    set_it = AsyncpgConnection.savepoint

    async def fails(connection: AsyncpgConnection, name: str) -> None:
        monkeypatch.undo()
        if after:
            await set_it(connection, name)
        raise DriverError("not now")

    async with Session.begin(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.amount = 11
        await session.flush()
        monkeypatch.setattr(AsyncpgConnection, "savepoint", fails)
        with pytest.raises(DriverError) as caught:
            async with session.begin_nested():
                pytest.fail("the block is not entered")
        assert caught.value.phase is Phase.SAVEPOINT
        async with session.begin_nested():
            ann.name = "Anna"

    assert world.rows()["ann@x.org"][:2] == ("Anna", 11)
    world.assert_agrees()
    world.assert_quiet()


# -- F46, F48: what fails at COMMIT


class Doctor(Table):
    """One of two who must not both be off duty."""

    class Settings:
        name = "fault_doctors"

    name: Mapped[str] = Column(primary_key=True)
    on_duty: Mapped[bool]


@pytest.fixture
async def doctors(postgresql: PostgreSQLWorld) -> Any:
    """Two of them on duty."""
    await postgresql.database.drop_all([Doctor])
    await postgresql.database.create_all([Doctor])
    postgresql.line.script("INSERT INTO fault_doctors VALUES ('ann', true), ('bob', true)")
    yield None
    await postgresql.database.drop_all([Doctor])


async def go_off_duty(session: Session, name: str) -> None:
    """Go, if somebody else stays."""
    on_duty = await session.find(Doctor, Doctor.on_duty).to_list()
    if len(on_duty) > 1:
        next(one for one in on_duty if one.name == name).on_duty = False
    await session.flush()


async def test_write_skew(postgresql: PostgreSQLWorld, doctors: None) -> None:
    """F48, F46, V13: under SERIALIZABLE one of two is told, at COMMIT, and may try again."""
    world = postgresql
    ann = Session(world.database, isolation="SERIALIZABLE")
    bob = Session(world.database, isolation="SERIALIZABLE")
    async with ann, bob:
        await go_off_duty(ann, "ann")
        await go_off_duty(bob, "bob")
        await ann.commit()
        with pytest.raises(RetryableError) as caught:
            await bob.commit()
        await bob.rollback()

    assert caught.value.phase is Phase.COMMIT
    assert caught.value.outcome is Outcome.NOT_APPLIED
    assert bob.outcome is Outcome.NOT_APPLIED
    assert world.line.ask("SELECT name FROM fault_doctors WHERE on_duty") == [("bob",)]
    await run(lambda session: go_off_duty(session, "bob"), world.database, isolation="SERIALIZABLE")
    assert world.line.ask("SELECT name FROM fault_doctors WHERE on_duty") == [("bob",)]
    world.assert_quiet()


async def test_write_skew_below_serializable(postgresql: PostgreSQLWorld, doctors: None) -> None:
    """F48, V13: below that nobody is told, as the documentation says."""
    ann, bob = (Session(postgresql.database, isolation="REPEATABLE READ") for _ in range(2))
    async with ann, bob:
        await go_off_duty(ann, "ann")
        await go_off_duty(bob, "bob")
        await ann.commit()
        await bob.commit()

    assert postgresql.line.ask("SELECT name FROM fault_doctors WHERE on_duty") == []


# -- F47, F49, F50, F52: many at once


async def test_two_writers_of_one_row(postgresql: PostgreSQLWorld) -> None:
    """F47: of two writers at the same moment one waits for the other, and is told it was late."""
    world = postgresql
    ends: list[object] = []

    async def writes(amount: int, first: Session) -> None:
        try:
            await first.commit()
        except StaleObjectError as error:
            ends.append(type(error))
            await first.rollback()
        else:
            ends.append(amount)

    one, two = Session(world.database), Session(world.database)
    async with one, two:
        for session, amount in ((one, 11), (two, 12)):
            (await session.get_one(Account, 1)).amount = amount
            session.add(Account(email=f"{amount}@x.org", name="New"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writes, 11, one)
            tasks.start_soon(writes, 12, two)

    assert StaleObjectError in ends
    (won,) = (one for one in ends if isinstance(one, int))
    rows = world.rows()
    assert rows["ann@x.org"][1] == won
    assert rows["ann@x.org"][4] == 2
    assert f"{won}@x.org" in rows
    assert f"{23 - won}@x.org" not in rows
    world.assert_quiet()


async def test_fifty_make_the_same(postgresql: PostgreSQLWorld) -> None:
    """F49: of fifty who look for a row and make it, one makes it; the others are told, and read."""
    world = postgresql
    refused: list[ConstraintError] = []
    found: list[int] = []

    async def get_or_create() -> None:
        async with Session(world.database) as session:
            same = session.find(Account, Account.email == "same@x.org")
            account = await same.first()
            if account is None:
                try:
                    async with session.begin_nested():
                        account = Account(email="same@x.org", name="Same")
                        session.add(account)
                except ConstraintError as error:
                    refused.append(error)
                    account = await same.first()
                await session.commit()
            assert account is not None
            found.append(account.id)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(get_or_create)

    assert len(found) == 50
    assert len(set(found)) == 1
    assert {error.kind for error in refused} <= {ConstraintKind.UNIQUE}
    assert world.line.ask("SELECT count(*) FROM fault_accounts WHERE name = 'Same'") == [(1,)]
    world.assert_quiet()


async def test_deadlock(postgresql: PostgreSQLWorld) -> None:
    """F50: who is chosen to end a deadlock is rolled back in full, and may try again."""
    world = postgresql.again(statement_timeout=10.0)
    met: list[anyio.Event] = [anyio.Event(), anyio.Event()]
    errors: list[RetryableError] = []
    world.line.script(
        "ALTER DATABASE " + world.line.address.database + " SET deadlock_timeout = '50ms'"
    )

    async def crosses(place: int) -> None:
        keys = [1, 2] if place == 0 else [2, 1]

        async def work(session: Session) -> None:
            for number, key in enumerate(keys):
                account = await session.get_one(Account, key)
                account.amount += 1
                account.tags.append(f"{place}")
                await session.flush()
                met[place].set()
                if number == 0:
                    await met[1 - place].wait()

        async def tries(session: Session) -> None:
            try:
                await work(session)
            except RetryableError as error:
                errors.append(error)
                raise

        await run(tries, world.database)

    async with world.database:
        with anyio.fail_after(15):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(crosses, 0)
                tasks.start_soon(crosses, 1)

        assert errors
        assert all(error.outcome is Outcome.NOT_APPLIED for error in errors)
        rows = world.rows()
        assert rows["ann@x.org"][1] == 12
        assert rows["bob@x.org"][1] == 22
        world.assert_quiet()
    world.line.script("ALTER DATABASE " + world.line.address.database + " RESET deadlock_timeout")


async def test_tried_again_until_it_succeeds(postgresql: PostgreSQLWorld) -> None:
    """F52: a unit that clashes k times is run k + 1 times, each time from what is stored then."""
    world = postgresql
    seen: list[tuple[int, int]] = []
    objects: list[Account] = []
    called: list[int] = []

    async def work(session: Session) -> None:
        ann = await session.get_one(Account, 1)
        seen.append((ann.amount, ann.version))
        objects.append(ann)
        session.on_commit(lambda: called.append(len(seen)))
        if len(seen) < 4:
            # Somebody else writes the row between our reading and writing it.
            world.line.ask("UPDATE fault_accounts SET amount = amount + 5 WHERE id = 1")
        ann.amount += 1

    await run(work, world.database, isolation="REPEATABLE READ")

    assert seen == [(10, 1), (15, 1), (20, 1), (25, 1)]
    assert len(set(map(id, objects))) == 4
    assert called == [4]
    assert world.rows()["ann@x.org"][1:] == (26, '["a"]', "old", 2)
    world.assert_quiet()


# -- F74


class Moment(Table):
    """An instant."""

    class Settings:
        name = "fault_moments"

    id: Mapped[int] = Column(primary_key=True)
    at: Mapped[datetime]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns", "Europe/Berlin"])
async def test_time_zone_of_the_session(postgresql: PostgreSQLWorld, zone: str) -> None:
    """F74: an instant is the same whatever zone the server's session is in, folds included."""
    world = postgresql
    instants = [
        datetime(2024, 10, 27, 0, 30, 0, 1, UTC),
        datetime(2024, 10, 27, 1, 30, 0, 999_999, UTC),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999_999, UTC),
    ]
    await world.database.drop_all([Moment])
    await world.database.create_all([Moment])
    async with Session(world.database) as session:
        await session.execute(sql(f"SET LOCAL TIME ZONE '{zone}'"))
        session.add_all([Moment(id=number, at=at) for number, at in enumerate(instants)])
        await session.flush()
        session.clear()
        found = await session.find(Moment).order_by(Moment.id).to_list()
        assert [one.at for one in found] == instants
        assert {one.at.tzinfo for one in found} == {UTC}
        await session.commit()
        with pytest.raises(ValidationError):
            session.add(Moment(id=9, at=datetime(2024, 1, 1)))  # noqa: DTZ001  # naive on purpose
            await session.flush()
        await session.rollback()
    stored = world.line.ask("SELECT at FROM fault_moments ORDER BY id")

    assert [at for (at,) in stored] == instants
    await world.database.drop_all([Moment])
    world.assert_quiet()
