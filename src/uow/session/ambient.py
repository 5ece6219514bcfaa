"""The session a task is in, for the active-record verbs.

A `ContextVar` alone would hand it to every task started inside, and two tasks would share one
session without anybody having said so. So it is remembered for which task it is.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import ref

from uow.errors import ConcurrentUseError
from uow.session.tasks import running_task

if TYPE_CHECKING:
    from uow.session.session import Session

__all__ = ["bind", "current_session", "unbind"]


class Binding:
    """A session, the task that entered it, and the binding that was there before.

    It does not keep the session: one that nobody else holds any more was forgotten, and has to go.
    """

    __slots__ = ("_session", "previous", "task")

    def __init__(self, session: Session, task: int, previous: Binding | None) -> None:
        self._session: ref[Session] | None = ref(session)
        self.task = task
        self.previous = previous

    @property
    def session(self) -> Session | None:
        """The session, while it is open and held by somebody."""
        return None if self._session is None else self._session()

    def end(self) -> None:
        """The session is over."""
        self._session = None


_bound: ContextVar[Binding | None] = ContextVar("uow_session", default=None)


def bind(session: Session) -> Binding:
    """Make a session the ambient one of the running task."""
    binding = Binding(session, running_task(), _bound.get())
    _bound.set(binding)
    return binding


def unbind(binding: Binding) -> None:
    """End a binding, in whatever order sessions are left and from whatever task."""
    binding.end()
    top = _bound.get()
    if top is binding:
        task = binding.task
        top = binding.previous
        while top is not None and top.session is None and top.task == task:
            top = top.previous
        _bound.set(top)


def current_session() -> Session | None:
    """The session of the running task; None outside of any.

    Raises:
        ConcurrentUseError: the task was started inside another task's session, and has none of
            its own.
    """
    binding = _bound.get()
    while binding is not None:
        if binding.task != running_task():
            raise ConcurrentUseError(
                "this task was started inside the session of another task, and sessions are not "
                "shared between tasks; open a session of its own here"
            )
        session = binding.session
        if session is not None:
            return session
        binding = binding.previous
    return None
