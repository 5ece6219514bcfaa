"""Generate what turns the rows of a flush into writes of documents, one function a shape.

For a class with the fields `name` and `tags`, whose keys the flush made, and for a change of `age`

    def inserts(keys, rows, /):
        return [
            ("insert", {"_id": key, "name": v0, "tags": v1})
            for key, (v0, v1,) in _uow_zip(keys, rows)
        ]

    def updates(rows, /):
        return [
            ("update", {"_id": v1}, {"$set": {"age": v0}}, False, False) for v0, v1, in rows
        ]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from uow.mapping.codegen import compile_function

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["Inserter", "Updater", "make_inserter", "make_updater"]

Row = Sequence[Any]


class Inserter(Protocol):
    """Turns rows into writes that insert."""

    def __call__(self, keys: Iterable[Any], rows: Iterable[Row], /) -> list[Any]:
        """Make one write a row.

        Args:
            keys: the key of each, where rows bring none.
            rows: encoded values, in the order of the inserter's columns.
        """
        ...


class Updater(Protocol):
    """Turns rows into writes that set fields."""

    def __call__(self, rows: Iterable[Row], /) -> list[Any]:
        """Make one write a row: encoded values of the columns, then of what finds the document."""
        ...


def make_inserter(
    mapper: Mapper, columns: Sequence[MappedColumn], *, brings_key: bool, keeps_nulls: bool
) -> Inserter:
    """Generate what turns rows of some columns into writes that insert.

    Args:
        mapper: the class.
        columns: what a row holds, in order. One that holds all the rest of a document is spread
            below the others.
        brings_key: whether the key is among them.
        keeps_nulls: whether fields without a value are stored, as null.
    """
    spread = [f"**(v{n} or {{}})" for n, column in enumerate(columns) if column.holds_rest]
    pairs = [f"{c.name!r}: v{n}" for n, c in enumerate(columns) if not c.holds_rest]
    if not brings_key:
        pairs.insert(0, f"{mapper.key[0].name!r}: key")
    document = f"{{{', '.join([*spread, *pairs])}}}"
    if not keeps_nulls:
        document = f"{{n: v for n, v in {document}.items() if v is not None}}"
    row = f"({_variables(columns)})"
    each = f"{row} in rows" if brings_key else f"key, {row} in _uow_zip(keys, rows)"
    source = (
        "def inserts(keys, rows, /):\n"
        "    return [\n"
        f'        ("insert", {document})\n'
        f"        for {each}\n"
        "    ]\n"
    )
    return _compile(mapper, source, "inserts", columns)  # type: ignore[no-any-return]


def make_updater(
    mapper: Mapper, columns: Sequence[MappedColumn], locator: Sequence[MappedColumn]
) -> Updater:
    """Generate what turns rows into writes that set some columns, each as a whole.

    Args:
        mapper: the class.
        columns: what is set.
        locator: what finds a document: the key, and the version if there is one.
    """
    values = (*columns, *locator)
    pairs = [f"{column.name!r}: v{n}" for n, column in enumerate(values)]
    changes, found = ", ".join(pairs[: len(columns)]), ", ".join(pairs[len(columns) :])
    source = (
        "def updates(rows, /):\n"
        "    return [\n"
        f'        ("update", {{{found}}}, {{"$set": {{{changes}}}}}, False, False)\n'
        f"        for ({_variables(values)}) in rows\n"
        "    ]\n"
    )
    return _compile(mapper, source, "updates", columns)  # type: ignore[no-any-return]


def _variables(columns: Sequence[MappedColumn]) -> str:
    return "".join([f"v{n}, " for n in range(len(columns))])


def _compile(mapper: Mapper, source: str, name: str, columns: Sequence[MappedColumn]) -> Any:
    shape = ", ".join(column.attribute for column in columns)
    mapper.sources[f"{name}({shape})"] = source
    return compile_function(source, name, {"_uow_zip": zip}, title=f"{mapper.name}.{name}")
