"""Calling the hooks of a session; what they are is in `events`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import anyio

from uow.session.events import (
    Hooks,
    call,
    hears_objects,
    logger,
    object_hooks,
    session_hooks,
)
from uow.session.steps import FlushPlan, Kind

if TYPE_CHECKING:
    from uow.session.ledger import Ledger
    from uow.session.session import Session

__all__ = ["HookCaller"]


class HookCaller:
    """Calls the hooks of all sessions, and those of one.

    Attributes:
        own: the hooks of this session.
        task: the task in which a hook is running, None if none is.
    """

    __slots__ = ("_session", "own", "task")

    def __init__(self, session: Session) -> None:
        # Weakly: a session that is forgotten is to be noticed at once, not by the collector.
        self._session = ref(session)
        self.own = Hooks()
        self.task: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether a hook is running."""
        return self.task is not None

    def hears(self, event: str) -> bool:
        """Whether the session has hooks for an event."""
        return bool(session_hooks.get(event) or self.own.get(event))

    def hears_objects(self, ledger: Ledger) -> bool:
        """Whether some hook may want to hear of what waits for a flush."""
        if self.own or session_hooks:
            return True
        classes: set[type[Any]] = {type(obj) for obj in ledger.new.values()}
        classes |= {type(record.obj) for record in (*ledger.changed, *ledger.deleted)}
        return any(hears_objects(class_) for class_ in classes)

    @contextmanager
    def _running(self) -> Generator[None]:
        outer = self.task
        self.task = anyio.get_current_task().id
        try:
            yield
        finally:
            self.task = outer

    async def call(self, event: str) -> None:
        """Call the hooks of the session for one of its events."""
        functions = (*session_hooks.get(event), *self.own.get(event))
        if functions:
            with self._running():
                for function in functions:
                    await call(function, self._session())

    async def _call_for(self, event: str, obj: Any) -> None:
        class_: type[Any] = obj.__class__
        for function in object_hooks(class_, event):
            await call(function, obj)
        for function in (*session_hooks.get(event), *self.own.get(event)):
            await call(function, self._session(), obj)

    async def before_objects(self, ledger: Ledger) -> None:
        """Call the hooks of what waits, once an object, with what hooks add on the way."""
        called: set[tuple[str, int]] = set()
        with self._running():
            while True:
                waiting = [
                    (event, obj)
                    for event, objects in (
                        ("before_insert", list(ledger.new.values())),
                        ("before_update", [record.obj for record in ledger.modified()]),
                        ("before_delete", [record.obj for record in ledger.deleted]),
                    )
                    for obj in objects
                    if (event, id(obj)) not in called
                ]
                if not waiting:
                    return
                for event, obj in waiting:
                    called.add((event, id(obj)))
                    await self._call_for(event, obj)

    async def after_objects(self, plan: FlushPlan) -> None:
        """Call the hooks of what was written, in the transaction."""
        names = {
            Kind.INSERT: "after_insert",
            Kind.UPDATE: "after_update",
            Kind.DELETE: "after_delete",
        }
        for step in plan.steps:
            event = names[step.kind]
            if self.hears(event) or any(object_hooks(step.mapper.class_, event)):
                with self._running():
                    for obj in step.objects:
                        await self._call_for(event, obj)

    async def after_commit(self, callbacks: Sequence[Callable[[], Any]]) -> None:
        """The commit is known: run what waited for it. Nothing here can undo or hide that."""
        hooks = (*session_hooks.get("after_commit"), *self.own.get("after_commit"))
        functions: list[Callable[[], Any]] = [partial(hook, self._session()) for hook in hooks]
        interruption: BaseException | None = None
        for function in (*functions, *callbacks):
            try:
                with self._running():
                    await call(function)
            except Exception:  # noqa: BLE001 - see above; it is logged
                logger.exception("a hook failed after the commit; the unit is committed")
            except BaseException as error:  # noqa: BLE001 - raised below
                # A cancellation ends this one; the others have a right to be told all the same.
                interruption = interruption or error
        if interruption is not None:
            raise interruption
