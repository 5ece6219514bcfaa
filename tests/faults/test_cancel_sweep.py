"""Cancellation at every single await, of every kind of work (F01, F08)."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.faults.models import Account
from tests.faults.programs import PROGRAMS, Program
from tests.faults.steps import WAYS, Run, run_cancelled
from tests.faults.world import (
    Rows,
    World,
    assert_nothing_left,
    memory_world,
    sqlite_world,
    threads_and_files,
)
from uow import Outcome, Session
from uow.drivers.memory import CallBack, Delay

pytestmark = pytest.mark.anyio

ways = pytest.mark.parametrize(("anyio_backend", "how"), WAYS)
programs = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
stores = pytest.mark.parametrize("store", ["sqlite", "memory"])


@asynccontextmanager
async def opened(store: str, folder: Path) -> AsyncIterator[World]:
    """A world with its first rows; nothing is left of it in the end."""
    before = threads_and_files()
    world = memory_world() if store == "memory" else sqlite_world(folder)
    async with world.database:
        await world.create()
        yield world
        world.objects.clear()
    assert_nothing_left(before)


async def results(world: World, program: Program) -> tuple[Rows, Rows]:
    """The rows before and after a run that nothing disturbs."""
    world.reset()
    before = world.rows()
    await program(world)
    world.assert_quiet()
    world.assert_agrees()
    after = world.rows()

    assert after != before
    return before, after


async def check(world: World, run: Run, outcome: list[Session], allowed: tuple[Rows, Rows]) -> None:
    """Everything that must be true after a run that was cancelled."""
    before, after = allowed
    world.assert_quiet()
    rows = world.rows()

    assert run.error is None
    assert rows in allowed
    if run.cancelled and rows == after != before:
        assert outcome
        assert outcome[-1].outcome is Outcome.APPLIED
    world.assert_agrees()
    async with Session(world.database) as session:
        ann = await session.get_one(Account, 1)
        ann.name = "still here"
        await session.commit()


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    """Every session that is entered."""
    entered: list[Session] = []
    enter = Session.__aenter__

    async def note(session: Session) -> Session:
        entered.append(session)
        return await enter(session)

    monkeypatch.setattr(Session, "__aenter__", note)
    return entered


@ways
@stores
@programs
async def test_cancelled_at_any_await(
    tmp_path: Path, store: str, how: str, program: Program, sessions: list[Session]
) -> None:
    """F01: whichever await is cancelled, a unit is stored whole or not at all, and all is clean."""
    async with opened(store, tmp_path) as world:
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
    tmp_path: Path, how: str, program: Program, sessions: list[Session]
) -> None:
    """F01: the same for every point inside the driver, whichever task is there, COMMIT included."""
    async with opened("memory", tmp_path) as world:
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
@pytest.mark.parametrize("store", ["sqlite", "memory"])
async def test_cancelled_again_while_cleaning_up(
    tmp_path: Path, store: str, how: str, gap: int, sessions: list[Session]
) -> None:
    """F08: a second cancellation during the cleanup of the first changes nothing of all that."""
    program = PROGRAMS["one_of_everything"]
    async with opened(store, tmp_path) as world:
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
    tmp_path: Path, how: str, sessions: list[Session]
) -> None:
    """F02: the same by the clock, where every call of the driver takes its time; and soon."""
    program = PROGRAMS["one_of_everything"]
    async with opened("memory", tmp_path) as world:
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
