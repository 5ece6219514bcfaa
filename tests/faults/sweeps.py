"""What each run of a sweep is held against: the run undisturbed, and what must be true then."""

from __future__ import annotations

import anyio.lowlevel

from tests.faults.models import Account
from tests.faults.programs import Program
from tests.faults.steps import Run
from tests.faults.world import Rows, World
from uow import Outcome, Session

__all__ = ["check", "results"]


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
    for _ in range(3):
        await anyio.lowlevel.checkpoint()  # a socket that is closed takes a turn of the event loop
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
