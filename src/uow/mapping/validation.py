"""The check before a flush: quick over all objects, exact over those that need a second look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from uow.mapping.codegen import compile_function
from uow.mapping.construction import guard
from uow.values import Checker, check_value, checker_for, python_type

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["FlushChecker", "make_checker", "problems_of"]

FlushChecker = Callable[[Iterable[Any]], list[Any]]
"""Answers the objects that may hold a value that does not fit."""


def make_checker(columns: Sequence[MappedColumn]) -> FlushChecker:
    """Generate the quick test of some columns; each must be set in the objects it is given.

    Args:
        columns: the columns about to be written, at least one.
    """
    mapper = columns[0].mapper
    names: dict[str, Any] = {"_uow_len": len, "_uow_type": type}
    tests: list[str] = []
    for column in columns:
        # Assigned where it is first used: in `(v := obj.name) is None or ...` or in the guard.
        variable = f"v{column.position}"
        test = guard(column, variable, names)
        if test is None:
            names[f"_uow_c{column.position}"] = _fits(checker_for(column.type))
            test = f"_uow_c{column.position}({variable})"
        value = f"({variable} := obj.{column.attribute})"
        if column.nullable:
            tests.append(f"({value} is None or {test})")
        else:
            tests.append(test.replace(variable, value, 1))
    source = (
        "def check(objects, /):\n"
        f"    return [obj for obj in objects if not ({' and '.join(tests)})]\n"
    )
    shape = ", ".join(column.attribute for column in columns)
    mapper.sources[f"check({shape})"] = source
    return compile_function(source, "check", names, title=f"{mapper.name}.check")


def problems_of(
    obj: Any,
    columns: Iterable[MappedColumn],
    encoders: Iterable[Callable[[Any], Any] | None] | None = None,
) -> list[str]:
    """Say what is wrong with an object, a line for each column that cannot be stored.

    Scalars that fit in another form (an int in a float column) are put back in the column's own.

    Args:
        obj: the object.
        columns: what is to be written.
        encoders: for each column what encodes its values, so that what only this store cannot
            keep is found too.
    """
    columns = tuple(columns)
    problems: list[str] = []
    for column, encode in zip(
        columns, encoders if encoders is not None else [None] * len(columns), strict=True
    ):
        value = getattr(obj, column.attribute)
        try:
            if value is None:
                if not column.nullable:
                    problems.append(
                        f"{column}: expected {python_type(column.type).__name__}, got None"
                    )
                continue
            settled = check_value(column.type, value)
            if not column.is_lazy and type(settled) is not type(value):
                column.set_slot(obj, settled)
                value = settled
            if encode is not None:
                encode(value)
        except ValueError as exc:
            problems.append(f"{column}: {exc}")
    return problems


def _fits(check: Checker) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            return type(check(value)) is type(value)
        except ValueError:
            return False

    return fits
