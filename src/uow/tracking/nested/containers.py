"""What the containers have in common: a builtin one is copied, a tracked one gets an owner more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from uow.tracking.nested.kinds import Adoption
from uow.tracking.nested.tokens import Token

__all__ = ["BuiltinContainers", "Container", "TrackedContainers"]


class Container(Protocol):
    """A container that tells of its changes."""

    _uow_token: Token

    def _uow_open(self, adoption: Adoption | None = None) -> None:
        """Wrap what it holds and is not wrapped yet."""
        ...


class BuiltinContainers:
    """The kind of a builtin container: a tracked copy takes its place."""

    __slots__ = ("_copy", "_settle")

    def __init__(
        self, copy: Callable[[Any], Container], settle: Callable[[Any], None] | None
    ) -> None:
        """Say how they are copied.

        Args:
            copy: makes a tracked one with the same members, and without a token.
            settle: looks at the members of one that was read from a store; None: opens it.
        """
        self._copy = copy
        self._settle = settle

    def wrap(self, value: Any, owner: Token, adoption: Adoption | None, /) -> Any:
        """Copy it; what is met again in one adoption has one copy."""
        if adoption is not None:
            known = adoption.find(value)
            if known is not None:
                known._uow_token.join(owner, once=False)
                return known
        made = self._copy(value)
        made._uow_token = Token(owner)
        if adoption is not None:
            adoption.note(value, made, made._uow_open)
        elif self._settle is not None:
            self._settle(made)
        else:
            made._uow_open()
        return made

    def release(self, value: Any, owner: Token, /) -> None:
        """Nobody read it, so nobody has it."""


class TrackedContainers:
    """The kind of a container that is tracked already."""

    __slots__ = ()

    def wrap(self, value: Container, owner: Token, adoption: Adoption | None, /) -> Any:
        """Give it the owner."""
        mends = adoption is not None and adoption.mends
        value._uow_token.join(owner, once=adoption is None or mends)
        if adoption is not None and mends and adoption.find(value) is None:
            adoption.note(value, value, value._uow_open)
        return value

    def release(self, value: Container, owner: Token, /) -> None:
        """Let go of the owner."""
        value._uow_token.leave(owner)
