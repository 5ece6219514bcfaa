"""The backends that the contract suite runs on, and what each of them cannot do.

A test says what it needs with `@pytest.mark.needs("two_connections")`; it is then made for the
backends that have it, and for no others. Nothing is skipped in the body of a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

import attrs

from tests.contract import models

__all__ = ["BACKENDS", "CAPABILITIES", "Backend"]

CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "reopening": "what was stored is there when the database is opened again",
        "sql": "raw SQL, and statements whose text can be looked at",
        "two_connections": "a second session can read while a transaction of the first is open",
    }
)


@attrs.frozen
class Backend:
    """One way to run the suite.

    Attributes:
        name: in the ids of tests.
        url: the database's URL, given a folder of the test's own.
        lacks: the capabilities it does not have.
        options: what `Database` is given besides.
        models: a module with the classes of `tests/contract/models.py`, for this kind of store.
    """

    name: str
    url: Callable[[Path], str]
    lacks: frozenset[str] = frozenset()
    options: Mapping[str, Any] = MappingProxyType({})
    models: ModuleType = models

    def __attrs_post_init__(self) -> None:
        unknown = self.lacks - set(CAPABILITIES)
        if unknown:
            raise ValueError(f"{self.name} lacks what nobody asks for: {sorted(unknown)}")


BACKENDS: Final = (
    Backend("sqlite-file", lambda folder: f"sqlite:///{folder}/contract.db"),
    Backend(
        "sqlite-memory",
        lambda _: "sqlite://",
        lacks=frozenset({"reopening", "two_connections"}),
    ),
    Backend("memory", lambda _: "memory://", lacks=frozenset({"reopening"})),
)
