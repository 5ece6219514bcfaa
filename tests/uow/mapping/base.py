"""The base of models under test: mapped, and tracked by nobody."""

from __future__ import annotations

from uow.mapping.model import Model


class Base(Model, mapped=False):
    """A stand-in for `Table` without write hook and verbs."""

    def refresh(self) -> None:
        """A method, so that its name is taken."""
