"""Which unique key an insert may meet: what `on_conflict(...)` names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from uow.errors import QueryError
from uow.expressions.nodes import ColumnExpression, is_expression
from uow.mapping.mapper import MappedColumn, Mapper
from uow.mapping.names import is_constraint_name
from uow.query.sources import column_of

__all__ = ["ConflictTarget", "conflict_target"]


@attrs.frozen
class ConflictTarget:
    """A key of a table.

    Attributes:
        parts: what is unique together, columns and SQL of expressions; empty for any key.
        where: the SQL of the rows it is about, as the mapping has it; None for all.
    """

    parts: tuple[MappedColumn | str, ...] = ()
    where: str | None = None


def conflict_target(
    mapper: Mapper, fields: Sequence[object], constraint: str | None, where: object
) -> ConflictTarget:
    """Find the key that is meant.

    Args:
        mapper: of the class.
        fields: its columns; none for any key.
        constraint: its name, instead of the columns.
        where: the SQL of the rows it is about, where several keys have these columns; as the
            mapping has it.

    Raises:
        QueryError: there is no such key, or more than one.
    """
    if where is not None and not isinstance(where, str):
        raise QueryError(
            "on_conflict: where= is the text of the index's 'where' in Settings, not "
            f"{'an expression' if is_expression(where) else type(where).__name__}; or say "
            "constraint= with the name of the index"
        )
    if constraint is not None:
        if fields or where is not None:
            raise QueryError("on_conflict: a constraint is named instead of columns")
        return _named(mapper, constraint)
    columns = tuple(_column(mapper, field) for field in fields)
    if not columns:
        if where is not None:
            raise QueryError("on_conflict: where= goes with the columns of a unique index")
        return ConflictTarget()
    alike = [key for key in _keys(mapper) if set(key.parts) == set(columns)]
    found = [key for key in alike if key.where == where]
    if not found and where is None:
        found = alike
    if not found:
        names = ", ".join(column.attribute for column in columns)
        rows = "" if where is None else " for these rows"
        raise QueryError(f"on_conflict: ({names}) of {mapper.name} is no key and not unique{rows}")
    if len({key.where for key in found}) > 1:
        raise QueryError("on_conflict: several unique indexes have these columns: say where=")
    return attrs.evolve(found[0], parts=columns)


def _column(mapper: Mapper, field: object) -> MappedColumn:
    if is_expression(field) and not isinstance(field, ColumnExpression):
        raise QueryError(
            "on_conflict takes columns; an index over expressions is named: on_conflict(constraint="
            "...)"
        )
    return column_of(mapper, field)


def _keys(mapper: Mapper) -> Iterator[ConflictTarget]:
    yield ConflictTarget(mapper.key)
    for unique in mapper.uniques:
        if not unique.deferrable:  # checked too late to be met
            yield ConflictTarget(unique.columns)
    for index in mapper.indexes:
        if index.unique and index.columns:
            yield ConflictTarget(index.columns, index.where)


def _named(mapper: Mapper, name: str) -> ConflictTarget:
    """Find a unique constraint or index by the name that the model gives it, or `create_all`."""
    for unique in mapper.uniques:
        made = ("uq", mapper.table_name, *[column.name for column in unique.columns])
        if name == unique.name or (unique.name is None and is_constraint_name(name, *made)):
            if unique.deferrable:
                raise QueryError(
                    f"on_conflict: {name!r} may be checked at the end of the transaction, which is "
                    "too late for a row to be met"
                )
            return ConflictTarget(unique.columns)
    for index in mapper.indexes:
        is_meant = name == index.name or (
            not index.is_named and is_constraint_name(name, index.name)
        )
        if index.unique and is_meant:
            parts = [part.column or part.expression or "" for part in index.parts]
            return ConflictTarget(tuple(parts), index.where)
    raise QueryError(f"on_conflict: {mapper.name} has no unique key {name!r}")
