"""The base of models under test: mapped, and tracked by nobody."""

from __future__ import annotations

from typing import Any

from uow.mapping.model import Model


def make_class(name: str, namespace: dict[str, Any]) -> Any:
    """Make a model out of a class body in a dict."""
    metaclass: Any = type(Base)
    return metaclass(name, (Base,), {"__module__": __name__, "__qualname__": name, **namespace})


class Base(Model, mapped=False):
    """A stand-in for `Table` without write hook and verbs."""

    def refresh(self) -> None:
        """A method, so that its name is taken."""
