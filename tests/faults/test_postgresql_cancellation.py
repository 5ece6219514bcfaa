"""What a cancellation may not do to a unit in PostgreSQL, wherever it lands (F01-F15, F37)."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest

from tests.faults.messages import Side
from tests.faults.models import Account, Entry
from tests.faults.postgresql import PostgreSQLWorld, ends
from tests.faults.programs import PROGRAMS
from tests.faults.proxy import Call, Delay, Proxy, Stall, completed, of_kind, runs, sent_by
from tests.faults.steps import SCOPE, TASK, run_cancelled
from tests.faults.sweeps import check, results
from tests.faults.world import assert_nothing_left, threads_and_files
from uow import ConcurrentUseError, Outcome, Session, State, sql, state

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

ways = pytest.mark.parametrize("how", [SCOPE, TASK])


def in_this_loop(function: Callable[[], object]) -> Call:
    """Call something in the running event loop when the proxy is there, and wait for it."""
    loop = asyncio.get_running_loop()

    def call() -> None:
        done = threading.Event()

        def act() -> None:
            function()
            done.set()

        loop.call_soon_threadsafe(act)
        done.wait(1)

    return Call(call)


def new(email: str = "new@x.org") -> Account:
    """Make an account."""
    return Account(email=email, name="New")


# -- F01, F02


@ways
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", ["one_of_everything", "streamed", "one_insert"])
async def test_cancelled_at_any_message(
    postgresql: PostgreSQLWorld,
    proxy: Proxy,
    sessions: list[Session],
    *,
    name: str,
    side: Side,
    how: str,
) -> None:
    """F01: whichever message is under way, a unit is stored whole or not at all; all is clean."""
    world, program = postgresql, PROGRAMS[name]
    allowed = await results(world, program)
    number = 0
    # The messages in one packet are one moment; of a long exchange every third is enough.
    step = 3 if name == "one_of_everything" else 1
    while True:
        number += step
        world.reset()
        sessions.clear()
        proxy.clear()

        def arm(cancel: Callable[[], object], number: int = number) -> None:
            proxy.before(sent_by(side), in_this_loop(cancel), nth=number)

        run = await run_cancelled(program(world), how, arm=arm)
        if proxy.pending:
            assert run.error is None
            break
        assert run.cancelled, f"the cancellation at message {number} was swallowed"
        await check(world, run, sessions, allowed)
    assert number > 2 * step
    assert world.rows() == allowed[1]


@ways
@pytest.mark.parametrize("name", ["one_of_everything", "run_again"])
async def test_cancelled_at_any_time_under_latency(
    postgresql: PostgreSQLWorld, proxy: Proxy, sessions: list[Session], name: str, how: str
) -> None:
    """F02, V4: the same by the clock, with a slow network; and soon."""
    world, program = postgresql, PROGRAMS[name]
    allowed = await results(world, program)
    proxy.latency = 0.003
    for step in range(200):
        world.reset()
        sessions.clear()
        delay = step * (0.013 if how == SCOPE else 0.019)
        async with anyio.create_task_group() as tasks:

            def arm(cancel: Callable[[], object], delay: float = delay) -> None:
                async def later() -> None:
                    await anyio.sleep(delay)
                    cancel()

                tasks.start_soon(later)

            start = anyio.current_time()
            run = await run_cancelled(program(world), how, arm=arm)
            overrun = anyio.current_time() - start - delay
            tasks.cancel_scope.cancel()
        assert overrun < 1.5 or not run.cancelled
        await check(world, run, sessions, allowed)
        if not run.cancelled:
            return
    pytest.fail("no run came to its end")


# -- F03, F04, F05: getting a connection


async def test_cancelled_in_the_queue(postgresql: PostgreSQLWorld) -> None:
    """F03: who is cancelled while waiting loses no connection, not even in the same tick."""
    world = postgresql.again(pool_max=1)
    async with world.database:
        pool = world.database.pool
        for number in range(60):
            held = await pool.acquire()
            served: list[int] = []

            async def waits(place: int, served: list[int] = served) -> None:
                connection = await pool.acquire()
                served.append(place)
                await pool.release(connection)

            tasks = [asyncio.ensure_future(waits(place)) for place in range(3)]
            while pool.stats.waiting < 3:
                await anyio.lowlevel.checkpoint()
            if number % 2:
                assert pool.release_nowait(held)
                tasks[0].cancel()
            else:
                tasks[0].cancel()
                assert pool.release_nowait(held)
            ended = await asyncio.gather(*tasks, return_exceptions=True)

            assert isinstance(ended[0], asyncio.CancelledError)
            assert served == [1, 2]
        world.assert_quiet()
        assert len(world.sessions()) == 1


async def test_deadline_and_hand_over_in_one_tick(postgresql: PostgreSQLWorld) -> None:
    """F04: a connection that comes just when the waiting ends is used or goes back."""
    world = postgresql.again(pool_max=1)
    async with world.database:
        pool = world.database.pool
        outcomes: set[bool] = set()
        for number in range(300):
            held = await pool.acquire()
            asyncio.get_running_loop().call_later(
                0.001 + number % 3 * 0.00001, pool.release_nowait, held
            )
            try:
                connection = await pool.acquire(timeout=0.001)
            except TimeoutError:
                outcomes.add(False)
                await ends(lambda: pool.stats.in_use == 0, lambda: pool.stats)
            else:
                outcomes.add(True)
                assert pool.release_nowait(connection)
            assert pool.stats.in_use == 0
        world.assert_quiet()
        assert len(world.sessions()) == 1


LOGIN = ["Startup", "Authentication", "ParameterStatus", "BackendKeyData", "ReadyForQuery"]


@ways
@pytest.mark.parametrize("kind", LOGIN)
async def test_cancelled_while_connecting(
    postgresql: PostgreSQLWorld, proxy: Proxy, how: str, kind: str
) -> None:
    """F05: cancelled at any message of the login, the socket is closed and the place is free."""
    world = postgresql.again()
    pool = world.database._pool
    before = threads_and_files()
    proxy.before(of_kind(kind), Stall())

    async def connect() -> None:
        await pool.release(await pool.acquire())

    start = anyio.current_time()
    async with anyio.create_task_group() as tasks:

        def arm(cancel: Callable[[], object]) -> None:
            async def later() -> None:
                await anyio.sleep(0.05)
                cancel()

            tasks.start_soon(later)

        run = await run_cancelled(connect(), how, arm=arm)

    assert proxy.pending == 0
    assert run.cancelled
    assert anyio.current_time() - start < 2
    assert (pool.stats.size, pool.stats.in_use, pool.stats.waiting) == (0, 0, 0)
    proxy.resume()
    await world.database.aclose()
    await ends(lambda: not world.sessions(), world.sessions)
    await ends(lambda: proxy.open_links == 1, lambda: proxy.open_links)
    assert_nothing_left(before)


# -- F06, F07, F08: COMMIT, ROLLBACK, release


@ways
async def test_cancelled_in_commit(postgresql: PostgreSQLWorld, proxy: Proxy, how: str) -> None:
    """F06, V3: a COMMIT under way is not cut; the cancellation is raised when it has ended."""
    world = postgresql
    called: list[str] = []
    session = Session(world.database)

    async def work() -> None:
        async with session:
            session.add(world.see(new()))
            session.add(world.see(Entry(code="two", account_id=1)))
            session.on_commit(lambda: called.append("committed"))
            await session.commit()

    def arm(cancel: Callable[[], object]) -> None:
        proxy.before(runs("COMMIT"), in_this_loop(cancel))
        proxy.before(runs("COMMIT"), Delay(0.02))
        proxy.before(completed("COMMIT"), Delay(0.02))

    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert session.outcome is Outcome.APPLIED
    assert "new@x.org" in world.rows()
    assert called == ["committed"]
    assert world.database.pool.stats.terminated == 0
    world.assert_agrees()
    world.assert_quiet()


@ways
@pytest.mark.parametrize("point", [runs("COMMIT"), completed("COMMIT")], ids=["asked", "done"])
async def test_commit_that_never_ends(
    postgresql: PostgreSQLWorld, proxy: Proxy, how: str, point: Callable[[Any], bool]
) -> None:
    """F06: when the budget of a COMMIT is spent the connection is killed, the outcome unknown."""
    world = postgresql
    session = Session(world.database)

    async def work() -> None:
        async with session:
            session.add(world.see(new()))
            session.add(world.see(Entry(code="two", account_id=1)))
            await session.commit()

    def arm(cancel: Callable[[], object]) -> None:
        proxy.before(point, in_this_loop(cancel))
        proxy.before(point, Stall())

    start = anyio.current_time()
    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert anyio.current_time() - start < 2
    assert session.outcome is Outcome.UNKNOWN
    assert world.database.pool.stats.terminated == 1
    proxy.resume()
    world.assert_quiet()


@ways
@pytest.mark.parametrize("wait", [Delay(0.02), Stall()], ids=["slow", "hanging"])
async def test_cancelled_in_rollback(
    postgresql: PostgreSQLWorld, proxy: Proxy, how: str, wait: Delay | Stall
) -> None:
    """F07: a rollback is finished though it is cancelled, or its connection is cut off in time."""
    world = postgresql

    async def work() -> None:
        async with Session(world.database) as session:
            session.add(world.see(new()))
            await session.flush()
            await session.rollback()

    def arm(cancel: Callable[[], object]) -> None:
        proxy.before(runs("ROLLBACK"), in_this_loop(cancel))
        proxy.before(runs("ROLLBACK"), wait)

    start = anyio.current_time()
    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert anyio.current_time() - start < 2
    assert world.database.pool.stats.terminated == isinstance(wait, Stall)
    proxy.resume()
    world.assert_agrees()
    world.assert_quiet()


@ways
@pytest.mark.parametrize("wait", [Delay(0.02), Stall()], ids=["slow", "hanging"])
async def test_cancelled_in_reset_after_commit(
    postgresql: PostgreSQLWorld, proxy: Proxy, how: str, wait: Delay | Stall
) -> None:
    """F07: giving the connection back after a COMMIT cannot hide that the unit was stored."""
    world = postgresql
    session = Session(world.database)

    async def work() -> None:
        async with session:
            await session.execute(sql("SET work_mem = '5MB'"))
            session.add(world.see(new()))
            await session.commit()

    def arm(cancel: Callable[[], object]) -> None:
        cancels = in_this_loop(cancel)

        def plan() -> None:
            # What the client sends next is the reset.
            proxy.before(sent_by(Side.CLIENT), cancels)
            proxy.before(sent_by(Side.CLIENT), wait)

        proxy.after(completed("COMMIT"), Call(plan))

    start = anyio.current_time()
    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert anyio.current_time() - start < 2
    assert session.outcome is Outcome.APPLIED
    assert "new@x.org" in world.rows()
    proxy.resume()
    world.assert_agrees()
    world.assert_quiet()


@ways
async def test_cancelled_again_while_cleaning_up(
    postgresql: PostgreSQLWorld, proxy: Proxy, sessions: list[Session], how: str
) -> None:
    """F08: a second cancellation during the cleanup of the first changes nothing of all that."""
    world, program = postgresql, PROGRAMS["one_of_everything"]
    allowed = await results(world, program)
    for number in range(2, 60, 4):
        for gap in (1, 3):
            world.reset()
            sessions.clear()
            run = await run_cancelled(program(world), how, (number, number + gap))
            if run.waits < number:
                assert run.error is None
                return
            assert run.cancelled
            await check(world, run, sessions, allowed)


# -- F09: streams


def cursors(world: PostgreSQLWorld) -> Any:
    """How many of our sessions hold a snapshot or are busy: an open portal does."""
    return world.line.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = ?"
        " AND (state <> 'idle' OR backend_xmin IS NOT NULL)",
        [world.name],
    )[0][0]


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_stream_left_early(postgresql: PostgreSQLWorld, in_transaction: bool) -> None:
    """F09: a cursor of a stream that is left early is closed before control returns."""
    world = postgresql
    async with Session(world.database) as session:
        if in_transaction:
            (await session.get_one(Account, 1)).amount = 5
            await session.flush()
        async with session.stream(session.find(Account), batch_size=1) as rows:
            async for _ in rows:
                break
        if in_transaction:
            left = await session.execute(sql("SELECT count(*) FROM pg_cursors WHERE name <> ''"))
            assert next(iter(left))[0] == 0
        else:
            assert world.database.pool.stats.in_use == 0
            assert cursors(world) == 0
        await session.commit()
        world.assert_quiet()


@ways
async def test_stream_cancelled_at_any_row(
    postgresql: PostgreSQLWorld, proxy: Proxy, how: str
) -> None:
    """F09: cancelled at any row, a stream leaves no cursor and no connection behind."""
    world = postgresql
    for number in range(1, 8):
        proxy.clear()
        is_cancelled: list[bool] = []

        async def work() -> None:
            async with (
                Session(world.database) as session,
                session.stream(session.find(Account), batch_size=1) as rows,
            ):
                async for _ in rows:
                    pass

        def arm(cancel: Callable[[], object], number: int = number) -> None:
            proxy.before(
                lambda message: message.kind == "DataRow", in_this_loop(cancel), nth=number
            )

        run = await run_cancelled(work(), how, arm=arm)
        is_cancelled.append(run.cancelled)

        assert run.cancelled is (not proxy.pending)
        assert world.database.pool.stats.in_use == 0
        world.assert_quiet()
    assert proxy.pending


# -- F10, F11, F13: task groups and tasks


async def test_outer_group_fails_while_a_sibling_flushes(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """F10: the error of the one task comes out, and the other's unit is rolled back."""
    world = postgresql
    arrived = anyio.Event()
    proxy.before(runs("INSERT"), in_this_loop(arrived.set))
    proxy.before(runs("INSERT"), Delay(0.2))

    async def writes() -> None:
        async with Session.begin(world.database) as session:
            session.add(world.see(new()))
            await session.flush()

    async def fails() -> None:
        await arrived.wait()
        raise LookupError("elsewhere")

    caught: list[LookupError] = []
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writes)
            tasks.start_soon(fails)
    except* LookupError as group:
        caught.extend(group.exceptions)  # type: ignore[arg-type]

    assert len(caught) == 1
    assert "new@x.org" not in world.rows()
    world.assert_agrees()
    world.assert_quiet()


async def test_second_task(postgresql: PostgreSQLWorld, proxy: Proxy) -> None:
    """F13: a second task is refused before a byte is sent; the first is served."""
    world = postgresql
    async with Session(world.database) as session:
        ann = await session.get_one(Account, 1)
        seconds: list[Callable[[], object]] = [
            lambda: session.get(Account, 2),
            lambda: session.find(Account).count(),
            session.flush,
            session.commit,
            session.rollback,
            lambda: session.add(new("late@x.org")),
        ]
        account = world.see(new())

        async def flush() -> None:
            session.add(account)
            await session.flush()

        firsts: list[tuple[str, Callable[[], Coroutine[Any, Any, Any]]]] = [
            ("SELECT", lambda: session.find(Entry).to_list()),
            ("INSERT", flush),
            ("COMMIT", session.commit),
        ]
        for word, first in firsts:
            proxy.clear()
            arrived = anyio.Event()
            proxy.after(runs(word), in_this_loop(arrived.set))
            proxy.after(runs(word), Stall())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first)
                await arrived.wait()
                sent = proxy.bytes_from(Side.CLIENT)
                for second in seconds:
                    with pytest.raises(ConcurrentUseError):
                        answer = second()
                        if isinstance(answer, Awaitable):
                            await answer
                assert proxy.bytes_from(Side.CLIENT) == sent
                proxy.resume()

        assert state(account) is State.PERSISTENT
        assert ann.name == "Ann"
    assert "new@x.org" in world.rows()
    world.assert_agrees()
    world.assert_quiet()


# -- F15


@pytest.mark.parametrize("times", [1, 3])
async def test_client_library_that_swallows_a_cancellation(
    postgresql: PostgreSQLWorld, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """F15: a cancellation that is swallowed while a connection is opened is heard all the same."""
    world = postgresql.again()
    connect = world.database.driver.connect

    async def swallows() -> Any:
        for _ in range(times):
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                continue
        return await connect()

    monkeypatch.setattr(world.database._pool, "_connect", swallows)
    with anyio.fail_after(3), anyio.CancelScope() as scope:
        asyncio.get_running_loop().call_later(0.02, scope.cancel)
        await world.database._pool.acquire()
        pytest.fail("a cancelled call gave out a connection")

    assert scope.cancelled_caught
    assert world.database._pool.stats.in_use == 0
    await world.database.aclose()
    await ends(lambda: not world.sessions(), world.sessions)


# -- F37


async def test_no_answer_reaches_another_question(
    postgresql: PostgreSQLWorld, proxy: Proxy
) -> None:
    """F37: after 1,000 random cancellations no query ever got another's answer; all is clean."""
    world = postgresql.again(pool_max=2, pool_timeout=20.0)
    choice = random.Random(5)
    cancelled = answered = 0

    async def ask(token: str) -> None:
        async with Session(world.database) as session:
            if choice.random() < 0.5:
                rows = await session.execute(sql("SELECT {token}::text AS t", token=token))
                assert [row[0] for row in rows] == [token]
                await session.commit()
                return
            account = Account(email=f"{token}@x.org", name=token)
            session.add(account)
            await session.flush()
            found = await session.find(Account, Account.email == account.email).to_list()
            assert found == [account]
            count = await session.find(Account, Account.name == token).count()
            assert count == 1
            await (session.commit if choice.random() < 0.5 else session.rollback)()

    async def asks(place: int) -> None:
        nonlocal cancelled, answered
        number = 0
        while cancelled < 1000:
            number += 1
            with anyio.move_on_after(choice.random() ** 2 * 0.03) as scope:
                await ask(f"{place}-{number}")
            cancelled += scope.cancelled_caught
            answered += not scope.cancelled_caught

    async with world.database:
        proxy.latency = 0.0003
        async with anyio.create_task_group() as tasks:
            for place in range(3):
                tasks.start_soon(asks, place)
        proxy.latency = 0.0
        async with anyio.create_task_group() as tasks:
            for place in range(4):
                tasks.start_soon(ask, f"last-{place}")

        assert cancelled >= 1000
        assert answered > 20
        world.assert_quiet()
        assert world.database.pool.stats.size == 2
        assert len(world.sessions()) == 2
    world.reset()
