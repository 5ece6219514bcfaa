"""Whether two descriptions say the same, however a store spells it."""

from __future__ import annotations

import attrs

from uow.schema.description import (
    CheckDef,
    ColumnDef,
    Constraint,
    ExclusionDef,
    IndexDef,
    IndexPartDef,
    TypeDef,
)
from uow.schema.words import same_sql

__all__ = ["same_column", "same_constraint", "same_fields", "same_index", "same_type"]


def same_type(one: ColumnDef, other: ColumnDef) -> bool:
    """Whether two columns take the same values in the same order."""
    return same_sql(one.type, other.type) and one.collation == other.collation


def same_column(one: ColumnDef, other: ColumnDef) -> bool:
    """Whether two columns are alike in all but how their SQL is spelled."""
    plain = ("nullable", "identity", "virtual", "comment")
    sql = ("default", "generated", "on_update")
    return (
        same_type(one, other)
        and all(getattr(one, name) == getattr(other, name) for name in plain)
        and all(same_sql(getattr(one, name), getattr(other, name)) for name in sql)
    )


def same_fields(one: TypeDef, other: TypeDef) -> bool:
    """Whether two row types have the same fields in the same order."""
    return len(one.fields) == len(other.fields) and all(
        a[0] == b[0] and same_sql(a[1], b[1]) for a, b in zip(one.fields, other.fields, strict=True)
    )


def same_constraint(one: Constraint | None, other: Constraint | None) -> bool:
    """Whether two constraints of one name say the same."""
    for kind in (CheckDef, ExclusionDef):
        if isinstance(one, kind) and isinstance(other, kind):
            return same_sql(one.sql, other.sql)
    return one == other


def same_index(one: IndexDef, other: IndexDef) -> bool:
    """Whether two indexes of one name say the same."""
    if len(one.parts) != len(other.parts) or not same_sql(one.where, other.where):
        return False
    pairs = zip(one.parts, other.parts, strict=True)
    return all(_same_part(a, b) for a, b in pairs) and (
        attrs.evolve(one, parts=(), where=None) == attrs.evolve(other, parts=(), where=None)
    )


def _same_part(one: IndexPartDef, other: IndexPartDef) -> bool:
    return same_sql(one.expression, other.expression) and _plain(one) == _plain(other)


def _plain(part: IndexPartDef) -> IndexPartDef:
    """NULLs are last, or first where the greatest value is."""
    usual = "FIRST" if part.descending else "LAST"
    nulls = None if part.nulls == usual else part.nulls
    return attrs.evolve(part, expression=None, nulls=nulls)
