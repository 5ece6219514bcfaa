"""The pool in front of PostgreSQL: who gets what, and what the one before left (F19, F31-F42)."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import re
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from tests.faults.models import Account, Entry
from tests.faults.pooler import pooling
from tests.faults.postgresql import Outside, PostgreSQLWorld, ends, postgresql_world, until
from tests.faults.proxy import Cut, Proxy, Stall, completed, everything, runs
from uow import (
    CommitUnknownError,
    ConcurrentUseError,
    Database,
    LockTimeoutError,
    PoolClosedError,
    PoolTimeoutError,
    ResourceError,
    SchemaChangedError,
    Session,
    StatementTimeoutError,
    UowError,
    run,
    sql,
)
from uow.drivers.base import TransactionOptions
from uow.errors import ConnectionLostError, Outcome, Phase
from uow.statement import Statement

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def value(database: Database, text: str) -> Any:
    """The one value of a statement, in a session of its own."""
    async with Session(database) as session:
        rows = await session.execute(sql(text))
        await session.commit()
    return next(iter(rows))[0]


# -- F19: where a pool belongs


def test_another_event_loop(anyio_backend: str, line: Outside) -> None:
    """F19: a pool of one event loop is refused in another; no socket is shared."""
    world = postgresql_world(line, default=False)
    with asyncio.Runner() as first:
        first.run(world.database.open())
        with pytest.raises(PoolClosedError, match="event loop"), asyncio.Runner() as second:
            second.run(value(world.database, "SELECT 1"))

        assert first.run(value(world.database, "SELECT 1")) == 1
        first.run(world.database.aclose())
    until(lambda: not world.sessions(), world.sessions)


def test_after_a_fork(anyio_backend: str, line: Outside) -> None:
    """F19: a fork gets a typed error, and its end does not end the parent's connections."""
    world = postgresql_world(line, default=False)

    async def ask() -> int:
        try:
            await world.database.pool.acquire()
        except PoolClosedError as error:
            return 0 if "fork" in str(error) else 2
        return 3

    with asyncio.Runner() as parent:
        parent.run(world.database.open())
        sessions = world.sessions()
        child = os.fork()
        if child == 0:
            code = 4
            try:
                code = asyncio.run(ask())
                world.database.pool.terminate_all()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        assert parent.run(value(world.database, "SELECT 1")) == 1
        assert [pid for pid, *_ in world.sessions()] == [pid for pid, *_ in sessions]
        parent.run(world.database.aclose())


@pytest.mark.parametrize("loop_is_closed", [False, True])
def test_forgotten_session(anyio_backend: str, line: Outside, loop_is_closed: bool) -> None:
    """F18: a session nobody closed says where it was opened; its transaction ends, and its place.

    Also when the event loop is gone by then, and with it everything that could wait for the server.
    """
    world = postgresql_world(line, default=False)

    async def forget() -> None:
        session = Session(world.database)
        await session.__aenter__()
        session.add(Account(email="new@x.org", name="New"))
        await session.flush()
        sessions.append(session)

    sessions: list[Session] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with asyncio.Runner() as runner:
            runner.run(world.database.open())
            runner.run(world.create())
            runner.run(forget())
            if loop_is_closed:
                runner.close()
            sessions.clear()
            gc.collect()
            if not loop_is_closed:
                runner.run(anyio.sleep(0.01))
            assert world.database.pool.stats.in_use == 0
            until(lambda: not any("in trans" in row[1] for row in world.sessions()), world.sessions)
            if not loop_is_closed:
                runner.run(world.database.aclose())
        world.database._pool.terminate_all()
        gc.collect()
    said = [str(one.message) for one in caught if one.category is ResourceWarning]

    assert any(re.search(r"test_postgresql_pool\.py:\d+ was never closed", one) for one in said)
    assert "new@x.org" not in world.rows()
    until(lambda: not world.sessions(), world.sessions)


# -- F31, F32: no connection to be had


@pytest.fixture
def limited(line: Outside) -> Any:
    """A user who may have two connections, and no more."""
    name = f"uow_limited_{os.getpid()}"
    line.script(
        f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'limited'"
        " CONNECTION LIMIT 2"
    )
    yield name
    line.script(f"DROP ROLE {name}")


async def test_no_more_connections(line: Outside, limited: str) -> None:
    """F31: a server that is full says so quickly; the pool counts right, and recovers."""
    address = line.address.as_user(limited, "limited")
    name = f"full {os.getpid()}"
    async with Database(address.url(), pool_max=5, application_name=name) as database:
        pool = database.pool
        first, second = await pool.acquire(), await pool.acquire()
        start = anyio.current_time()
        with pytest.raises(ResourceError) as caught:
            await pool.acquire(timeout=10)

        assert anyio.current_time() - start < 2
        assert caught.value.phase is Phase.ACQUIRE
        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert (pool.stats.size, pool.stats.in_use) == (2, 2)
        await pool.release(second)
        assert await pool.acquire() is second
        await pool.release(first)
        await pool.release(second)
        assert await value(database, "SELECT 1") == 1


async def test_no_new_connections(line: Outside, limited: str) -> None:
    """F32: who may not log in any more keeps what is open; others get the reason."""
    address = line.address.as_user(limited, "limited")
    async with Database(address.url(), pool_max=5) as database:
        pool = database.pool
        first = await pool.acquire()
        line.script(f"ALTER ROLE {limited} NOLOGIN")
        with pytest.raises(UowError) as caught:
            await pool.acquire()
        assert not isinstance(caught.value, PoolTimeoutError)
        assert caught.value.phase is Phase.ACQUIRE
        assert caught.value.__cause__ is not None
        assert await first.fetch(Statement("SELECT 1")) == [(1,)]
        await pool.release(first)

        assert await value(database, "SELECT 1") == 1


async def test_refused(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F32: with the port closed the open connections work on, and who waits gets the cause."""
    world = postgresql.again(pool_max=2, pool_timeout=0.5)
    async with world.database:
        pool = world.database.pool
        first = await pool.acquire()
        proxy.refuse()
        with pytest.raises(UowError) as caught:
            await pool.acquire()
        cause = caught.value.__cause__
        assert isinstance(cause, OSError)
        assert await first.fetch(Statement("SELECT 1")) == [(1,)]
        await pool.release(first)
        assert await value(world.database, "SELECT 1") == 1
        proxy.accept()
        held = [await pool.acquire(), await pool.acquire()]
        for connection in held:
            await pool.release(connection)
        world.assert_quiet()


# -- F33: the server's own limits


async def test_statement_timeout(postgresql: PostgreSQLWorld) -> None:
    """F33, R16: a statement that the server ends is a timeout, not a cancellation."""
    world = postgresql.again(statement_timeout=0.1)
    async with world.database:
        with pytest.raises(StatementTimeoutError) as caught:
            async with Session.begin(world.database) as session:
                (await session.get_one(Account, 1)).amount = 11
                await session.flush()
                await session.execute(sql("SELECT pg_sleep(5)"))

        assert isinstance(caught.value, TimeoutError)
        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert world.rows()["ann@x.org"][1] == 10
        world.assert_quiet()


async def test_lock_timeout(postgresql: PostgreSQLWorld) -> None:
    """F33, F50: a lock that is not granted in time is an error that another try may mend."""
    world = postgresql.again(lock_timeout=0.1)
    async with world.database, Session(world.database) as holder:
        await holder.get_one(Account, 1, for_update=True)
        with pytest.raises(LockTimeoutError) as caught:
            async with Session.begin(world.database) as session:
                (await session.get_one(Account, 2)).amount = 21
                (await session.get_one(Account, 1)).amount = 11
                await session.flush()

        assert caught.value.retryable
        assert world.rows()["bob@x.org"][1] == 20
        await holder.rollback()
        world.assert_quiet()


async def test_idle_in_transaction(postgresql: PostgreSQLWorld) -> None:
    """F33: a unit that the server ended because nothing happened in it is lost, and says so."""
    world = postgresql.again(idle_in_transaction_session_timeout=0.1)
    async with world.database:
        with pytest.raises(ConnectionLostError) as caught:
            async with Session.begin(world.database) as session:
                (await session.get_one(Account, 1)).amount = 11
                await session.flush()
                await anyio.sleep(0.3)
                await session.find(Entry).to_list()

        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert world.rows()["ann@x.org"][1] == 10
        world.assert_quiet()


# -- F34: behind a pooler


async def test_pooler_in_transaction_mode(postgresql: PostgreSQLWorld) -> None:
    """F34: with the statement cache off everything works, one server connection a transaction."""
    world, address = postgresql, postgresql.line.address
    if address.password:
        pytest.skip("the imitated pooler logs in without a password")
    with pooling(address.host, address.port, user=address.user, database=address.database) as pool:
        url = f"postgresql://{address.user}@{pool.host}:{pool.port}/{address.database}"
        async with Database(url, pool_max=2, statement_cache_size=0) as database:
            for number in range(6):
                async with Session(database, verify_commit=number % 2 == 0) as session:
                    ann = await session.get_one(Account, 1)
                    ann.amount += 1
                    session.add(Account(email=f"{number}@x.org", name="New", tags=["n"]))
                    await session.flush()
                    found = session.find(Account, Account.name == "New")
                    assert await found.count() == number + 1
                    async with session.begin_nested():
                        session.add(Entry(code=f"{number}", account_id=ann.id))
                    async with session.stream(found, batch_size=2) as rows:
                        assert len([row async for row in rows]) == number + 1
                    await session.commit()
                    assert await session.find(Entry).count() == number + 2
            with anyio.move_on_after(0.1) as scope:
                await value(database, "SELECT pg_sleep(5)")
            assert scope.cancelled_caught
            assert await value(database, "SELECT 5") == 5
    assert pool.served > 20
    assert world.rows()["ann@x.org"][1] == 16
    world.assert_quiet()


async def test_pooler_with_the_statement_cache_on(postgresql: PostgreSQLWorld) -> None:
    """F34: with it on, the error is typed, and nothing is half done."""
    world, address = postgresql, postgresql.line.address
    if address.password:
        pytest.skip("the imitated pooler logs in without a password")
    with pooling(address.host, address.port, user=address.user, database=address.database) as pool:
        url = f"postgresql://{address.user}@{pool.host}:{pool.port}/{address.database}"
        with pytest.raises(UowError):
            async with Database(url, pool_max=1) as database:
                for _ in range(4):
                    async with Session.begin(database) as session:
                        (await session.get_one(Account, 1)).amount += 1
                        await session.flush()
                        await session.find(Entry).to_list()
    amount = world.rows()["ann@x.org"][1]
    assert 10 <= amount < 14
    world.assert_quiet()


# -- F35: the schema changes


@pytest.fixture
def altered(line: Outside) -> Any:
    """Changes the type of a column, and back in the end."""

    def alter(kind: str = "integer") -> None:
        line.script(f"ALTER TABLE fault_accounts ALTER amount TYPE {kind}")

    yield alter
    alter("bigint")


async def test_definition_changed_outside_of_a_transaction(
    postgresql: PostgreSQLWorld, altered: Callable[[], None]
) -> None:
    """F35: a plan that no longer fits is made anew for a read outside of a transaction."""
    world = postgresql
    async with Session(world.database) as session:
        assert (await session.get_one(Account, 1)).amount == 10
    altered()
    async with Session(world.database) as session:
        assert (await session.get_one(Account, 1)).amount == 10
        assert len(await session.find(Account).to_list()) == 3
    world.assert_quiet()


async def test_definition_changed_inside_a_transaction(
    postgresql: PostgreSQLWorld, altered: Callable[[], None]
) -> None:
    """F35: inside one the transaction is lost: an error, and the unit can be run again."""
    world = postgresql
    tries: list[int] = []
    async with Session(world.database) as session:  # its plan is kept
        assert len(await session.find(Account).to_list()) == 3
    errors: list[UowError] = []

    async def work(session: Session) -> None:
        tries.append(1)
        (await session.get_one(Entry, "one")).text = "changed"
        await session.flush()
        if len(tries) == 1:
            altered()
        try:
            assert len(await session.find(Account).to_list()) == 3
        except UowError as error:
            errors.append(error)
            raise

    await run(work, world.database)

    assert [type(error) for error in errors] == [SchemaChangedError]
    assert errors[0].retryable
    assert errors[0].outcome is Outcome.NOT_APPLIED
    assert world.rows()["one"][0] == "changed"
    world.assert_quiet()


# -- F36, F38: what the one before left

LEFT: dict[str, tuple[str, str]] = {
    "a role": ("SET ROLE pg_read_all_data", "SELECT current_user = session_user"),
    "an authorization": (
        "SET SESSION AUTHORIZATION pg_read_all_data",
        "SELECT session_user <> 'pg_read_all_data'",
    ),
    "a search path": ("SET search_path = pg_catalog", "SELECT current_schema() = 'public'"),
    "a path set by a function": (
        "SELECT set_config('search_path', 'pg_catalog', false)",
        "SELECT current_schema() = 'public'",
    ),
    "a time zone": ("SET TIME ZONE 'Asia/Tokyo'", "SHOW TimeZone"),
    "a temporary table": (
        "CREATE TEMP TABLE fault_entries (code text)",
        "SELECT to_regclass('pg_temp.fault_entries') IS NULL",
    ),
    "an advisory lock": (
        "SELECT pg_advisory_lock(7)",
        "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    ),
    "a channel": ("LISTEN news", "SELECT count(*) = 0 FROM pg_listening_channels()"),
    "an isolation level": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SELECT current_setting('default_transaction_isolation') = 'read committed'",
    ),
    "a prepared statement": (
        "PREPARE theirs AS SELECT 1",
        "SELECT count(*) = 0 FROM pg_prepared_statements WHERE name = 'theirs'",
    ),
    "a setting of its own": (
        "SELECT set_config('app.tenant', '7', false)",
        "SELECT coalesce(current_setting('app.tenant', true), '') = ''",
    ),
    "what a block did": (
        "DO $$ BEGIN PERFORM set_config('app.tenant', '7', false); END $$",
        "SELECT coalesce(current_setting('app.tenant', true), '') = ''",
    ),
}


@pytest.mark.parametrize("what", LEFT)
async def test_next_borrower_sees_none_of_it(postgresql: PostgreSQLWorld, what: str) -> None:
    """F36, V5, P4: whatever one unit did to its connection, the next one finds it as new."""
    does, asks = LEFT[what]
    world = postgresql.again(pool_max=1)
    async with world.database:
        before = await value(world.database, asks)
        assert before is True or what == "a time zone"
        for ends in ("commit", "rollback", "cancel", "error"):
            with anyio.CancelScope() as scope, suppress(LookupError):
                async with Session(world.database) as session:
                    await session.execute(sql(does))
                    if ends == "cancel":
                        scope.cancel()
                        await anyio.lowlevel.checkpoint()
                    elif ends == "error":
                        raise LookupError
                    await (session.commit if ends == "commit" else session.rollback)()

            assert await value(world.database, asks) == before, ends
            async with Session(world.database) as session:
                assert (await session.get_one(Entry, "one")).text == "first"
        world.assert_quiet()


async def test_connection_in_other_hands(postgresql: PostgreSQLWorld) -> None:
    """F38: what is given back in a transaction, or after somebody had the client's, is as new."""
    world = postgresql.again(pool_max=1)
    async with world.database:
        pool = world.database.pool
        connection = await pool.acquire()
        await connection.begin(TransactionOptions())
        await connection.execute(Statement("UPDATE fault_accounts SET amount = 0"))
        await pool.release(connection)
        connection = await pool.acquire()
        assert not connection.in_transaction
        await connection.begin(TransactionOptions())
        await connection.execute(Statement("UPDATE fault_accounts SET amount = 0"))
        connection.taint()
        await connection.fetch(Statement("SELECT set_config('app.tenant', '7', false)"))
        await pool.release(connection)

        assert world.rows()["ann@x.org"][1] == 10
        tenant = "SELECT coalesce(current_setting('app.tenant', true), '')"
        assert await value(world.database, tenant) == ""
        connection = await pool.acquire()
        await connection.begin(TransactionOptions())
        stream = connection.stream(Statement("SELECT generate_series(1, 1000)"), batch_size=5)
        batches = await stream.__aenter__()
        assert len(await anext(batches)) == 5
        await pool.release(connection)
        assert await value(world.database, "SELECT 6") == 6
        await stream.__aexit__(None, None, None)
        world.assert_quiet()


# -- F39, F40, F41, F42


async def test_closed_with_borrowers_and_waiters(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F39: closed with borrowers, waiters and somebody connecting, twice: bounded, and all told."""
    world = postgresql.again(pool_max=2)
    await world.database.open()
    pool = world.database.pool
    errors: list[BaseException] = []

    async def waits() -> None:
        try:
            await pool.release(await pool.acquire())
        except UowError as error:
            errors.append(error)

    held = await pool.acquire()
    await held.begin(TransactionOptions())
    proxy.before(everything, Stall(), link=proxy.connections + 1)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(waits)  # one of them connects, and gets no answer
        await anyio.sleep(0.05)
        start = anyio.current_time()
        with anyio.fail_after(3):
            async with anyio.create_task_group() as closing:
                closing.start_soon(world.database.aclose, 0.1)
                closing.start_soon(world.database.aclose, 0.1)
            await world.database.aclose(0.1)
        assert anyio.current_time() - start < 2
        await anyio.sleep(0.05)
        assert sum(isinstance(error, PoolClosedError) for error in errors) >= 2
        proxy.resume()

    assert len(errors) == 3
    assert held.is_closed
    await ends(lambda: not world.sessions(), world.sessions)


class Crowd:
    """Many units at once, and what became of each as far as it was told."""

    def __init__(self, world: PostgreSQLWorld, seed: int) -> None:
        self.world = world
        self.choice = random.Random(seed)
        self.sessions: dict[int, Session] = {}
        self.unknown: dict[int, CommitUnknownError] = {}
        self.errors: set[type[UowError]] = set()
        self.most = 0

    async def unit(self, number: int) -> None:
        """Store three rows; some units are not waited for."""
        email = f"{number}@x.org"
        session = self.sessions[number] = Session(self.world.database, verify_commit=True)
        patience = self.choice.choice([0.01, 0.1, 0.3, 30.0, 30.0, 30.0, 30.0])
        with anyio.move_on_after(patience):
            try:
                async with session:
                    session.add(Account(email=email, name="New"))
                    session.add(Entry(code=email, account_id=1))
                    await session.flush()
                    self.most = max(self.most, self.world.database.pool.stats.size)
                    async with session.begin_nested():
                        session.add(Account(email=f"second-{email}", name="New"))
                    await session.commit()
            except CommitUnknownError as error:
                self.unknown[number] = error
            except UowError as error:
                self.errors.add(type(error))

    async def harm(self, proxy: Proxy, times: int) -> None:
        """Cut somewhere, before COMMIT, after it; let an administrator end them all."""
        for _ in range(times):
            await anyio.sleep(0.04)
            what = self.choice.randrange(5)
            if what < 2:
                proxy.before(everything, Cut(), nth=self.choice.randrange(1, 40))
            elif what == 2:
                proxy.before(completed("COMMIT"), Cut())
            elif what == 3:
                proxy.before(runs("COMMIT"), Cut())
            else:
                self.world.kill()


@pytest.mark.parametrize("seed", [3, 4])
async def test_crowd(postgresql: PostgreSQLWorld, proxy: Proxy, seed: int) -> None:
    """F40, P1, P2: 500 units on five connections, some cancelled, cut off or killed.

    Each is stored whole or not at all, and what it was told is true; the pool stays in bounds.
    """
    world = postgresql.again(pool_max=5, pool_timeout=20.0)
    crowd = Crowd(world, seed)
    async with world.database:
        with anyio.fail_after(40):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(crowd.harm, proxy, 12)
                for number in range(500):
                    tasks.start_soon(crowd.unit, number)
        proxy.clear()
        rows = world.rows()
        codes = {code for (code,) in world.line.ask("SELECT code FROM fault_entries")}
        stored = {number for number in range(500) if f"{number}@x.org" in rows}

        assert crowd.most <= 5
        assert {number for number in range(500) if f"{number}@x.org" in codes} == stored
        assert {number for number in range(500) if f"second-{number}@x.org" in rows} == stored
        for number, session in crowd.sessions.items():
            if session.outcome is not Outcome.UNKNOWN:
                assert (session.outcome is Outcome.APPLIED) is (number in stored), number
        for number, error in crowd.unknown.items():
            assert (await error.verify() is Outcome.APPLIED) is (number in stored), number
        assert PoolTimeoutError not in crowd.errors
        assert ConcurrentUseError not in crowd.errors
        assert len(stored) > 100
        world.assert_quiet()
    world.reset()


async def test_clock_that_jumps(
    postgresql: PostgreSQLWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F41: lifetimes and deadlines go by a clock that does not jump."""
    world = postgresql.again(pool_max=1, pool_timeout=0.2)
    real = time.time
    async with world.database:
        ((pid, *_),) = world.sessions()
        for hours in (1, -1, 24 * 365):
            monkeypatch.setattr(time, "time", lambda hours=hours: real() + hours * 3600)
            async with Session(world.database) as session:
                (await session.get_one(Account, 1)).amount += 1
                await session.flush()
                with pytest.raises(PoolTimeoutError):
                    await world.database.pool.acquire()
                await session.commit()
        assert [row[0] for row in world.sessions()] == [pid]
        assert world.rows()["ann@x.org"][1] == 13
        world.assert_quiet()
