"""Who waits for longer than a budget is woken, and by one timer."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar
from typing import Any

import pytest

from uow.session.alarm import Alarm, alarm_of

BUDGET = 0.05


class Sleeper:
    """Notes when it was woken."""

    def __init__(self) -> None:
        self.woken: list[float] = []

    def wake(self) -> None:
        """Let it go on."""
        self.woken.append(asyncio.get_running_loop().time())


@pytest.fixture
def anyio_backend() -> str:
    """The other event loops have no use for it."""
    return "asyncio"


@pytest.mark.anyio
async def test_each_in_time() -> None:
    """Each is woken when its own budget is spent; who has stopped is not, nor anybody twice."""
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop, BUDGET)
    first, second, third = Sleeper(), Sleeper(), Sleeper()
    due = [alarm.set(first, loop)]
    alarm.set(second, loop)
    await asyncio.sleep(BUDGET / 2)
    due.append(alarm.set(third, loop))
    alarm.stop(second)
    await asyncio.sleep(BUDGET * 2)

    assert not second.woken
    for sleeper, deadline in zip((first, third), due, strict=True):
        (when,) = sleeper.woken
        assert deadline - 0.001 <= when < deadline + BUDGET


@pytest.mark.anyio
async def test_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand who stop in time cost one timer, and it works again when it was not needed."""
    loop = asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at

    def note(when: float, *args: Any, **more: Any) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *args, **more)

    monkeypatch.setattr(loop, "call_at", note)
    alarm = Alarm(loop, BUDGET)
    for _ in range(1000):
        sleeper = Sleeper()
        alarm.set(sleeper, loop)
        alarm.stop(sleeper)
    assert len(made) == 1
    monkeypatch.undo()
    await asyncio.sleep(BUDGET * 1.5)
    late = Sleeper()
    alarm.set(late, loop)
    await asyncio.sleep(BUDGET * 1.5)

    assert len(late.woken) == 1


@pytest.mark.anyio
async def test_nobody_is_kept_alive() -> None:
    """The timer keeps neither who has stopped nor the context of who came first."""
    seen: ContextVar[object] = ContextVar("seen")

    class Thing:
        pass

    async def use() -> weakref.ref[Thing]:
        loop = asyncio.get_running_loop()
        thing = Thing()
        seen.set(thing)
        sleeper = Sleeper()
        alarm = alarm_of(loop, 60.0)
        alarm.set(sleeper, loop)
        alarm.stop(sleeper)
        return weakref.ref(thing)

    reference = await asyncio.create_task(use())
    await asyncio.sleep(0)
    gc.collect()

    assert reference() is None


def test_another_event_loop() -> None:
    """An alarm is of the loop that runs: what another one left behind wakes nobody, and is gone."""

    async def use() -> tuple[Alarm, bool]:
        loop = asyncio.get_running_loop()
        alarm = alarm_of(loop, BUDGET)
        assert alarm_of(loop, BUDGET) is alarm
        assert alarm_of(loop, BUDGET * 2) is not alarm
        sleeper = Sleeper()
        alarm.set(sleeper, loop)
        await asyncio.sleep(BUDGET * 1.5)
        return alarm, len(sleeper.woken) == 1

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        alarm_of(loop, BUDGET).set(Sleeper(), loop)

    asyncio.run(leave())
    first, was_woken = asyncio.run(use())
    second, was_woken_again = asyncio.run(use())

    assert was_woken
    assert was_woken_again
    assert first is not second
