"""Cancellation at every single await, of every kind of work (F01, F08)."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.faults.mysql import mysql_world
from tests.faults.postgresql import Outside, postgresql_world
from tests.faults.programs import PROGRAMS, Program
from tests.faults.steps import WAYS, run_cancelled
from tests.faults.sweeps import check, results
from tests.faults.world import (
    World,
    assert_nothing_left,
    memory_world,
    sqlite_world,
    threads_and_files,
)
from uow import Session
from uow.drivers.memory import CallBack, Delay

pytestmark = pytest.mark.anyio

ways = pytest.mark.parametrize(("anyio_backend", "how"), WAYS)
programs = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
stores = pytest.mark.parametrize("store", ["sqlite", "memory", "postgresql", "mariadb", "mysql"])


Opens = Callable[[str], AbstractAsyncContextManager[World]]


@pytest.fixture
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens a world with its first rows, of which nothing is left in the end."""

    @asynccontextmanager
    async def opened(store: str) -> AsyncIterator[World]:
        if store == "postgresql":
            line: Outside = request.getfixturevalue("line")
            line.ask("SELECT 1")  # what looks from outside stays open
        if store in {"mariadb", "mysql"}:
            request.getfixturevalue(f"{store}_line").ask("SELECT 1")
        before = threads_and_files()
        if store == "postgresql":
            world: World = postgresql_world(request.getfixturevalue("line"))
        elif store in {"mariadb", "mysql"}:
            world = mysql_world(request.getfixturevalue(f"{store}_line"))
        else:
            world = memory_world() if store == "memory" else sqlite_world(tmp_path)
        async with world.database:
            await world.create()
            yield world
            world.objects.clear()
        assert_nothing_left(before)

    return opened


@ways
@stores
@programs
async def test_cancelled_at_any_await(
    opens: Opens, store: str, how: str, program: Program, sessions: list[Session]
) -> None:
    """F01: whichever await is cancelled, a unit is stored whole or not at all, and all is clean."""
    async with opens(store) as world:
        allowed = await results(world, program)
        number = 0
        while True:
            number += 1
            world.reset()
            sessions.clear()
            run = await run_cancelled(program(world), how, (number,))
            if run.waits < number:
                break
            assert run.cancelled, f"the cancellation at wait {number} was swallowed"
            await check(world, run, sessions, allowed)
        assert number > 1
        assert world.rows() == allowed[1]
        sessions.clear()
        gc.collect()


@ways
@programs
async def test_cancelled_at_any_point_of_the_driver(
    opens: Opens, how: str, program: Program, sessions: list[Session]
) -> None:
    """F01: the same for every point inside the driver, whichever task is there, COMMIT included."""
    async with opens("memory") as world:
        allowed = await results(world, program)
        number = 0
        while True:
            number += 1
            world.reset()
            sessions.clear()

            def arm(cancel: Callable[[], object], number: int = number) -> None:
                world.driver.faults.at(number, CallBack(cancel))

            run = await run_cancelled(program(world), how, arm=arm)
            if world.driver.faults.pending:
                assert run.error is None
                break
            assert run.cancelled, f"the cancellation at point {number} was swallowed"
            await check(world, run, sessions, allowed)
        assert number > 2
        assert world.rows() == allowed[1]


@ways
@pytest.mark.parametrize("gap", [1, 2, 3])
@stores
async def test_cancelled_again_while_cleaning_up(
    opens: Opens, store: str, how: str, gap: int, sessions: list[Session]
) -> None:
    """F08: a second cancellation during the cleanup of the first changes nothing of all that."""
    program = PROGRAMS["one_of_everything"]
    async with opens(store) as world:
        allowed = await results(world, program)
        number = 0
        while True:
            number += 1
            world.reset()
            sessions.clear()
            run = await run_cancelled(program(world), how, (number, number + gap))
            if run.waits < number:
                assert run.error is None
                break
            assert run.cancelled
            await check(world, run, sessions, allowed)


@ways
async def test_cancelled_at_any_time_under_latency(
    opens: Opens, how: str, sessions: list[Session]
) -> None:
    """F02: the same by the clock, where every call of the driver takes its time; and soon."""
    program = PROGRAMS["one_of_everything"]
    async with opens("memory") as world:
        allowed = await results(world, program)
        world.driver.faults.chaos(seed=1, rate=1.0, actions=[lambda: Delay(0.0004)])
        for tenth in range(400):
            world.reset()
            sessions.clear()
            delay = tenth * 0.002
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
            assert overrun < 1 or not run.cancelled
            await check(world, run, sessions, allowed)
            if not run.cancelled:
                return
    pytest.fail("no run came to its end")
