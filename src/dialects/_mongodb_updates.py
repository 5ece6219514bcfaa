"""Changes to update documents: `{"$set": ...}`, or pipelines where values are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from uow.dialects._mongodb_expressions import Computing, constant, raw_computed, raw_value
from uow.dialects._mongodb_filters import filter_of
from uow.dialects._mongodb_paths import NO_ENCODERS, Encoders, encoded
from uow.errors import QueryError, ValidationError
from uow.expressions.nodes import Arithmetic, ColumnExpression, Expression, Literal
from uow.query.statements import Update
from uow.types import Float, Integer, Numeric

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["change_of"]

AnyExpression = Expression[Any]


def change_of(tree: Update) -> Any:
    """Give the update document of a bulk statement, or a pipeline.

    Raises:
        QueryError: values are computed of other fields where operators change some.
    """
    change = _assigned(tree.assignments)
    if tree.pipeline:
        stages = [raw_computed(stage) for stage in tree.pipeline]
        return [*stages, {"$set": _computed(tree.assignments)}] if change else stages
    if not tree.operators:
        return change
    if isinstance(change, list):
        raise QueryError(
            f"update of {tree.mapper.name}: what is computed of other fields cannot stand beside "
            "update operators; say all of it in a pipeline"
        )
    for operator, parts in tree.operators.items():
        given: Mapping[str, Any] = change.get(operator, {})
        made = {path: _operand(tree, path, value) for path, value in parts.items()}
        change[operator] = {**given, **made}
    return change


def _operand(tree: Update, path: str, value: Any) -> Any:
    try:
        document = tree.mapper.document
        encoders = NO_ENCODERS if document is None else document.bson_encoders
        return raw_value(value, filter_of, encoders)
    except ValidationError as error:
        raise ValidationError(f"{tree.mapper.name}: {path}: {error}") from error


def _computed(assignments: Sequence[tuple[MappedColumn, AnyExpression]]) -> dict[str, Any]:
    compute = Computing()
    return {
        c.name: constant(encoded(v.value, v.type)) if isinstance(v, Literal) else compute(v)
        for c, v in assignments
    }


def _assigned(assignments: Sequence[tuple[MappedColumn, AnyExpression]]) -> Any:
    """Give an update document; a pipeline where values are computed of others."""
    set_: dict[str, Any] = {}
    inc: dict[str, Any] = {}
    for column, value in assignments:
        if isinstance(value, Literal):
            set_[column.name] = encoded(value.value, value.type, _encoders(column))
            continue
        step = _increment(column, value)
        if step is None:
            return [{"$set": _computed(assignments)}]
        inc[column.name] = step
    change: dict[str, Any] = {}
    if set_:
        change["$set"] = set_
    if inc:
        change["$inc"] = inc
    return change


def _encoders(column: MappedColumn) -> Encoders:
    document = column.mapper.document
    return NO_ENCODERS if document is None else document.bson_encoders


def _increment(column: MappedColumn, value: AnyExpression) -> Any:
    """What is added to a number, if that is all that is done to it."""
    if not isinstance(value, Arithmetic) or value.op not in "+-":
        return None
    if not isinstance(column.type, (Integer, Float, Numeric)) or column.nullable:
        return None
    left, right = value.left, value.right
    if not (isinstance(left, ColumnExpression) and left.column is column):
        return None
    if not isinstance(right, Literal):
        return None
    return encoded(right.value if value.op == "+" else -right.value, right.type)
