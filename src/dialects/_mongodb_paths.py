"""Paths of documents, and values that stand beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from uow.dialects._bson_writing import BsonWriter
from uow.dialects._mongodb_types import make_encoder
from uow.errors import QueryError, ValidationError
from uow.expressions.nodes import Cast, ColumnExpression, Expression, FieldPath, Label
from uow.mapping.link_fields import LINKED_KEY
from uow.types import ColumnType, Json, Text
from uow.values import is_document_key

__all__ = ["NO_ENCODERS", "Encoders", "encoded", "encoders_of", "path_of"]

AnyExpression: TypeAlias = Expression[Any]
Encoders: TypeAlias = Mapping[type, Callable[[Any], Any]]

NO_ENCODERS: Final[Encoders] = MappingProxyType({})


def path_of(node: AnyExpression) -> str | None:
    """Give the dotted path of an expression; None if it is something that is computed."""
    match node:
        case ColumnExpression():
            return node.column.name
        case FieldPath():
            for step, name in zip(node.path, node.names, strict=True):
                if isinstance(step, int):
                    if step < 0:
                        return None
                elif step == LINKED_KEY != name:
                    continue
                elif not is_document_key(step):
                    raise QueryError(
                        f"{node.display_name}: a path has no step that is empty, holds a dot or "
                        "begins with a dollar sign"
                    )
            return ".".join([node.operand.column.name, *map(str, node.path)])
        case Cast(type=Text()) if isinstance(node.operand.type, Json):
            return path_of(node.operand)  # matching a nested value as text, which it must be
        case Label():
            return path_of(node.operand)
        case _:
            return None


def encoders_of(field: object) -> Encoders:
    """The encoders that the class of a field brings."""
    operand = field.operand if isinstance(field, FieldPath) else field
    if not isinstance(operand, ColumnExpression):
        return NO_ENCODERS
    document = operand.column.mapper.document
    return NO_ENCODERS if document is None else document.bson_encoders


def encoded(value: Any, type_: ColumnType | None, encoders: Encoders = NO_ENCODERS) -> Any:
    """Write a value as the store takes it.

    Args:
        value: the value.
        type_: of the field beside it.
        encoders: what stores values of further classes.

    Raises:
        ValidationError: the store cannot hold it.
    """
    if value is None or type_ is None:
        return value
    is_met = bool(encoders) and isinstance(value, (*encoders, list, tuple, set, Mapping))
    encode = BsonWriter(encoders) if is_met else make_encoder(type_)
    if encode is None:
        return value
    try:
        return encode(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error
