"""What changes documents besides new values: update operators, and pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias

import attrs

from uow.errors import QueryError
from uow.expressions.nodes import ColumnExpression, Expression, FieldPath, is_expression
from uow.mapping.mapper import MappedColumn, Mapper
from uow.query.assignments import assigned, refuse_fixed
from uow.query.change_values import Operators, Place, operand_of
from uow.query.sources import column_of
from uow.values import is_document_key

__all__ = ["Changes", "changes_of", "field_at", "stored_path"]

_OPERATORS: Final = frozenset(
    {
        "$addToSet", "$bit", "$currentDate", "$inc", "$max", "$min", "$mul", "$pop", "$pull",
        "$pullAll", "$push", "$rename", "$set", "$setOnInsert", "$unset",
    }
)  # fmt: skip

Values: TypeAlias = dict[MappedColumn, Expression[Any]]


@attrs.frozen
class Changes:
    """All that one `update` of documents does.

    Attributes:
        assignments: new values of whole fields.
        operators: by name and path, what update operators are given; values are `Literal`s.
        pipeline: stages, in place of all else.
    """

    assignments: Values
    operators: Operators
    pipeline: tuple[Mapping[str, Any], ...] = ()


def changes_of(mapper: Mapper, given: tuple[object, ...]) -> Changes:
    """Check what `update` was given, and put it together.

    Args:
        mapper: of the class.
        given: mappings of fields to new values, mappings of update operators to what they are
            given by field, or one list of the stages of a pipeline.

    Raises:
        QueryError: one of them is none of these, there is no such operator, or a part of the
            document would be changed twice.
        ValidationError: values do not fit.
    """
    if any(isinstance(one, list | tuple) for one in given):
        if len(given) > 1:
            raise QueryError(f"update of {mapper.name}: a pipeline stands alone")
        return Changes({}, {}, _stages(mapper, next(iter(given))))
    paths = _Paths(mapper)
    assignments: Values = {}
    operators: Operators = {}
    for one in given:
        is_plain, parts = _parts(mapper, one)
        for operator, part in parts:
            for key, value in part.items():
                place = place_of(mapper, key, is_plain=is_plain)
                paths.add(place.path, operator)
                if operator == "$rename":
                    value = stored_path(value) if is_expression(value) else value  # noqa: PLW2901
                    paths.add(_new_name(value), operator)
                if operator == "$set" and isinstance(place.field, ColumnExpression):
                    assignments |= assigned(mapper, {place.field: value})
                else:
                    operand = operand_of(place, operator, value)
                    operators.setdefault(operator, {})[place.path] = operand
    paths.check()
    return Changes(assignments, operators)


def place_of(mapper: Mapper, key: object, *, is_plain: bool = False) -> Place:
    """Find what a key of an update means.

    Args:
        mapper: of the class.
        key: a field, or the path of one as it is stored.
        is_plain: attributes of the class are named, as everywhere where no operator is.

    Raises:
        QueryError: it is no field of the class, or one that an update does not change.
    """
    column: MappedColumn | None
    field: Expression[Any] | None
    if is_plain and isinstance(key, str) and key in mapper.by_attribute:
        key = ColumnExpression[Any](mapper.by_attribute[key], mapper)
    if is_expression(key):
        path, field = stored_path(key), key
        column = column_of(mapper, getattr(key, "operand", key))
    elif isinstance(key, str) and key and not key.startswith("$"):
        path, column, field = _read_path(mapper, key)
        if is_plain and field is None:
            raise QueryError(f"{mapper.name} has no field {key!r}")
    else:
        raise QueryError(f"update of {mapper.name}: fields are Person.age or 'address.city'")
    if column is not None:
        refuse_fixed(column)
    return Place(path, field)


def stored_path(field: Expression[Any]) -> str:
    """Give the dotted path of a field, as it is stored.

    Raises:
        QueryError: it is something that is computed, or there can be no such path.
    """
    if isinstance(field, ColumnExpression):
        return str(field.column.name)
    if not isinstance(field, FieldPath):
        raise QueryError(f"{field.display_name} is no field of a document")
    for step in field.path:
        if step < 0 if isinstance(step, int) else not is_document_key(step):
            raise QueryError(f"{field.display_name} has a step that no path of an update can have")
    return ".".join([field.operand.column.name, *map(str, field.path)])


def field_at(mapper: Mapper, text: str) -> tuple[str, Expression[Any] | None]:
    """Find what a dotted path leads to, by the names of the class or of the store.

    Returns:
        The path as it is stored, and the field; None where the class knows none.
    """
    path, _, field = _read_path(mapper, text)
    return path, field


def _read_path(
    mapper: Mapper, text: str
) -> tuple[str, MappedColumn | None, Expression[Any] | None]:
    """Find what a text leads to; what the class does not know stays as it is."""
    head, *steps = text.split(".")
    column = mapper.by_name.get(head) or mapper.by_attribute.get(head)
    if column is None:
        return text, None, None
    field: Expression[Any] | None = ColumnExpression(column, mapper)
    for step in steps:
        if field is None:
            break
        if not is_document_key(step):  # `items.$.price`: a place that the store finds
            field = None
            break
        try:
            field = field[int(step) if step.isdecimal() else step]
        except QueryError:
            field = None
    rest = ".".join([column.name, *steps])
    return (rest if field is None else stored_path(field)), column, field


def _parts(mapper: Mapper, given: Any) -> tuple[bool, Iterable[tuple[str, Mapping[Any, Any]]]]:
    """Give the operators of a mapping, and whether it has none and is all new values."""
    changes: Any = given
    if not isinstance(given, Mapping):
        raise QueryError(
            f"update of {mapper.name} takes new values by field, update operators or a pipeline, "
            f"not a {type(given).__name__}"
        )
    names = [key for key in changes if isinstance(key, str) and key.startswith("$")]
    if not names:
        return True, [("$set", changes)]
    if len(names) < len(changes):
        raise QueryError(f"update of {mapper.name}: fields stand beside operators in one mapping")
    for name in names:
        if name not in _OPERATORS:
            raise QueryError(f"MongoDB has no update operator {name!r}")
        if not isinstance(changes[name], Mapping) or not changes[name]:
            raise QueryError(f"{name} takes what it is given by field: {{Person.age: ...}}")
    return False, list(changes.items())


def _stages(mapper: Mapper, given: Any) -> tuple[Mapping[str, Any], ...]:
    stages: tuple[Any, ...] = tuple(given)
    for stage in stages:
        if not _is_stage(stage):
            raise QueryError(f"update of {mapper.name}: a stage of a pipeline is {{'$set': ...}}")
    if not stages:
        raise QueryError(f"update of {mapper.name} without any stage")
    return stages


def _is_stage(value: Any) -> bool:
    given: Any = value
    names: list[Any] = list(given) if isinstance(value, Mapping) else []
    return len(names) == 1 and isinstance(names[0], str) and names[0].startswith("$")


def _new_name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise QueryError("$rename takes the new name of each field")
    return value


class _Paths:
    """The parts of a document that are changed, of which none may be in another."""

    __slots__ = ("_found", "_mapper")

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._found: dict[tuple[str, ...], str] = {}

    def add(self, path: str, operator: str) -> None:
        steps = tuple(path.split("."))
        other = self._found.get(steps)
        if other is not None:
            raise self._conflict(path, other, path, operator)
        self._found[steps] = operator

    def check(self) -> None:
        ordered = sorted(self._found)
        for outer, inner in pairwise(ordered):
            if inner[: len(outer)] == outer:
                raise self._conflict(
                    ".".join(outer), self._found[outer], ".".join(inner), self._found[inner]
                )

    def _conflict(self, one: str, operator: str, other: str, another: str) -> QueryError:
        what = f"{one!r}" if one == other else f"{one!r} and {other!r} in it"
        by = operator if operator == another else f"{operator} and {another}"
        return QueryError(
            f"update of {self._mapper.name} changes {what} twice, by {by}; say it once"
        )
