"""`run`: a whole unit again, with nothing left of the try before (F52, traps 42 and 47)."""

from __future__ import annotations

import time

import anyio
import pytest

from tests.faults.models import Account, Entry
from tests.faults.world import World
from uow import (
    CommitUnknownError,
    ConstraintError,
    Outcome,
    RetryableError,
    Session,
    State,
    run,
    state,
    uuid7,
)
from uow.drivers.memory import LoseConnection, Raise

pytestmark = pytest.mark.anyio


async def test_fresh_session_for_every_try(memory: World) -> None:
    """F52: each try has its own session and identity map, and starts from what is stored."""
    sessions: list[Session] = []
    seen: list[tuple[int, int]] = []
    objects: set[int] = set()
    called: list[int] = []
    code = str(uuid7())  # made outside of the unit: one for all tries
    kept: list[object] = []

    async def work(session: Session) -> Account:
        sessions.append(session)
        ann = await session.get_one(Account, 1)
        seen.append((ann.amount, ann.version))
        objects.add(id(ann))
        kept.append(ann)
        ann.amount += 1
        session.add(Entry(code=code, account_id=1))
        session.on_commit(lambda: called.append(len(sessions)))
        await session.flush()
        if len(sessions) < 3:
            raise RetryableError("once more")
        return ann

    ann = await run(work, memory.database)

    assert len(set(map(id, sessions))) == len(objects) == 3
    assert seen == [(10, 1)] * 3
    assert called == [3]
    assert (ann.amount, ann.version) == (11, 2)
    assert memory.rows()["ann@x.org"][1:] == (11, '["a"]', "old", 2)
    assert code in memory.rows()
    memory.assert_quiet()


@pytest.mark.parametrize("operation", ["begin", "execute_many", "commit", "acquire"])
async def test_store_asks_for_another_try(memory: World, operation: str) -> None:
    """F52: a conflict at any point of the unit is tried again, k times."""
    tries: list[int] = []

    async def work(session: Session) -> None:
        tries.append(1)
        if operation == "acquire":
            memory.database.pool.bump()
        (await session.get_one(Account, 1)).amount += 1
        session.add(Account(email="new@x.org", name="New"))

    error = Raise(RetryableError("busy"))
    if operation == "acquire":
        memory.driver.faults.before("fetch", LoseConnection())
    else:
        for number in range(1, 3):
            memory.driver.faults.before(operation, error, nth=number)
    await run(work, memory.database)

    assert len(tries) == (2 if operation == "acquire" else 3)
    assert memory.rows()["ann@x.org"][1] == 11
    assert memory.driver.faults.pending == 0
    memory.assert_quiet()


async def test_tries_are_counted_and_timed(memory: World) -> None:
    """F52: the number of tries and their time are limited, by a clock that does not jump."""
    tries: list[int] = []

    async def work(session: Session) -> None:
        tries.append(1)
        raise RetryableError("never")

    with pytest.raises(RetryableError):
        await run(work, memory.database, retries=2)
    assert len(tries) == 3
    tries.clear()
    start = time.monotonic()
    with pytest.raises(RetryableError):
        await run(work, memory.database, retries=1000, timeout=0.2)

    assert time.monotonic() - start < 2
    assert 1 < len(tries) < 100
    memory.assert_quiet()


async def test_other_errors_are_not_tried_again(memory: World) -> None:
    """F52: an error that another try would not mend comes out of the first."""
    tries: list[int] = []

    async def work(session: Session) -> None:
        tries.append(1)
        session.add(Account(email="ann@x.org", name="Clash"))

    with pytest.raises(ConstraintError):
        await run(work, memory.database)

    assert len(tries) == 1
    memory.assert_quiet()


@pytest.mark.parametrize("stored", [True, False])
async def test_commit_that_was_not_answered(memory: World, stored: bool) -> None:
    """F52, F20, F56: an unknown commit is looked up; only one that was not stored is done again."""
    tries: list[int] = []
    called: list[str] = []

    async def work(session: Session) -> Account:
        tries.append(1)
        ann = await session.get_one(Account, 1)
        ann.amount += 1
        account = Account(email="new@x.org", name="New")
        session.add(account)
        session.on_commit(lambda: called.append("committed"))
        return account

    plan = memory.driver.faults.after if stored else memory.driver.faults.before
    plan("commit", LoseConnection())
    account = memory.see(await run(work, memory.database))

    assert len(tries) == (1 if stored else 2)
    assert memory.rows()["ann@x.org"][1] == 11
    assert called == ["committed"]
    assert state(account) is State.DETACHED
    assert account.id is not None
    memory.assert_agrees()
    memory.assert_quiet()


async def test_commit_whose_outcome_cannot_be_found_out(memory: World) -> None:
    """F52: while nobody can tell whether it was stored, the unit is not run again."""
    tries: list[int] = []

    async def work(session: Session) -> None:
        tries.append(1)
        (await session.get_one(Account, 1)).amount += 1
        for number in range(1, 10):
            memory.driver.faults.before("begin", LoseConnection(), nth=number)

    memory.driver.faults.after("commit", LoseConnection())
    with anyio.fail_after(5), pytest.raises(CommitUnknownError) as caught:
        await run(work, memory.database)

    assert len(tries) == 1
    assert caught.value.outcome is Outcome.UNKNOWN
    memory.driver.faults.clear()
    assert await caught.value.verify() is Outcome.APPLIED
    assert memory.rows()["ann@x.org"][1] == 11
    memory.assert_quiet()


@pytest.mark.parametrize("stored", [True, False])
async def test_work_that_commits_by_itself(memory: World, stored: bool) -> None:
    """F52: a commit inside the work, not answered but stored, is not done again either."""
    tries: list[int] = []

    async def work(session: Session) -> str:
        tries.append(1)
        (await session.get_one(Account, 1)).amount += 1
        await session.commit()
        return "done"

    plan = memory.driver.faults.after if stored else memory.driver.faults.before
    plan("commit", LoseConnection())
    if stored:
        with pytest.raises(CommitUnknownError) as caught:
            await run(work, memory.database)
        assert caught.value.outcome is Outcome.APPLIED
    else:
        assert await run(work, memory.database) == "done"

    assert len(tries) == (1 if stored else 2)
    assert memory.rows()["ann@x.org"][1] == 11
    memory.assert_quiet()
