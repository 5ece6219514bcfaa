"""Many sessions at once, and sessions that nobody closes (F18, F19, F40, F42, V13)."""

from __future__ import annotations

import gc
import random
import re
import warnings
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from tests.faults.models import Account
from tests.faults.world import World, memory_world
from uow import (
    ConnectionLostError,
    Outcome,
    PoolClosedError,
    PoolTimeoutError,
    RetryableError,
    Session,
    StaleObjectError,
    State,
    run,
    state,
)
from uow.drivers.memory import Delay, LoseConnection, Moment, Point

pytestmark = pytest.mark.anyio


async def forget(world: World, *, commit_first: bool) -> Account:
    """Leave a session open in the middle of a transaction, with nobody to close it."""
    session = Session(world.database)
    await session.__aenter__()
    account = Account(email="new@x.org", name="New")
    session.add(account)
    await session.flush()
    if commit_first:
        await session.commit()
        account.name = "Changed"
        await session.flush()
    return account


@pytest.mark.parametrize("commit_first", [False, True])
async def test_forgotten_session(stored: World, commit_first: bool) -> None:
    """F18: a session that is collected says where it was opened; its connection is free again."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        account = await forget(stored, commit_first=commit_first)
        gc.collect()

    assert [one.category for one in caught] == [ResourceWarning]
    assert re.search(r"test_concurrency\.py:\d+ was never closed", str(caught[0].message))
    assert stored.database.pool.stats.in_use == 0
    assert state(account) is (State.DETACHED if commit_first else State.TRANSIENT)
    assert ("new@x.org" in stored.rows()) is commit_first
    async with Session(stored.database) as session:
        session.add(Account(email="later@x.org", name="Later"))
        await session.commit()
    stored.assert_quiet()


async def test_database_closed_under_a_session(stored: World) -> None:
    """F39: a database closed under an open unit rolls it back; the session says what happened."""
    session = Session(stored.database)
    await session.__aenter__()
    ann = stored.see(await session.get_one(Account, 1))
    ann.amount = 11
    await session.flush()
    await stored.database.aclose(timeout=0.05)
    with pytest.raises((PoolClosedError, ConnectionLostError)):
        await session.find(Account).to_list()
    with pytest.raises(PoolClosedError):
        await session.commit()
    await session.rollback()
    await session.aclose()

    assert ann.amount == 10
    assert stored.rows()["ann@x.org"][1] == 10


async def test_second_session_on_the_only_connection(
    unopened: Callable[..., World], anyio_backend: str
) -> None:
    """F42: a unit inside a unit on a pool of one is told who holds the connection."""
    world = unopened(pool_max=1, pool_timeout=0.1)
    async with world.database:
        await world.create()
        async with Session(world.database) as outer:
            (await outer.get_one(Account, 1)).amount = 11
            await outer.flush()
            with pytest.raises(PoolTimeoutError, match=r"test_concurrency\.py:\d+"):
                async with Session(world.database) as inner:
                    await inner.get(Account, 2)
            await outer.commit()
        assert world.rows()["ann@x.org"][1] == 11
        world.assert_quiet()


async def test_transfers_under_cancellation(
    unopened: Callable[..., World], anyio_backend: str
) -> None:
    """F40, V13: money moved by many units at once, some cancelled, is neither made nor lost."""
    world = unopened(pool_max=3)
    choice = random.Random(7)
    done: dict[str, Outcome] = {}

    async def transfer(name: str, source: int, target: int, amount: int) -> None:
        async def work(session: Session) -> None:
            sessions.append(session)
            giver = await session.get_one(Account, source)
            taker = await session.get_one(Account, target)
            giver.amount -= amount
            taker.amount += amount
            await anyio.sleep(choice.random() * 0.001)
            giver.tags.append(name)

        sessions: list[Session] = []
        try:
            await run(work, world.database, retries=100)
        except StaleObjectError:
            done[name] = Outcome.NOT_APPLIED
        else:
            done[name] = Outcome.APPLIED
        finally:
            if name not in done:
                applied = any(one.outcome is Outcome.APPLIED for one in sessions)
                done[name] = Outcome.APPLIED if applied else Outcome.NOT_APPLIED

    async def maybe_cancelled(number: int) -> None:
        source, target = choice.sample([1, 2, 3], 2)
        patience = choice.choice([0.002, 0.01, 5.0])
        with anyio.move_on_after(patience):
            await transfer(f"t{number}", source, target, choice.randrange(5))

    async with world.database:
        await world.create()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for number in range(60):
                    tasks.start_soon(maybe_cancelled, number)
        async with Session(world.database) as session:
            accounts = await session.find(Account).to_list()
            stored = [tag for account in accounts for tag in account.tags if tag[0] == "t"]

            assert sum(account.amount for account in accounts) == 60
            assert sorted(stored) == sorted(n for n, o in done.items() if o is Outcome.APPLIED)
            assert len(stored) > 3
        world.assert_quiet()


class Busy:
    """The store refuses a call, if that is only about to be made."""

    async def happen(self, point: Point) -> None:
        await anyio.lowlevel.checkpoint()
        if point.moment is Moment.BEFORE:
            raise RetryableError("busy")


@pytest.mark.parametrize("seed", range(6))
async def test_units_in_a_store_that_fails_at_random(anyio_backend: str, seed: int) -> None:
    """F23, F40: whatever goes wrong where, each unit is stored once or not, and says which."""
    world = memory_world(pool_max=3, cleanup_timeout=0.2)
    stored: set[str] = set()
    unknown: set[str] = set()

    async def unit(number: int) -> None:
        email = f"{number}@x.org"
        session = Session(world.database)
        try:
            async with session:
                session.add(Account(email=email, name="New"))
                session.add(Account(email=f"second-{email}", name="New"))
                await session.commit()
        except Exception:  # noqa: BLE001 - what it is does not matter here
            pass
        if session.outcome is Outcome.APPLIED:
            stored.add(email)
        elif session.outcome is Outcome.UNKNOWN:
            unknown.add(email)

    async with world.database:
        await world.create()
        world.driver.faults.chaos(
            seed,
            0.06,
            [
                lambda: Delay(0.001),
                LoseConnection,
                Busy,
            ],
        )
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(unit, number)
        world.driver.faults.clear()
        rows = {email for email in world.rows() if "@" in email and email[0].isdigit()}
        seconds = {email.removeprefix("second-") for email in world.rows() if "second" in email}

        assert rows == seconds
        assert stored <= rows <= stored | unknown
        assert len(stored) > 3
        world.assert_quiet()
