"""What no store could give back is refused by name: for its class, keys or depth (M4, M6)."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypedDict

import attrs
import pytest

from uow import Column, Document, Mapped, MappingError, Registry, Session, Table, connect
from uow.types import Json


class Unknown:
    """A class of which nothing is known."""


class Mixed(enum.Enum):
    ONE = 1
    TWO = "2"


@attrs.define
class Holder:
    """An attrs class with a field of no kind."""

    points: list[complex]


class HolderDict(TypedDict, total=False):
    """A typed dict with one."""

    unknown: Unknown


@attrs.define
class Waits:
    """A class with a field of a class that is defined later."""

    item: LaterOne  # type: ignore[name-defined]  # noqa: F821


def defined(base: Any, hint: Any, column: Any = None, **settings: Any) -> Any:
    """A class with a field of a type hint."""
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__qualname__": "Row",
        "__annotations__": {"id": Mapped[int], "value": Mapped[hint]},
        "id": Column(primary_key=True),
        "Settings": type("Settings", (), {"name": "rows", "registry": Registry(), **settings}),
    }
    if column is not None:
        namespace["value"] = column
    return type(base)("Row", (base,), namespace)


UNREADABLE: list[tuple[Any, str]] = [
    (list[complex], "complex, inside of"),
    (dict[str, list[Unknown]], "Unknown, inside of"),
    (set[complex], "complex, inside of"),
    (tuple[int, range], "range, inside of"),
    (list[Iterable[int]], "Iterable"),
    (list[int | complex], "complex, inside of"),
    (Holder, "complex, inside of"),
    (list[HolderDict], "Unknown, inside of"),
    (dict[tuple[int, int], int], "keys of dicts are text"),
    (list[dict[bytes, int]], "keys of dicts are text"),
    (dict[int | str, int], "keys of dicts are text"),
    (dict[str | None, int], "keys of dicts are text"),
    (dict[Literal[1, "1"], int], "keys of dicts are text"),
    (dict[Mixed, int], "values of Mixed are neither"),
]


@pytest.mark.parametrize(("hint", "message"), UNREADABLE)
@pytest.mark.parametrize("base", [Table, Document])
def test_what_could_not_be_read_again(base: Any, hint: Any, message: str) -> None:
    """A column of it is refused when its class is defined, of tables and documents alike."""
    with pytest.raises(MappingError, match=rf"^Row\.value: .*{message}"):
        defined(base, hint)


def test_what_only_documents_hold() -> None:
    """Patterns, paths, and what a document's own encoders write."""
    for hint in (list[re.Pattern[str]], list[Path]):
        assert defined(Document, hint)
    assert defined(Document, list[Unknown], bson_encoders={Unknown: str})
    with pytest.raises(MappingError, match=r"Row\.value: complex, inside of"):
        defined(Document, list[complex], bson_encoders={Unknown: str})
    with pytest.raises(MappingError, match=r"Row\.value: .*Pattern.*, inside of"):
        defined(Table, list[re.Pattern[str]])


@pytest.mark.anyio
async def test_what_is_defined_later() -> None:
    """Where the name was not known yet, the first use tells, before anything is sent."""
    row = defined(Table, Waits)
    database = await connect("sqlite://")
    await database.create_all([row])
    globals()["LaterOne"] = Unknown
    try:
        async with Session(database) as session:
            session.add(row(id=1, value=Waits(Unknown())))
            with pytest.raises(MappingError, match=r"^Row\.value: Unknown, inside of"):
                await session.flush()
            await session.rollback()
    finally:
        del globals()["LaterOne"]
    await database.aclose()


@pytest.mark.parametrize("depth", [0, -1, 251, 3000, True, "9", 2.5, None])
def test_depth(depth: Any) -> None:
    """How deep JSON may be has bounds, of which the error tells."""
    with pytest.raises(MappingError, match=r"Json\(max_depth=\.\.\.\): .* from 1 to 250"):
        Json(max_depth=depth)
