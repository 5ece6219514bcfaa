"""Statements, flushes and savepoints that fail, and what can be done after that."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from tests.faults.models import Account, Entry
from tests.faults.steps import WAYS, run_cancelled
from tests.faults.work import Work
from tests.faults.world import World
from uow import (
    Column,
    ConnectionLostError,
    ConstraintError,
    DriverError,
    Mapped,
    Outcome,
    RetryableError,
    Session,
    StaleObjectError,
    State,
    Table,
    TransactionPoisonedError,
    UowError,
    changes,
    sql,
    state,
    update,
)
from uow.drivers.memory import Action, LoseConnection, Raise, RollBack
from uow.errors import Phase

pytestmark = pytest.mark.anyio

FAULTS: dict[str, Callable[[], Action]] = {
    "raises": lambda: Raise(DriverError("no reason given")),
    "asks for another try": lambda: Raise(RetryableError("busy")),
    "loses the connection": LoseConnection,
    "rolls back": lambda: RollBack(DriverError("the store gave up")),
    "fails as nobody foresaw": lambda: Raise(sqlite3.OperationalError("who knows")),
}


class Dated(Table):
    """A child whose parent may come later, as long as it comes before COMMIT."""

    class Settings:
        name = "fault_dated"

    code: Mapped[str] = Column(primary_key=True)
    account_id: Mapped[int] = Column(foreign_key=Account.id, deferrable=True)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("inside", ["transaction", "savepoint"])
async def test_flush_that_dies_at_any_point(memory: World, fault: str, inside: str) -> None:
    """F54, F23: wherever a flush fails all is pending again, and the session stores it then."""
    number = 0
    while True:
        number += 1
        memory.reset()
        async with Session(memory.database) as session:
            work = Work(memory, session)
            await work.prepare()
            savepoint = session.begin_nested()
            if inside == "savepoint":
                await savepoint.__aenter__()
            memory.driver.faults.at(number, FAULTS[fault]())
            try:
                await session.flush()
            except UowError:
                work.assert_pending()
            if memory.driver.faults.pending:
                await session.rollback()
                break
            await savepoint.__aexit__(None, None, None)
            await session.commit()

            assert session.outcome is Outcome.APPLIED
            work.assert_stored()
        memory.assert_quiet()
    assert number > 8


@pytest.mark.parametrize(("anyio_backend", "how"), WAYS)
@pytest.mark.parametrize("inside", ["transaction", "savepoint"])
async def test_flush_that_is_cancelled_at_any_await(memory: World, how: str, inside: str) -> None:
    """F01, F54: the same for a flush that is cancelled, whose session is then used further."""
    number = 0
    while True:
        number += 1
        memory.reset()
        async with Session(memory.database) as session:
            work = Work(memory, session)
            await work.prepare()
            savepoint = session.begin_nested()
            if inside == "savepoint":
                await savepoint.__aenter__()
            run = await run_cancelled(session.flush(), how, (number,))
            if run.waits < number:
                await session.rollback()
                break
            assert run.cancelled
            work.assert_pending()
            await savepoint.__aexit__(None, None, None)
            await session.commit()
            work.assert_stored()
        memory.assert_quiet()
    assert number > 8


@pytest.mark.parametrize("fault", FAULTS)
async def test_commit_that_dies_at_any_point_before_commit(memory: World, fault: str) -> None:
    """F54, F23: the same for a commit that flushes, up to the point where COMMIT is sent."""
    number = 0
    while True:
        number += 1
        memory.reset()
        async with Session(memory.database) as session:
            work = Work(memory, session)
            await work.prepare()
            memory.driver.clear_log()
            memory.driver.faults.at(number, FAULTS[fault]())
            if number <= 2 and fault == "loses the connection":
                # F26: the two points of BEGIN. Nothing was done there, so it is begun elsewhere.
                await session.commit()
                work.assert_stored()
                continue
            with pytest.raises(UowError) as caught:
                await session.commit()
            if "commit" in [call.operation for call in memory.driver.log]:
                await session.rollback()
                break
            assert caught.value.outcome is session.outcome is Outcome.NOT_APPLIED
            work.assert_pending()
            await session.commit()
            work.assert_stored()
        memory.assert_quiet()
    assert number > 8


async def test_failed_flush_is_not_forgotten(stored: World) -> None:
    """F43, V1: a failed flush that is swallowed does not make the next commit a clean lie."""
    async with Session(stored.database) as session:
        ann = stored.see(await session.get_one(Account, 1))
        ann.amount = 11
        bad = Account(email="bob@x.org", name="Clash")
        session.add(bad)
        with pytest.raises(ConstraintError):
            await session.flush()
        with pytest.raises(ConstraintError):
            await session.commit()
        bad.email = "new@x.org"
        await session.commit()

    assert stored.rows()["ann@x.org"][1] == 11
    assert "new@x.org" in stored.rows()
    stored.assert_agrees()
    stored.assert_quiet()


STATEMENTS: dict[str, Callable[[Session], object]] = {
    "raw SQL": lambda session: session.execute(sql("INSERT INTO fault_entries VALUES (NULL)")),
    "a builder": lambda session: session.execute(
        update(Account).set({Account.email: "ann@x.org"}).where(Account.id == 2)
    ),
    "a query": lambda session: session.find(Account, Account.id == 2).update(
        {"email": "ann@x.org"}
    ),
}


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("healed_by", ["rollback", "savepoint"])
async def test_swallowed_statement_error(stored: World, statement: str, healed_by: str) -> None:
    """F43, V1, trap 29: what failed and cannot be repeated poisons its transaction or savepoint."""
    fails = STATEMENTS[statement]
    async with Session(stored.database) as session:
        (await session.get_one(Account, 3)).name = "Cyril"
        await session.flush()
        if healed_by == "savepoint":
            with pytest.raises(ConstraintError if "raw" not in statement else UowError):
                async with session.begin_nested():
                    await fails(session)  # type: ignore[misc]
            assert not session.is_poisoned
            await session.commit()
            assert stored.rows()["cy@x.org"][0] == "Cyril"
        else:
            with pytest.raises(UowError):
                await fails(session)  # type: ignore[misc]
            assert session.is_poisoned
            for use in (session.commit, session.flush, session.find(Account).to_list):
                with pytest.raises(TransactionPoisonedError):
                    await use()
            assert session.outcome is Outcome.NOT_APPLIED
            assert stored.rows()["cy@x.org"][0] == "Cy"
            await session.rollback()
            (await session.get_one(Account, 3)).name = "Cyrus"
            await session.commit()
            assert stored.rows()["cy@x.org"][0] == "Cyrus"
    stored.assert_quiet()


async def test_swallowed_error_in_a_committing_block(stored: World) -> None:
    """F43: a block that would commit does not leave cleanly after a swallowed error."""
    with pytest.raises(TransactionPoisonedError):
        async with Session.begin(stored.database) as session:
            session.add(stored.see(Account(email="new@x.org", name="New")))
            await session.flush()
            with pytest.raises(UowError):
                await session.execute(sql("INSERT INTO fault_entries VALUES (NULL)"))

    assert "new@x.org" not in stored.rows()
    stored.assert_agrees()
    stored.assert_quiet()


async def test_failed_flush_after_what_cannot_be_repeated(stored: World) -> None:
    """F43: a failed flush in a transaction that also ran raw SQL poisons it."""
    async with Session(stored.database) as session:
        await session.execute(sql("UPDATE fault_entries SET text = 'raw'"))
        session.add(Account(email="ann@x.org", name="Clash"))
        with pytest.raises(ConstraintError):
            await session.flush()
        with pytest.raises(TransactionPoisonedError):
            await session.commit()
        await session.rollback()

    assert stored.rows()["one"][0] == "first"
    stored.assert_quiet()


async def test_store_that_rolled_back_is_not_written_to(memory: World) -> None:
    """F17, V6, R5: after an error that ended the transaction nothing is written outside of it."""
    async with Session(memory.database) as session:
        ann = memory.see(await session.get_one(Account, 1))
        await session.execute(sql("UPDATE fault_entries SET text = 'raw'"))
        ann.amount = 11
        await session.flush()
        memory.driver.faults.before("run", RollBack(DriverError("the store gave up")))
        with pytest.raises(DriverError):
            await session.execute(sql("UPDATE fault_entries SET text = 'again'"))
        for use in (
            lambda: session.execute(sql("UPDATE fault_entries SET text = 'autocommit'")),
            session.flush,
            session.commit,
        ):
            with pytest.raises(TransactionPoisonedError):
                await use()

        assert memory.rows()["one"][0] == "first"
        assert memory.rows()["ann@x.org"][1] == 10
        await session.rollback()
    memory.assert_agrees()
    memory.assert_quiet()


async def test_swallowed_error_in_a_savepoint(stored: World) -> None:
    """F44: a savepoint that failed takes back what was done in it, and nothing else."""
    async with Session.begin(stored.database) as session:
        ann = stored.see(await session.get_one(Account, 1))
        ann.amount = 11
        kept = stored.see(Account(email="kept@x.org", name="Kept"))
        session.add(kept)
        await session.flush()
        bad = Account(email="bob@x.org", name="Clash")
        with pytest.raises(ConstraintError):
            async with session.begin_nested():
                ann.amount = 12
                kept.name = "Changed"
                session.add(bad)

        assert (ann.amount, kept.name) == (11, "Kept")
        assert state(bad) is State.TRANSIENT
        assert bad.id is None

    assert stored.rows()["ann@x.org"][1] == 11
    assert stored.rows()["kept@x.org"][0] == "Kept"
    stored.assert_agrees()
    stored.assert_quiet()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_savepoint_that_cannot_be_set(memory: World, moment: str) -> None:
    """F45: a savepoint that fails to begin takes nothing back of what is outside of it."""
    async with Session.begin(memory.database) as session:
        ann = memory.see(await session.get_one(Account, 1))
        ann.amount = 11
        await session.flush()
        getattr(memory.driver.faults, moment)("savepoint", Raise(DriverError("not now")))
        with pytest.raises(DriverError) as caught:
            async with session.begin_nested():
                pytest.fail("the block is not entered")
        assert caught.value.phase is Phase.SAVEPOINT
        async with session.begin_nested():
            ann.name = "Anna"

    assert memory.rows()["ann@x.org"][:2] == ("Anna", 11)
    memory.assert_agrees()
    memory.assert_quiet()


async def test_savepoint_that_cannot_be_released(memory: World) -> None:
    """F45: a savepoint that fails at its end is taken back, and what is outside of it goes on."""
    async with Session.begin(memory.database) as session:
        ann = memory.see(await session.get_one(Account, 1))
        ann.amount = 11
        await session.flush()
        memory.driver.faults.before("release_savepoint", Raise(DriverError("not now")))
        with pytest.raises(DriverError):
            async with session.begin_nested():
                ann.name = "Anna"

        assert ann.name == "Ann"

    assert memory.rows()["ann@x.org"][:2] == ("Ann", 11)
    memory.assert_agrees()
    memory.assert_quiet()


async def test_constraint_that_is_checked_at_commit(stored: World) -> None:
    """F46, V13: a deferred constraint fails at COMMIT, as what it is; the unit can be repaired."""
    await stored.database.create_all([Dated])
    async with Session(stored.database) as session:
        ann = stored.see(await session.get_one(Account, 1))
        ann.amount = 11
        dated = Dated(code="d", account_id=99)
        session.add(dated)
        await session.flush()
        with pytest.raises(ConstraintError) as caught:
            await session.commit()

        assert caught.value.phase is Phase.COMMIT
        assert caught.value.outcome is session.outcome is Outcome.NOT_APPLIED
        assert session.new == {dated}
        assert session.dirty == {ann}
        stored.assert_agrees()
        dated.account_id = 1
        await session.commit()

    assert stored.rows()["ann@x.org"][1] == 11
    stored.assert_agrees()
    await stored.database.drop_all([Dated])
    stored.assert_quiet()


async def test_two_writers_of_one_row(stored: World) -> None:
    """V13, trap 27: of two writers of one row the later is told; the version goes up by one."""
    async with Session(stored.database) as first, Session(stored.database) as second:
        mine = stored.see(await first.get_one(Account, 1))
        theirs = await second.get_one(Account, 1)
        mine.amount += 1
        theirs.amount += 2
        await second.commit()
        with pytest.raises(StaleObjectError) as caught:
            await first.commit()
        assert caught.value.objects == (mine,)
        assert (mine.version, mine.amount) == (1, 11)
        await first.rollback()
        await first.refresh(mine)
        mine.amount += 1
        await first.commit()

    assert stored.rows()["ann@x.org"][1:] == (13, '["a"]', "old", 3)
    stored.assert_agrees()
    stored.assert_quiet()


async def test_no_statement_is_repeated(memory: World) -> None:
    """F53: a statement whose connection is lost inside a unit is not sent again behind its back."""
    async with Session(memory.database) as session:
        (await session.get_one(Account, 1)).amount = 11
        await session.flush()
        memory.driver.clear_log()
        memory.driver.faults.after("fetch", LoseConnection())
        with pytest.raises(ConnectionLostError) as caught:
            await session.find(Entry).to_list()

        assert caught.value.retryable
        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert [call.operation for call in memory.driver.log] == ["fetch"]
        assert memory.rows()["ann@x.org"][1] == 10
        await session.commit()
    assert memory.rows()["ann@x.org"][1] == 11
    memory.assert_quiet()


async def test_read_that_cost_the_transaction(memory: World) -> None:
    """R5, V6: a read whose error ended the transaction is noticed; the unit is written anew."""
    async with Session(memory.database) as session:
        ann = memory.see(await session.get_one(Account, 1))
        ann.amount = 11
        await session.flush()
        memory.driver.faults.before("fetch", RollBack(DriverError("the store gave up")))
        with pytest.raises(DriverError):
            await session.find(Entry).to_list()

        assert not session.in_transaction
        assert session.dirty == {ann}
        ann.name = "Anna"
        await session.commit()
    assert memory.rows()["ann@x.org"] == ("Anna", 11, '["a"]', "old", 2)
    memory.assert_agrees()
    memory.assert_quiet()


async def test_written_twice_then_rolled_back(stored: World) -> None:
    """Trap 26: a rollback gives back what is stored, however often a field was written."""
    async with Session(stored.database) as session:
        ann = stored.see(await session.get_one(Account, 1))
        bob = stored.see(await session.get_one(Account, 2))
        name = bob.name
        for amount in (11, 12, 13):
            ann.amount = amount
            ann.tags = [str(amount)]
            bob.name = str(amount)  # a plain field alone is noted another way
        assert changes(ann) == {"amount": (10, 13), "tags": (["a"], ["13"])}
        assert changes(bob) == {"name": (name, "13")}
        await session.rollback()

        assert (ann.amount, ann.tags) == (10, ["a"])
        assert bob.name == name
    stored.assert_agrees()


async def test_values_of_what_is_gone(stored: World) -> None:
    """P7: an object whose row was deleted, or whose INSERT was undone, stays readable as it was."""
    async with Session(stored.database) as session:
        ann = await session.get_one(Account, 1)
        session.delete(await session.get_one(Entry, "one"))
        session.delete(ann)
        await session.commit()

        assert ann.tags == ["a"]
        again = await session.get_one(Account, 2)
        session.delete(again)
        await session.flush()
        session.add(again)
        session.delete(again)
        await session.rollback()
        assert again.tags == []
        again.tags.append("b")
        await session.commit()

    assert stored.rows()["bob@x.org"][2] == '["b"]'
    stored.assert_quiet()
