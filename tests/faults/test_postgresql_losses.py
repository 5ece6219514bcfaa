"""Connections to PostgreSQL that are lost, and commits that nobody answered (F20-F27, F53-F56)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest

from tests.faults.messages import Side
from tests.faults.models import Account, Entry
from tests.faults.postgresql import PostgreSQLWorld, ends
from tests.faults.proxy import (
    Cut,
    Delay,
    HalfClose,
    Proxy,
    Stall,
    completed,
    everything,
    of_kind,
    ready,
    runs,
    sent_by,
)
from tests.faults.work import Work
from uow import (
    CommitUnknownError,
    ConnectionLostError,
    NotLoadedError,
    Outcome,
    PoolTimeoutError,
    Session,
    StatementTimeoutError,
    UowError,
    run,
    sql,
)
from uow.errors import Phase

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

BEFORE_AND_AFTER = {"stored": completed("COMMIT"), "not stored": runs("COMMIT")}
"""Where a connection is cut so that COMMIT was done and not answered, or never came."""


async def unknown(
    world: PostgreSQLWorld, proxy: Proxy, session: Session, where: str
) -> tuple[CommitUnknownError, Account]:
    """Commit a change and a new object, and lose the answer, or the question."""
    proxy.before(BEFORE_AND_AFTER[where], Cut())
    ann = world.see(await session.get_one(Account, 1))
    ann.amount = 11
    session.add(world.see(Account(email="new@x.org", name="New")))
    with pytest.raises(CommitUnknownError) as caught:
        await session.commit()

    assert proxy.pending == 0
    return caught.value, ann


@pytest.mark.parametrize("where", BEFORE_AND_AFTER)
async def test_lost_acknowledgement(postgresql: PostgreSQLWorld, proxy: Proxy, where: str) -> None:
    """F20, F21: a COMMIT without an answer is unknown, not failed; `verify` tells, without a table.

    Nothing is run again by itself.
    """
    world = postgresql
    expected = Outcome.APPLIED if where == "stored" else Outcome.NOT_APPLIED
    async with Session(world.database, verify_commit=True) as session:
        error, _ = await unknown(world, proxy, session, where)

        assert error.outcome is session.outcome is Outcome.UNKNOWN
        assert error.phase is Phase.COMMIT
        assert not error.retryable
        assert await error.verify() is expected
        assert await error.verify() is expected
    assert ("new@x.org" in world.rows()) is (where == "stored")
    assert not world.line.ask("SELECT 1 FROM pg_class WHERE relname = '_uow_commits'")
    assert proxy.count(runs("INSERT")) == 1
    world.assert_quiet()


@pytest.mark.parametrize("where", BEFORE_AND_AFTER)
async def test_lost_acknowledgement_without_a_token(
    postgresql: PostgreSQLWorld, proxy: Proxy, where: str
) -> None:
    """F20: without `verify_commit` nobody can tell, and no transaction number is asked for."""
    world = postgresql
    async with Session(world.database) as session:
        error, _ = await unknown(world, proxy, session, where)

        assert await error.verify() is Outcome.UNKNOWN
    assert proxy.count(runs("SELECT pg_current_xact_id")) == 0
    world.assert_quiet()


async def test_one_statement_without_an_answer(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F20: a unit of one statement is its own COMMIT, and as unknown when its answer is lost."""
    world = postgresql
    async with Session(world.database) as session:
        session.add(Account(email="first@x.org", name="New"))
        await session.commit()  # the statement is prepared
        session.add(Account(email="new@x.org", name="New"))
        proxy.before(ready("I"), Cut())
        with pytest.raises(CommitUnknownError):
            await session.commit()

        assert session.outcome is Outcome.UNKNOWN
    assert "new@x.org" in world.rows()
    world.assert_quiet()


async def test_verify_that_fails_at_first(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F22: `verify` asks again when its own connection is lost, a few times, and never guesses."""
    world = postgresql
    async with Session(world.database, verify_commit=True) as session:
        error, _ = await unknown(world, proxy, session, "stored")
        asks = runs("SELECT CASE")
        proxy.before(asks, Cut())
        assert await error.verify() is Outcome.APPLIED
        for nth in range(1, 10):
            proxy.before(asks, Cut(), nth=nth)
        with anyio.fail_after(5):
            assert await error.verify() is Outcome.UNKNOWN
        proxy.clear()

        assert await error.verify() is Outcome.APPLIED
    world.assert_quiet()


async def test_verify_while_the_transaction_is_open(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """F21, R7: a transaction whose COMMIT is held up on its way is neither; it is waited for."""
    world = postgresql
    async with Session(world.database, verify_commit=True) as session:
        proxy.before(runs("COMMIT"), Stall())
        session.add(world.see(Account(email="new@x.org", name="New")))
        with pytest.raises(CommitUnknownError) as caught:
            await session.commit()
        start = anyio.current_time()
        assert await caught.value.verify() is Outcome.UNKNOWN
        assert 0.4 < anyio.current_time() - start < 2

        outcomes: list[Outcome] = []

        async def verify() -> None:
            outcomes.append(await caught.value.verify())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(verify)
            await anyio.sleep(0.1)
            proxy.resume()
        stored = "new@x.org" in world.rows()
        assert outcomes == [Outcome.APPLIED if stored else Outcome.NOT_APPLIED]
    world.assert_quiet()


async def test_verify_after_the_server_forgot(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F20, R7: "committed" from a server that may have given the number again proves nothing."""
    world = postgresql
    async with Session(world.database, verify_commit=True) as session:
        error, _ = await unknown(world, proxy, session, "stored")
        world.line.ask("SELECT pg_stat_reset_shared('bgwriter')")

        assert await error.verify() is Outcome.UNKNOWN
    world.assert_quiet()


async def test_unit_that_only_reads_needs_no_token(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """R7: what writes nothing asks for no transaction number, which would cost the server one."""
    async with Session(postgresql.database, read_only=True, verify_commit=True) as session:
        await session.get(Account, 1)
        await session.commit()

    assert proxy.count(runs("SELECT pg_current_xact_id")) == 0


@pytest.mark.parametrize("where", BEFORE_AND_AFTER)
async def test_run_looks_an_unknown_commit_up(
    postgresql: PostgreSQLWorld, proxy: Proxy, where: str
) -> None:
    """F52, F20: `run` looks an unknown commit up, and does again only what was not stored."""
    world = postgresql
    tries: list[int] = []

    async def work(session: Session) -> None:
        tries.append(1)
        (await session.get_one(Account, 1)).amount += 1

    proxy.before(BEFORE_AND_AFTER[where], Cut())
    await run(work, world.database)

    assert len(tries) == (1 if where == "stored" else 2)
    assert world.rows()["ann@x.org"][1] == 11
    world.assert_quiet()


@pytest.mark.parametrize("where", BEFORE_AND_AFTER)
async def test_session_after_an_unknown_commit(
    postgresql: PostgreSQLWorld, proxy: Proxy, where: str
) -> None:
    """F55, F56: it refuses all but rollback and close, sends nothing, and calls no hook."""
    world = postgresql
    called: list[str] = []
    async with Session(world.database, verify_commit=True) as session:
        session.on_commit(lambda: called.append("committed"))
        _, ann = await unknown(world, proxy, session, where)
        sent = proxy.count(sent_by(Side.CLIENT))
        uses: list[Callable[[], Awaitable[object]]] = [
            session.flush,
            session.commit,
            lambda: session.get(Account, 1),
            lambda: session.find(Account).to_list(),
            lambda: session.execute(sql("SELECT 1")),
        ]
        for use in uses:
            with pytest.raises(CommitUnknownError):
                await use()
        assert proxy.count(sent_by(Side.CLIENT)) == sent
        assert ann.amount == 11

        await session.rollback()

        with pytest.raises(NotLoadedError):
            _ = ann.amount
        stored = where == "stored"
        assert (await session.get_one(Account, 1)).amount == (11 if stored else 10)
        session.add(Account(email="later@x.org", name="Later"))
        await session.commit()
    assert called == []
    assert "later@x.org" in world.rows()
    world.assert_quiet()


# -- F23, F53, F54: before COMMIT


@pytest.mark.parametrize("inside", ["transaction", "savepoint"])
@pytest.mark.parametrize("side", Side)
async def test_lost_at_any_message_of_a_flush(
    postgresql: PostgreSQLWorld, proxy: Proxy, inside: str, side: Side
) -> None:
    """F23, F54: cut at any message before COMMIT: not applied, 0 rows, pending; then it works."""
    world = postgresql
    number = 0
    step = 1 if inside == "transaction" else 3
    errors: list[ConnectionLostError] = []
    while True:
        number += step
        world.reset()
        async with Session(world.database) as session:
            work = Work(world, session)
            await work.prepare()
            proxy.clear()
            savepoint = session.begin_nested()
            if inside == "savepoint":
                await savepoint.__aenter__()
                if proxy.count(sent_by(side)) >= number:
                    number = proxy.count(sent_by(side)) + 1
                proxy.clear()
            proxy.before(sent_by(side), Cut(), nth=number)
            try:
                await session.flush()
            except ConnectionLostError as error:
                errors.append(error)
                work.assert_pending()
                if inside == "savepoint":
                    await session.rollback()
                    world.assert_quiet()
                    continue
            if proxy.pending:
                await session.rollback()
                break
            proxy.clear()
            await session.commit()
            assert session.outcome is Outcome.APPLIED
            work.assert_stored()
        world.assert_quiet()
    assert len(errors) > 4
    assert {error.outcome for error in errors} == {Outcome.NOT_APPLIED}
    assert all(error.retryable and error.__cause__ is not None for error in errors)


async def test_lost_at_any_message_before_commit(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F23: the same for a whole unit: up to COMMIT a loss is "not applied", from there unknown."""
    world = postgresql
    number = 0
    errors: list[ConnectionLostError] = []
    while True:
        number += 1
        world.reset()
        session = Session(world.database)
        proxy.clear()
        proxy.before(sent_by(Side.CLIENT), Cut(), nth=number)
        try:
            async with session:
                ann = world.see(await session.get_one(Account, 1))
                ann.amount = 11
                session.add(world.see(Entry(code="two", account_id=1)))
                await session.flush()
                world.see(*await session.find(Account).to_list())
                await session.commit()
        except ConnectionLostError as error:
            errors.append(error)
            assert proxy.count(runs("COMMIT")) == 0
            assert world.rows()["ann@x.org"][1] == 10
        except CommitUnknownError:
            assert world.rows()["ann@x.org"][1] == 10
            break
        world.assert_agrees()
        world.assert_quiet()
        if session.outcome is Outcome.APPLIED:
            # A connection that was lost before the unit began was replaced.
            assert world.rows()["ann@x.org"][1] == 11
        assert proxy.pending == 0
    assert len(errors) > 4
    assert {error.outcome for error in errors} == {Outcome.NOT_APPLIED}
    world.assert_quiet()


async def test_no_statement_is_repeated(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F53: inside a unit no statement is sent again behind its back, not even one that reads."""
    world = postgresql
    async with Session(world.database) as session:
        (await session.get_one(Account, 1)).amount = 11
        await session.flush()
        proxy.log.clear()
        proxy.before(of_kind("DataRow", "RowDescription"), Cut())
        with pytest.raises(ConnectionLostError) as caught:
            await session.find(Entry).to_list()

        assert caught.value.retryable
        assert caught.value.outcome is Outcome.NOT_APPLIED
        assert proxy.connections == 1
        assert proxy.count(of_kind("Parse")) == 1
        assert world.rows()["ann@x.org"][1] == 10
        await session.commit()
    assert world.rows()["ann@x.org"][1] == 11
    world.assert_quiet()


# -- F24, F25: half-closed, and nobody there


@pytest.mark.parametrize("side", Side)
async def test_half_closed_while_idle(
    postgresql: PostgreSQLWorld, proxy: Proxy, side: Side
) -> None:
    """F24: a connection of which one side is closed is not used again."""
    world = postgresql
    proxy.after(ready("I"), HalfClose(side))
    async with Session(world.database) as session:
        await session.get_one(Account, 1)
    await anyio.sleep(0.05)
    async with Session(world.database) as session:
        (await session.get_one(Account, 2)).amount = 21
        await session.commit()

    assert world.rows()["bob@x.org"][1] == 21
    assert proxy.connections == 2
    world.assert_quiet()


@pytest.mark.parametrize("side", Side)
async def test_half_closed_inside_a_unit(
    postgresql: PostgreSQLWorld, proxy: Proxy, side: Side
) -> None:
    """F24: inside a unit it is a loss, soon."""
    world = postgresql
    with anyio.fail_after(3):
        async with Session(world.database) as session:
            (await session.get_one(Account, 2)).amount = 21
            await session.flush()
            proxy.before(sent_by(Side.CLIENT), HalfClose(side))
            with pytest.raises(ConnectionLostError):
                await session.find(Entry).to_list()
            await session.rollback()

    assert world.rows()["bob@x.org"][1] == 20
    world.assert_quiet()


async def test_nobody_there_in_a_query(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F25: a query into a black hole ends with the caller's scope, and its connection with it.

    Nothing goes on waiting for the server: not even what asked it to cancel.
    """
    world = postgresql
    tasks = len(asyncio.all_tasks())
    start = anyio.current_time()
    async with Session(world.database) as session:
        (await session.get_one(Account, 1)).amount = 11
        await session.flush()
        proxy.stall()
        with anyio.move_on_after(0.2) as scope:
            await session.find(Entry).to_list()
        assert scope.cancelled_caught
        await session.rollback()
    assert anyio.current_time() - start < 3
    await ends(lambda: len(asyncio.all_tasks()) <= tasks, asyncio.all_tasks)
    proxy.resume()

    assert world.database.pool.stats.terminated == 1
    assert world.rows()["ann@x.org"][1] == 10
    world.assert_quiet()


async def test_nobody_there_and_a_deadline_for_statements(
    proxy: Proxy, postgresql: PostgreSQLWorld
) -> None:
    """F25, R16: a statement's own deadline ends a query into a black hole, as a timeout."""
    other = postgresql.again(command_timeout=0.2)
    async with other.database:
        async with Session(other.database) as session:
            await session.get_one(Account, 1)
            proxy.before(runs("SELECT"), Stall())
            with anyio.fail_after(3), pytest.raises((StatementTimeoutError, ConnectionLostError)):
                await session.find(Entry).to_list()
        proxy.resume()
        other.assert_quiet()


async def test_nobody_there_in_rollback(
    postgresql: PostgreSQLWorld, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F25, F07: a rollback into a black hole ends with its budget; the connection is cut off."""
    world = postgresql
    # What a cancelled query waits for is no part of a cleanup, which has a budget of its own.
    monkeypatch.setattr("uow.drivers._asyncpg_connection.REST_SECONDS", 5.0)
    start = anyio.current_time()
    async with Session(world.database) as session:
        (await session.get_one(Account, 1)).amount = 11
        await session.flush()
        proxy.before(runs("ROLLBACK"), Stall())
        await session.rollback()
    elapsed = anyio.current_time() - start
    proxy.resume()

    assert 0.4 < elapsed < 2
    assert world.database.pool.stats.terminated == 1
    world.assert_quiet()


async def test_nobody_there_at_checkout(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F25: an idle connection that leads nowhere is found out and replaced, within the budget."""
    world = postgresql.again(pool_idle_check=0.05, pool_max=1)
    async with world.database:
        async with Session(world.database) as session:
            await session.get_one(Account, 1)
        link = proxy.connections
        await anyio.sleep(0.1)
        proxy.before(sent_by(Side.CLIENT), Stall(), link=link)
        start = anyio.current_time()
        async with Session(world.database) as session:
            (await session.get_one(Account, 2)).amount = 21
            await session.commit()

        assert anyio.current_time() - start < 2
        assert proxy.connections > link
        proxy.resume()
        await ends(lambda: len(world.sessions()) == 1, world.sessions)
        assert world.rows()["bob@x.org"][1] == 21
        world.assert_quiet()


async def test_nobody_there_when_opening(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F25, F05: connecting to a black hole ends with the deadline of the pool."""
    other = postgresql.again(pool_timeout=0.3)
    proxy.stall()
    start = anyio.current_time()
    with pytest.raises((PoolTimeoutError, ConnectionLostError)):
        await other.database.open()

    assert anyio.current_time() - start < 2
    proxy.resume()
    await ends(lambda: not other.sessions(), other.sessions)


async def test_nobody_there_when_closing(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F25: closing connections that lead nowhere ends with the budget."""
    other = postgresql.again()
    async with other.database:
        await other.database.open()
        async with Session(other.database) as session:
            await session.get(Account, 1)
        proxy.stall()
        start = anyio.current_time()
        await other.database.aclose(timeout=0.2)

        assert anyio.current_time() - start < 2
    proxy.resume()
    await ends(lambda: not other.sessions(), other.sessions)


# -- F26, F27: killed by the server


@pytest.mark.parametrize("is_noticed", [True, False])
@pytest.mark.parametrize("first", ["read", "write", "one statement"])
async def test_killed_while_idle(postgresql: PostgreSQLWorld, first: str, is_noticed: bool) -> None:
    """F26: an idle connection that the server ended is replaced before a unit's first statement.

    Also if the news is still on its way; but a statement that is its own COMMIT is not sent twice.
    """
    world = postgresql
    may_be_unknown = () if is_noticed or first != "one statement" else (CommitUnknownError,)
    async with Session(world.database) as session:
        await session.get_one(Account, 1)
    world.kill()
    if is_noticed:
        await anyio.sleep(0.05)
    async with Session(world.database) as session:
        if first == "read":
            await session.get_one(Account, 1)
        elif first == "write":
            session.add_all([Account(email="a@x.org", name="A"), Entry(code="2", account_id=1)])
        else:
            session.add(Account(email="a@x.org", name="A"))
        with suppress(*may_be_unknown):
            await session.commit()

    if session.outcome is not Outcome.UNKNOWN:
        assert ("a@x.org" in world.rows()) is (first != "read")
    world.assert_quiet()


async def test_killed_inside_a_unit(postgresql: PostgreSQLWorld) -> None:
    """F27, V11: a connection killed in a unit is a loss, with the server's word as its cause."""
    world = postgresql
    with pytest.raises(ConnectionLostError) as caught:
        async with Session.begin(world.database) as session:
            ann = world.see(await session.get_one(Account, 1))
            ann.amount = 11
            await session.flush()
            world.kill()
            await session.find(Entry).to_list()

    assert caught.value.outcome is Outcome.NOT_APPLIED
    cause = caught.value.__cause__
    assert cause is not None
    assert getattr(cause, "sqlstate", None) in ("57P01", "08003", None)
    assert world.rows()["ann@x.org"][1] == 10
    world.assert_agrees()
    world.assert_quiet()


@pytest.mark.parametrize("when", ["idle", "in a query", "in a flush", "in commit"])
async def test_last_word_of_the_server(
    postgresql: PostgreSQLWorld, proxy: Proxy, when: str
) -> None:
    """F26, F27: the server said that it ends the connection, and its end has not come yet."""
    world = postgresql
    async with Session(world.database) as session:
        ann = world.see(await session.get_one(Account, 1))
        if when != "idle":
            ann.amount = 11
            await session.flush()
        proxy.after(of_kind("Error"), Stall())
        world.kill()
        await anyio.sleep(0.05)
        if when != "in commit":
            ann.name = "Anna"
        if when == "idle":
            session.add(Entry(code="two", account_id=1))
            await session.commit()
        elif when == "in commit":
            with pytest.raises((ConnectionLostError, CommitUnknownError)):
                await session.commit()
            await session.rollback()
        else:
            with pytest.raises(ConnectionLostError) as caught:
                await (session.flush() if "flush" in when else session.find(Entry).to_list())
            assert caught.value.outcome is Outcome.NOT_APPLIED
            assert caught.value.retryable
            await session.rollback()

    assert proxy.pending == 0
    assert world.rows()["ann@x.org"][:2] == ("Anna" if when == "idle" else "Ann", 10)
    proxy.resume()
    world.assert_quiet()


async def test_lost_connection_masks_no_error(postgresql: PostgreSQLWorld) -> None:
    """F27, V11: an error of the block comes out though the connection is gone by then."""
    world = postgresql
    with pytest.raises(LookupError):
        async with Session.begin(world.database) as session:
            session.add(world.see(Account(email="new@x.org", name="New")))
            await session.flush()
            async with session.begin_nested():
                world.kill()
                raise LookupError("the cause")

    assert "new@x.org" not in world.rows()
    world.assert_agrees()
    world.assert_quiet()


async def test_killed_before_commit_is_sent(postgresql: PostgreSQLWorld) -> None:
    """F23, F27: a COMMIT that the client knows it never sent was not applied."""
    world = postgresql
    async with Session(world.database, verify_commit=True) as session:
        ann = world.see(await session.get_one(Account, 1))
        ann.amount = 11
        await session.flush()
        world.kill()
        await anyio.sleep(0.1)
        with pytest.raises(UowError) as caught:
            await session.commit()
        assert isinstance(caught.value, ConnectionLostError)
        assert caught.value.outcome is Outcome.NOT_APPLIED
        await session.rollback()
    assert world.rows()["ann@x.org"][1] == 10
    world.assert_quiet()


async def test_everything_is_slow(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """A slow network is no fault: every message late, and the unit is stored."""
    world = postgresql
    for number in range(1, 12):
        proxy.before(everything, Delay(0.005), nth=number)
    async with Session(world.database) as session:
        work = Work(world, session)
        await work.prepare()
        await session.commit()
        work.assert_stored()
    world.assert_quiet()
