"""Notice one change among 10, 100 and 1,000 nested elements, beside a deep copy that is compared.

Both begin with a document as it was decoded and end with knowing that it changed. Reading it from
a store and writing it back is the same work for both, and no part of it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

from benchmarks.measure import Contender, ContenderSteps, Place, Row, Sizes, timed
from uow.tracking.nested import fields
from uow.tracking.nested.kinds import wrap
from uow.tracking.nested.tokens import Token

TIMES = 20


def documents(size: int) -> list[Any]:
    """Documents of so many elements, each with a list in it."""
    return [[{"n": n, "tags": ["a", "b"]} for n in range(size)] for _ in range(TIMES)]


def compared(size: int) -> Contender[Place]:
    """A copy that is compared."""

    @asynccontextmanager
    async def contender(_place: Place, _sizes: Sizes) -> ContenderSteps:
        async def once() -> float:
            found = documents(size)
            with timed() as watch:
                for document in found:
                    snapshot = deepcopy(document)
                    document[size // 2]["tags"].append("c")
                    if document == snapshot:
                        raise AssertionError("it was not noticed")
            return watch.seconds * 1e6 / TIMES

        yield once

    return contender


def uow(size: int) -> Contender[Place]:
    """Containers that tell."""

    @asynccontextmanager
    async def contender(_place: Place, _sizes: Sizes) -> ContenderSteps:
        if not fields.KINDS:
            raise AssertionError("nobody knows how to wrap")

        async def once() -> float:
            found = documents(size)
            with timed() as watch:
                for document in found:
                    token = Token(None)
                    tracked = wrap(document, token)
                    tracked[size // 2]["tags"].append("c")
                    if token.dirty is None:
                        raise AssertionError("it was not noticed")
            return watch.seconds * 1e6 / TIMES

        yield once

    return contender


def row(key: str, size: int, bound: float, goal: float) -> Row[Place]:
    """The row of documents of one size."""
    return Row(
        key=key,
        title=f"notice a change among {size:,} nested elements",
        unit="µs",
        floor="compared",
        bound=bound,
        goal=goal,
        contenders={"compared": compared(size), "uow": uow(size)},
    )


SQLITE = (
    row("nested", 1_000, 1 / 100, 1 / 300),
    row("nested_100", 100, 1 / 10, 1 / 30),
    row("nested_10", 10, 1.0, 1 / 3),
)
