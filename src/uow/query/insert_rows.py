"""The rows of an INSERT statement: names to columns, defaults, checks, chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from uow.errors import QueryError, ValidationError
from uow.expressions.nodes import In, Literal, as_expression, is_expression
from uow.expressions.protocols import SupportsSelect
from uow.expressions.walk import walk
from uow.mapping.columns import MISSING
from uow.mapping.mapper import KEY_REFUSED, MappedColumn, Mapper
from uow.mapping.versions import first_version
from uow.query.assignments import stored_expression
from uow.query.sources import column_of
from uow.query.statements import Insert
from uow.values import described

__all__ = ["insert_rows", "split_insert"]

_Values: TypeAlias = dict[MappedColumn, object]

_MOST_PROBLEMS: Final = 20


def insert_rows(
    mapper: Mapper, rows: Iterable[Mapping[Any, object]]
) -> tuple[Insert, frozenset[MappedColumn]]:
    """Make the tree of an INSERT from rows as a user gives them.

    Returns:
        The tree, and the columns that were given and did not come from a default.

    Raises:
        QueryError: there is no row; a field is unknown, cannot be set, or is given in some rows and
            in others left to the store.
        ValidationError: values do not fit or are missing; the first ones are named.
    """
    reader = _RowReader(mapper)
    checked: list[_Values] = []
    for number, row in enumerate(rows, 1):
        checked.append(reader.read(row, number))
        if len(reader.problems) >= _MOST_PROBLEMS:
            break
    if reader.problems:
        raise ValidationError(problems=reader.problems)
    if not checked:
        raise QueryError(f"an insert of {mapper.name} without rows")
    used = {column for values in checked for column in values}
    columns = tuple(column for column in mapper.columns if column in used)
    if not columns and len(checked) > 1:
        raise QueryError(f"rows of {mapper.name} without any value are inserted one by one")
    tree = Insert(mapper, columns, tuple(_in_order(values, columns) for values in checked))
    return tree, frozenset(reader.given)


def split_insert(insert: Insert, max_parameters: int) -> list[Insert]:
    """Split an INSERT into several, in order, none of which binds more than a store takes.

    Args:
        insert: the tree.
        max_parameters: how many placeholders one statement may hold.
    """
    conflict = insert.on_conflict
    shared = (*insert.returning, *(conflict.where if conflict else ()))
    shared += tuple(value for _, value in (conflict.assignments if conflict else ()))
    room = max_parameters - _parameters(shared)
    chunks: list[Insert] = []
    start = used = 0
    for position, row in enumerate(insert.rows):
        cost = sum(1 if not is_expression(value) else _parameters((value,)) for value in row)
        if used + cost > room and position > start:
            chunks.append(_part(insert, start, position))
            start, used = position, 0
        used += cost
    chunks.append(insert if start == 0 else _part(insert, start, len(insert.rows)))
    return chunks


class _RowReader:
    """Reads rows given as mappings; what is wrong with values is collected."""

    def __init__(self, mapper: Mapper) -> None:
        self.mapper = mapper
        self.problems: list[str] = []
        self.given: set[MappedColumn] = set()
        self._defaults = [
            (column, make) for column in mapper.columns if (make := _default(column)) is not None
        ]
        self._required = [column for column in mapper.columns if column.is_required]
        self._columns: dict[object, MappedColumn] = {}

    def read(self, row: object, number: int) -> _Values:
        """Give checked values by column, defaults included."""
        if not isinstance(row, Mapping):
            raise QueryError(f"rows are mappings, row {number} is a {type(row).__name__}")
        values: _Values = {}
        for field, value in cast("Mapping[object, object]", row).items():
            column = self._columns.get(field)
            if column is None:
                column = self._columns[field] = column_of(self.mapper, field)
            if column in values:
                raise QueryError(f"{column} is given twice in row {number}")
            if value is None and column.auto_increment:
                continue
            try:
                values[column] = _value(column, value)
            except ValueError as error:
                self.problems.append(f"{described(column, error)} (row {number})")
                values[column] = None
        self.given.update(values)
        for column, make in self._defaults:
            if column not in values:
                values[column] = make()
        for column in self._required:
            if column not in values:
                self.problems.append(f"{column}: is required (row {number})")
        return values


def _value(column: MappedColumn, value: object) -> object:
    if column.identity_always:
        raise ValueError(KEY_REFUSED)
    if is_expression(value) or isinstance(value, SupportsSelect):
        return stored_expression(column, as_expression(value))
    if column.generated is not None:
        raise QueryError(f"{column} is generated by the store and cannot be set")
    return column.check_value(value)


def _default(column: MappedColumn) -> Callable[[], object] | None:
    if column.default_factory is not None:
        return column.default_factory
    if column.default is not MISSING:
        default = column.default
        return lambda: default
    if column.version:
        return first_version(column)
    return None


def _in_order(values: _Values, columns: tuple[MappedColumn, ...]) -> tuple[object, ...]:
    if len(values) == len(columns):
        return tuple([values[column] for column in columns])
    row: list[object] = []
    for column in columns:
        if column not in values and (column.is_made_by_store or not column.nullable):
            raise QueryError(
                f"{column} is given in some rows and left to the store in others: "
                "insert these apart"
            )
        row.append(values.get(column))
    return tuple(row)


def _part(insert: Insert, start: int, end: int) -> Insert:
    return insert.replace(rows=insert.rows[start:end])


def _parameters(expressions: Iterable[object]) -> int:
    count = 0
    for node in walk(expressions):
        if isinstance(node, Literal):
            count += 1
        elif isinstance(node, In):
            count += len(node.values)
    return count
