"""Calling the hooks of a session; what they are is in `events`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from uow.session.events import (
    Hooks,
    call,
    event,
    hears_objects,
    logger,
    object_hooks,
    session_hooks,
)
from uow.session.steps import FlushPlan, Kind
from uow.session.tasks import running_task

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper
    from uow.session.ledger import Ledger
    from uow.session.session import Session

__all__ = ["HookCaller"]


class HookCaller:
    """Calls the hooks of all sessions, and those of one.

    Attributes:
        task: the task in which a hook is running, None if none is.
    """

    __slots__ = ("_own", "_session", "task")

    def __init__(self, session: Session) -> None:
        # Weakly: a session that is forgotten is to be noticed at once, not by the collector.
        self._session = ref(session)
        self._own: Hooks | None = None
        self.task: int | None = None

    @property
    def own(self) -> Hooks:
        """The hooks of this session."""
        if self._own is None:
            self._own = Hooks()
        return self._own

    @property
    def is_running(self) -> bool:
        """Whether a hook is running."""
        return self.task is not None

    @property
    def is_silent(self) -> bool:
        """Whether there is no hook for anything, as in most programs."""
        return not (self._own or session_hooks._by_event or event.has_object_hooks)

    def hears(self, name: str) -> bool:
        """Whether the session has hooks for an event."""
        own = self._own
        return name in session_hooks._by_event or (own is not None and name in own._by_event)

    def hears_objects(self, ledger: Ledger) -> bool:
        """Whether some hook may want to hear of what waits for a flush."""
        if self._own or session_hooks._by_event:
            return True
        return event.has_object_hooks and any(map(hears_objects, ledger.waiting_mappers))

    @contextmanager
    def _running(self) -> Generator[None]:
        outer = self.task
        self.task = running_task()
        try:
            yield
        finally:
            self.task = outer

    async def call(self, name: str) -> None:
        """Call the hooks of the session for one of its events."""
        functions = (*session_hooks.get(name), *self.own.get(name))
        if functions:
            with self._running():
                for function in functions:
                    await call(function, self._session())

    async def _call_for(self, name: str, obj: Any) -> None:
        class_: type[Any] = obj.__class__
        for function in object_hooks(class_, name):
            await call(function, obj)
        for function in (*session_hooks.get(name), *self.own.get(name)):
            await call(function, self._session(), obj)

    async def before_objects(self, ledger: Ledger) -> None:
        """Call the hooks of what waits, once an object, with what hooks add on the way."""
        called: set[tuple[str, int]] = set()
        with self._running():
            while True:
                waiting = [
                    (name, obj)
                    for name, objects in (
                        ("before_insert", list(ledger.new.values())),
                        ("before_update", [record.obj for record in ledger.modified()]),
                        ("before_delete", [record.obj for record in ledger.deleted]),
                    )
                    for obj in objects
                    if (name, id(obj)) not in called
                ]
                if not waiting:
                    return
                for name, obj in waiting:
                    called.add((name, id(obj)))
                    await self._call_for(name, obj)

    def _hooks_of(self, event: str, mapper: Mapper) -> Iterator[Callable[..., Any]]:
        """The hooks of an event of the classes whose objects have rows in a table."""
        for one in (mapper.owner or mapper).family:
            yield from object_hooks(one.class_, event)

    async def after_objects(self, plan: FlushPlan) -> None:
        """Call the hooks of what was written, in the transaction."""
        names = {
            Kind.INSERT: "after_insert",
            Kind.UPDATE: "after_update",
            Kind.DELETE: "after_delete",
        }
        told: set[tuple[str, int]] = set()
        for step in plan.steps:
            if not step.is_main:
                continue
            name = names[step.kind]
            # The rows of a hierarchy are of several classes, and an object may have several rows.
            is_mixed = step.mapper.hierarchy is not None
            if any(self._hooks_of(name, step.mapper)) or self.hears(name):
                with self._running():
                    for obj in step.objects:
                        if is_mixed and (name, id(obj)) in told:
                            continue
                        told.add((name, id(obj)))
                        await self._call_for(name, obj)

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
