"""What a cancellation, a second task or another task's end may not do to a session."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from tests.faults.models import Account, Entry
from tests.faults.steps import WAYS, run_cancelled
from tests.faults.world import World
from uow import (
    CommitUnknownError,
    ConcurrentUseError,
    ConstraintError,
    Outcome,
    QueryError,
    Session,
    SessionClosedError,
    State,
    func,
    sql,
    state,
)
from uow.drivers.memory import AbsorbCancel, CallBack, Delay, Hang, LoseConnection, Point

pytestmark = pytest.mark.anyio

ways = pytest.mark.parametrize(("anyio_backend", "how"), WAYS)


def new(email: str = "new@x.org") -> Account:
    """Make an account."""
    return Account(email=email, name="New")


# -- F06: COMMIT


@ways
async def test_cancelled_in_commit(memory: World, how: str) -> None:
    """F06, V3: a COMMIT under way is not cut; the cancellation is raised when it has ended."""
    world = memory
    called: list[str] = []
    sessions: list[Session] = []

    async def work() -> None:
        async with Session.begin(world.database) as session:
            sessions.append(session)
            session.add(world.see(new()))
            session.add(world.see(Entry(code="two", account_id=1)))
            session.on_commit(lambda: called.append("committed"))

    def arm(cancel: Callable[[], object]) -> None:
        world.driver.faults.before("commit", CallBack(cancel))
        world.driver.faults.before("commit", Delay(0.02))

    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert sessions[0].outcome is Outcome.APPLIED
    assert "new@x.org" in world.rows()
    assert called == ["committed"]
    world.assert_agrees()
    world.assert_quiet()


@ways
async def test_cancelled_by_who_is_told_of_the_commit(memory: World, how: str) -> None:
    """F06: a scope cancelled right before COMMIT is heard; `Task.cancel` comes when it is sent."""
    world = memory
    sessions: list[Session] = []

    async def work() -> None:
        async with Session.begin(world.database) as session:
            sessions.append(session)
            session.add(world.see(new()))
            session.add(world.see(Entry(code="two", account_id=1)))

    def arm(cancel: Callable[[], object]) -> None:
        def observe(event: Any) -> None:
            if event == "COMMIT":
                cancel()

        world.database.observers.append(observe)

    before = world.rows()
    with anyio.fail_after(5):
        run = await run_cancelled(work(), how, arm=arm)
    world.database.observers.clear()

    assert run.cancelled
    assert sessions[0].outcome is (Outcome.NOT_APPLIED if how == "scope" else Outcome.APPLIED)
    assert (world.rows() == before) is (how == "scope")
    world.assert_agrees()
    world.assert_quiet()


@ways
async def test_cancelled_in_a_unit_of_one_statement(memory: World, how: str) -> None:
    """F06: the one statement of a unit is its COMMIT, and just as safe."""
    world = memory

    async def work(session: Session) -> None:
        async with session:
            session.add(world.see(new()))
            await session.commit()

    session = Session(world.database)
    run = await run_cancelled(
        work(session),
        how,
        arm=lambda cancel: world.driver.faults.after("fetch", CallBack(cancel)),
    )

    assert run.cancelled
    assert session.outcome is Outcome.APPLIED
    assert "new@x.org" in world.rows()
    world.assert_agrees()
    world.assert_quiet()


@ways
async def test_commit_that_never_ends(memory: World, how: str) -> None:
    """F06: when the budget of a COMMIT is spent the connection is killed, the outcome unknown."""
    world = memory
    session = Session(world.database)

    async def work() -> None:
        async with session:
            session.add(world.see(new()))
            session.add(world.see(Entry(code="two", account_id=1)))
            await session.commit()

    def arm(cancel: Callable[[], object]) -> None:
        world.driver.faults.before("commit", CallBack(cancel))
        world.driver.faults.before("commit", Hang())

    start = anyio.current_time()
    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert anyio.current_time() - start < 2
    assert session.outcome is Outcome.UNKNOWN
    assert world.database.pool.stats.terminated == 1
    world.assert_quiet()


async def test_commit_that_never_ends_and_nobody_cancels(memory: World) -> None:
    """F06: without a cancellation the spent budget is a CommitUnknownError."""
    world = memory
    world.driver.faults.after("commit", Hang())
    async with Session(world.database) as session:
        session.add_all([new(), Entry(code="two", account_id=1)])
        with pytest.raises(CommitUnknownError):
            await session.commit()

        assert session.outcome is Outcome.UNKNOWN
    world.assert_quiet()


@ways
async def test_cancelled_before_commit_is_sent(memory: World, how: str) -> None:
    """F06: a cancellation that came before COMMIT was sent is heard, and nothing is stored."""
    world = memory
    session = Session(world.database)

    async def work() -> None:
        async with session:
            session.add(world.see(new()))
            await session.flush()
            world.driver.clear_log()
            await session.commit()

    run = await run_cancelled(
        work(), how, arm=lambda cancel: world.driver.faults.after("fetch", CallBack(cancel))
    )

    assert run.cancelled
    assert "commit" not in [call.operation for call in world.driver.log]
    assert "new@x.org" not in world.rows()
    world.assert_agrees()
    world.assert_quiet()


# -- F07: ROLLBACK and release


@ways
@pytest.mark.parametrize("wait", [Delay(0.02), Hang()], ids=["slow", "hanging"])
async def test_cancelled_in_rollback(memory: World, how: str, wait: Delay | Hang) -> None:
    """F07: a rollback is finished though it is cancelled, or its connection is cut off in time."""
    world = memory

    async def work() -> None:
        async with Session(world.database) as session:
            session.add(world.see(new()))
            await session.flush()
            await session.rollback()

    def arm(cancel: Callable[[], object]) -> None:
        world.driver.faults.before("rollback", CallBack(cancel))
        world.driver.faults.before("rollback", wait)

    start = anyio.current_time()
    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert anyio.current_time() - start < 2
    world.assert_agrees()
    world.assert_quiet()


@ways
@pytest.mark.parametrize("wait", [Delay(0.02), Hang()], ids=["slow", "hanging"])
async def test_cancelled_in_reset_after_commit(memory: World, how: str, wait: Delay | Hang) -> None:
    """F07: giving the connection back after a COMMIT cannot hide that the unit was stored."""
    world = memory
    session = Session(world.database)

    async def work() -> None:
        async with session:
            await session.execute(sql("PRAGMA cache_size = 100"))
            session.add(world.see(new()))
            await session.commit()

    def arm(cancel: Callable[[], object]) -> None:
        world.driver.faults.before("reset", CallBack(cancel))
        world.driver.faults.before("reset", wait)

    start = anyio.current_time()
    run = await run_cancelled(work(), how, arm=arm)

    assert run.cancelled
    assert anyio.current_time() - start < 2
    assert session.outcome is Outcome.APPLIED
    assert "new@x.org" in world.rows()
    world.assert_agrees()
    world.assert_quiet()


# -- F08


async def test_keyboard_interrupt_in_a_block(stored: World) -> None:
    """F08: KeyboardInterrupt rolls back once and comes out as itself."""
    world = stored
    with pytest.raises(KeyboardInterrupt):
        async with Session.begin(world.database) as session:
            session.add(world.see(new()))
            await session.flush()
            async with session.begin_nested():
                raise KeyboardInterrupt

    assert "new@x.org" not in world.rows()
    world.assert_agrees()
    world.assert_quiet()


# -- F09: streams


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_stream_left_early(memory: World, in_transaction: bool) -> None:
    """F09: a stream that is left early is closed before control returns."""
    world = memory
    async with Session(world.database) as session:
        if in_transaction:
            (await session.get_one(Account, 1)).amount = 5
            await session.flush()
        async with session.stream(session.find(Account), batch_size=1) as rows:
            async for _ in rows:
                break
        if not in_transaction:
            world.assert_quiet()
        await session.commit()
        world.assert_quiet()


async def test_loop_over_a_query_left_early(stored: World) -> None:
    """F09: a loop over a query that is left early holds no connection once the reader is gone."""
    world = stored
    async with Session(world.database) as session:
        async for _ in session.find(Account):
            break
        gc.collect()
        ann = await session.get_one(Account, 1)
        ann.amount = 77
        await session.commit()
    world.assert_quiet()

    assert world.rows()["ann@x.org"][1] == 77


@ways
async def test_stream_cancelled_in_every_batch(memory: World, how: str) -> None:
    """F09: cancelled while it waits for any batch, a stream leaves nothing open."""
    world = memory
    for number in range(1, 5):

        async def work() -> None:
            async with (
                Session(world.database) as session,
                session.stream(session.find(Account), batch_size=1) as rows,
            ):
                async for _ in rows:
                    pass

        def arm(cancel: Callable[[], object], number: int = number) -> None:
            world.driver.faults.before("stream_batch", CallBack(cancel), nth=number)

        run = await run_cancelled(work(), how, arm=arm)

        assert run.cancelled
        world.assert_quiet()


# -- F10, F11: task groups


async def test_outer_group_fails_while_a_sibling_flushes(memory: World) -> None:
    """F10: the error of the one task comes out, and the other's unit is rolled back."""
    world = memory
    hang = Hang()
    world.driver.faults.before("fetch", hang, sql="INSERT")

    async def writes() -> None:
        async with Session.begin(world.database) as session:
            session.add(world.see(new()))

    async def fails() -> None:
        await hang.wait_entered()
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


async def test_errors_come_out_as_themselves(stored: World) -> None:
    """F11, V10: no call of a session wraps an error in a group that the user did not open."""
    world = stored
    with pytest.raises(ConstraintError):
        async with Session.begin(world.database) as session:
            session.add_all([new("a@x.org"), new("a@x.org")])
    async with Session(world.database) as session:
        session.add(new("ann@x.org"))
        with pytest.raises(ConstraintError):
            await session.commit()
        await session.rollback()
        bad = session.find(Account).filter(sql_error())
        with pytest.raises(QueryError):
            await session.fan_out(session.find(Account), bad, session.find(Entry))
    world.assert_quiet()


def sql_error() -> Any:
    """A condition that SQLite refuses."""
    return func.no_such_function(Account.id) > 1


# -- F12: life


async def test_handed_on_between_operations(stored: World) -> None:
    """F12: another task may go on with a session, and close it, between two operations."""
    world = stored
    session = Session(world.database)

    async def first() -> None:
        await session.__aenter__()
        session.add(world.see(new()))
        await session.flush()

    async def second() -> None:
        await session.commit()
        await session.__aexit__(None, None, None)

    for work in (first, second):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)

    assert session.is_closed
    assert "new@x.org" in world.rows()
    world.assert_agrees()
    world.assert_quiet()


async def test_used_outside_of_its_life(memory: World) -> None:
    """F12: entered twice, used before or after: SessionClosedError, and nothing is sent."""
    world = memory
    session = Session(world.database)
    uses: list[Callable[[], Awaitable[object]]] = [
        lambda: session.get(Account, 1),
        lambda: session.find(Account).to_list(),
        lambda: session.execute(sql("SELECT 1")),
        session.flush,
        session.commit,
        session.rollback,
    ]
    for use in uses:
        with pytest.raises(SessionClosedError):
            await use()
    async with session:
        with pytest.raises(SessionClosedError):
            await session.__aenter__()
    for use in [*uses, session.__aenter__]:
        with pytest.raises(SessionClosedError):
            await use()
    with pytest.raises(SessionClosedError):
        session.add(new())
    await session.aclose()

    assert world.driver.log == []


# -- F13, F14: tasks


async def overlap(
    world: World, operation: str, first: Awaitable[object], seconds: list[Callable[[], object]]
) -> object:
    """Start something that hangs in the driver, try other things meanwhile, then let it end."""
    hang = Hang()
    world.driver.faults.before(operation, hang)
    results: list[object] = []

    async def run() -> None:
        results.append(await first)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await hang.wait_entered()
        sent = len(world.driver.log)
        for second in seconds:
            with pytest.raises(ConcurrentUseError):
                answer = second()
                if isinstance(answer, Awaitable):
                    await answer

            assert len(world.driver.log) == sent
        hang.release()
    return results[0]


async def test_second_task_while_reading(memory: World) -> None:
    """F13: two reads at once: the second is refused before a byte is sent, the first is served."""
    world = memory
    async with Session(world.database) as session:
        found = await overlap(
            world,
            "fetch",
            session.get(Account, 1),
            [
                lambda: session.get(Account, 2),
                lambda: session.find(Account).count(),
                session.flush,
                session.rollback,
                lambda: session.add(new()),
                lambda: session.delete(new()),
            ],
        )

        assert isinstance(found, Account)
        assert found.name == "Ann"
    world.assert_quiet()


async def test_second_task_while_flushing_and_committing(memory: World) -> None:
    """F13: a query during a flush, an add during a commit: refused, and the first is unharmed."""
    world = memory
    async with Session(world.database) as session:
        account = world.see(new())
        session.add(account)
        await overlap(
            world,
            "fetch",
            session.flush(),
            [lambda: session.find(Account).to_list(), session.commit, session.begin_nested],
        )
        late = new("late@x.org")
        await overlap(
            world,
            "commit",
            session.commit(),
            [lambda: session.add(late), session.rollback, lambda: session.get(Account, 1)],
        )

        assert state(account) is State.PERSISTENT
        assert state(late) is State.TRANSIENT
    assert "new@x.org" in world.rows()
    world.assert_agrees()
    world.assert_quiet()


@pytest.mark.parametrize("point", ["before", "after"])
@pytest.mark.parametrize("statement", ["INSERT", "UPDATE"])
async def test_closed_by_another_task_while_flushing(
    memory: World, point: str, statement: str
) -> None:
    """F13: a session closed under a running flush rolls back, both are told, memory agrees."""
    world = memory
    hang = Hang()
    operation = "fetch" if statement == "INSERT" else "execute_many"
    getattr(world.driver.faults, point)(operation, hang, sql=statement)
    session = Session(world.database)
    await session.__aenter__()
    ann = world.see(await session.get_one(Account, 1))
    ann.amount = 11
    session.add(world.see(new()))

    async def flushes() -> None:
        with pytest.raises(SessionClosedError):
            await session.flush()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(flushes)
        await hang.wait_entered()
        with pytest.raises(ConcurrentUseError):
            await session.aclose()
        hang.release()

    assert session.is_closed
    world.assert_agrees()
    world.assert_quiet()


async def test_child_task_does_not_inherit_the_session(stored: World) -> None:
    """F14: a task started inside a session is told to open its own, also once that is over."""
    world = stored
    errors: list[BaseException] = []
    may_go_on = anyio.Event()

    async def child() -> None:
        for _ in range(2):
            try:
                await Account.find(Account.id == 1).first()
            except ConcurrentUseError as error:
                errors.append(error)
            await may_go_on.wait()
        async with Session(world.database):
            assert (await Account.get(1)).name == "Ann"

    async with anyio.create_task_group() as tasks:
        async with Session(world.database) as session:
            tasks.start_soon(child)
            await anyio.wait_all_tasks_blocked()
            await session.get(Account, 1)
        may_go_on.set()

    assert len(errors) == 2
    world.assert_quiet()


# -- F15, V11


class Quietly:
    """Calls a function, and is no occasion to notice what that did."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function

    async def happen(self, point: Point) -> None:
        self.function()


@pytest.mark.parametrize("times", [1, 3])
async def test_driver_that_swallows_cancellations(memory: World, times: int) -> None:
    """F15: a client library that swallows the cancellation of a scope only delays it."""
    world = memory
    with anyio.fail_after(3), anyio.CancelScope() as scope:
        world.driver.faults.before("fetch", Quietly(scope.cancel), sql="INSERT")
        world.driver.faults.before("fetch", AbsorbCancel(times), sql="INSERT")
        async with Session.begin(world.database) as session:
            session.add(world.see(new()))
            await session.flush()
            await session.get(Account, 1)
            await anyio.sleep(5)

    assert scope.cancelled_caught
    assert "new@x.org" not in world.rows()
    world.assert_agrees()
    world.assert_quiet()


async def test_lost_connection_masks_no_error(memory: World) -> None:
    """V11: an error of the block comes out though the connection is gone by then."""
    world = memory
    for operation in ("rollback", "rollback_to_savepoint", "release_savepoint"):
        world.driver.faults.clear()
        world.driver.faults.before(operation, LoseConnection())
        with pytest.raises(LookupError):
            async with Session.begin(world.database) as session:
                session.add(world.see(new()))
                await session.flush()
                async with session.begin_nested():
                    raise LookupError("the cause")

        assert "new@x.org" not in world.rows()
        world.assert_agrees()
        world.assert_quiet()
