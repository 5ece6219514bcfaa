"""A COMMIT that nobody answered, and what hangs on one that was (F20-F22, F55, F56)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from tests.faults.models import Account, Entry
from tests.faults.steps import WAYS, run_cancelled
from tests.faults.world import World
from uow import (
    CommitUnknownError,
    ConstraintError,
    NotLoadedError,
    Outcome,
    Session,
    State,
    on_commit,
    sql,
    state,
)
from uow.drivers.memory import CallBack, LoseConnection, Raise

pytestmark = pytest.mark.anyio


async def unknown(
    world: World, session: Session, *, stored: bool
) -> tuple[CommitUnknownError, Account, Account]:
    """Commit a change and a new object, and lose the answer, or the question."""
    plan = world.driver.faults.after if stored else world.driver.faults.before
    plan("commit", LoseConnection())
    ann = world.see(await session.get_one(Account, 1))
    ann.amount = 11
    account = world.see(Account(email="new@x.org", name="New"))
    session.add(account)
    with pytest.raises(CommitUnknownError) as caught:
        await session.commit()
    return caught.value, ann, account


@pytest.mark.parametrize("stored", [True, False])
async def test_lost_acknowledgement(memory: World, stored: bool) -> None:
    """F20, F21: CommitUnknownError, whether it was stored or not; `verify` tells which."""
    async with Session(memory.database, verify_commit=True) as session:
        error, _, _ = await unknown(memory, session, stored=stored)

        assert error.outcome is Outcome.UNKNOWN
        assert session.outcome is Outcome.UNKNOWN
        assert not error.retryable
        expected = Outcome.APPLIED if stored else Outcome.NOT_APPLIED
        assert await error.verify() is expected
        assert ("new@x.org" in memory.rows()) is stored
    memory.assert_quiet()


@pytest.mark.parametrize("stored", [True, False])
async def test_lost_acknowledgement_without_a_token(memory: World, stored: bool) -> None:
    """F20: without `verify_commit` nobody can tell, and `verify` says so."""
    async with Session(memory.database) as session:
        error, _, _ = await unknown(memory, session, stored=stored)

        assert await error.verify() is Outcome.UNKNOWN
    memory.assert_quiet()


async def test_one_statement_without_an_answer(memory: World) -> None:
    """F20: a unit of one statement is unknown just the same when its answer is lost."""
    memory.driver.faults.after("fetch", LoseConnection(), sql="INSERT")
    async with Session(memory.database) as session:
        session.add(Account(email="new@x.org", name="New"))
        with pytest.raises(CommitUnknownError):
            await session.commit()

        assert session.outcome is Outcome.UNKNOWN
    assert "new@x.org" in memory.rows()
    memory.assert_quiet()


async def test_verify_that_fails_at_first(memory: World) -> None:
    """F22: `verify` asks again when its own connection is lost, and never guesses."""
    async with Session(memory.database, verify_commit=True) as session:
        error, _, _ = await unknown(memory, session, stored=True)
        memory.driver.faults.before("begin", LoseConnection())

        assert await error.verify() is Outcome.APPLIED
        for number in range(1, 10):
            memory.driver.faults.before("begin", LoseConnection(), nth=number)
        with anyio.fail_after(5):
            assert await error.verify() is Outcome.UNKNOWN
        memory.driver.faults.clear()
        assert await error.verify() is Outcome.APPLIED
    memory.assert_quiet()


@pytest.mark.parametrize("stored", [True, False])
async def test_session_after_an_unknown_commit(memory: World, stored: bool) -> None:
    """F55: it refuses all but rollback and close; values stay readable; then it works again."""
    async with Session(memory.database, verify_commit=True) as session:
        _, ann, account = await unknown(memory, session, stored=stored)
        memory.driver.clear_log()
        uses: list[Callable[[], object]] = [
            lambda: session.add(Account(email="later@x.org", name="Later")),
            lambda: session.delete(ann),
            lambda: session.find(Account).to_list(),
            lambda: session.get(Account, 1),
            lambda: session.execute(sql("SELECT 1")),
            lambda: session.begin_nested().__aenter__(),
            session.flush,
            session.commit,
        ]
        refusals: list[CommitUnknownError] = []
        for use in uses:
            with pytest.raises(CommitUnknownError) as caught:
                waiting = use()
                if isinstance(waiting, Awaitable):
                    await waiting
            refusals.append(caught.value)
        assert memory.driver.log == []
        expected = Outcome.APPLIED if stored else Outcome.NOT_APPLIED
        assert await refusals[0].verify() is expected
        assert (ann.amount, account.email) == (11, "new@x.org")

        await session.rollback()

        assert state(account) in (State.TRANSIENT, State.PERSISTENT)
        with pytest.raises(NotLoadedError):
            _ = ann.amount
        assert (await session.get_one(Account, 1)).amount == (11 if stored else 10)
        session.add(Account(email="later@x.org", name="Later"))
        await session.commit()
    assert "later@x.org" in memory.rows()
    memory.assert_quiet()


# -- F56: what waits for a commit


async def test_hooks_of_a_commit(stored: World, caplog: pytest.LogCaptureFixture) -> None:
    """F56: called once, in order, after a known commit; what one raises undoes nothing."""
    called: list[str] = []

    def fails() -> None:
        called.append("fails")
        raise LookupError("not the unit's fault")

    async def waits() -> None:
        await anyio.lowlevel.checkpoint()
        called.append("waits")

    async with Session(stored.database) as session:
        session.add(Account(email="new@x.org", name="New"))
        session.on_commit(lambda: called.append("first"))
        on_commit(fails)
        session.on_commit(waits)
        await session.flush()
        assert called == []
        with caplog.at_level(logging.ERROR):
            await session.commit()

        assert session.outcome is Outcome.APPLIED
        await session.commit()
    assert called == ["first", "fails", "waits"]
    assert "not the unit's fault" in caplog.text
    assert "new@x.org" in stored.rows()


async def test_hooks_of_what_is_not_committed(memory: World) -> None:
    """F56: not called after a rollback, of all or of a savepoint, nor on an unknown outcome."""
    called: list[str] = []
    async with Session(memory.database) as session:
        session.add(Account(email="one@x.org", name="New"))
        session.on_commit(lambda: called.append("rolled back"))
        await session.flush()
        await session.rollback()
        session.add(Account(email="two@x.org", name="New"))
        session.on_commit(lambda: called.append("kept"))
        async with session.begin_nested() as savepoint:
            session.on_commit(lambda: called.append("in the savepoint"))
            await savepoint.rollback()
            session.on_commit(lambda: called.append("after it"))
        await session.commit()
        assert called == ["kept", "after it"]
        session.on_commit(lambda: called.append("unknown"))
        memory.driver.faults.after("commit", LoseConnection())
        session.add_all([Account(email="three@x.org", name="New"), Entry(code="2", account_id=1)])
        with pytest.raises(CommitUnknownError):
            await session.commit()

    assert called == ["kept", "after it"]


async def test_hooks_wait_for_the_repaired_unit(stored: World) -> None:
    """F56: a commit that failed keeps them for the commit that succeeds."""
    called: list[str] = []
    async with Session(stored.database) as session:
        account = Account(email="ann@x.org", name="New")
        session.add(account)
        session.on_commit(lambda: called.append("done"))
        with pytest.raises(ConstraintError):
            await session.commit()
        assert called == []
        account.email = "new@x.org"
        await session.commit()

    assert called == ["done"]


@pytest.mark.parametrize(("anyio_backend", "how"), WAYS)
async def test_hooks_of_a_cancelled_commit(memory: World, how: str) -> None:
    """F56: a cancellation that came during the COMMIT keeps none of them from being called."""
    called: list[int] = []

    async def note(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        called.append(number)

    async def work() -> None:
        async with Session(memory.database) as session:
            session.add(Account(email="new@x.org", name="New"))
            for number in range(3):
                session.on_commit(partial(note, number))
            await session.flush()
            await session.commit()

    run = await run_cancelled(
        work(), how, arm=lambda cancel: memory.driver.faults.after("commit", CallBack(cancel))
    )

    assert run.cancelled
    assert called == [0, 1, 2]
    assert "new@x.org" in memory.rows()
    memory.assert_quiet()


@pytest.mark.parametrize(("anyio_backend", "how"), WAYS)
async def test_cancelled_hook(memory: World, how: str) -> None:
    """F56: a cancellation inside a hook ends that one, the others are called, and it surfaces."""
    called: list[str] = []
    cancels: list[Callable[[], object]] = []

    async def waits() -> None:
        cancels[0]()
        await anyio.sleep(5)

    async def work() -> None:
        async with Session(memory.database) as session:
            session.add(Account(email="new@x.org", name="New"))
            session.on_commit(waits)
            session.on_commit(lambda: called.append("the other"))
            await session.commit()

    run = await run_cancelled(work(), how, arm=cancels.append)

    assert run.cancelled
    assert called == ["the other"]
    assert "new@x.org" in memory.rows()
    memory.assert_quiet()


async def test_error_that_is_not_a_loss(memory: World) -> None:
    """F20: an error of a kind nobody foresaw, raised by COMMIT, is an unknown outcome as well."""
    memory.driver.faults.after("commit", Raise(ZeroDivisionError("a defect")))
    async with Session(memory.database, verify_commit=True) as session:
        session.add_all([Account(email="new@x.org", name="New"), Entry(code="2", account_id=1)])
        with pytest.raises(CommitUnknownError) as caught:
            await session.commit()

        assert await caught.value.verify() is Outcome.APPLIED
    memory.assert_quiet()
