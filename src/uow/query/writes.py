"""`insert`, `insert_many`, `update`, `delete`: statements that write, immutable builders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Self, TypeVar, cast, final, overload

from uow.errors import QueryError, ValidationError
from uow.expressions.alias import TableAlias
from uow.expressions.nodes import ColumnExpression, Excluded, Expression, as_condition
from uow.mapping.mapper import MappedColumn, Mapper
from uow.query.assignments import assigned, with_version
from uow.query.bulk import refuse_whole_table
from uow.query.clauses import Condition, selected
from uow.query.conflicts import ConflictTarget, conflict_target
from uow.query.executable import Executable
from uow.query.insert_rows import insert_rows
from uow.query.insert_select import insert_select
from uow.query.rows import Row
from uow.query.sources import column_of, source_of
from uow.query.statements import Delete, Insert, OnConflict, Update

__all__ = [
    "DeleteStatement",
    "InsertStatement",
    "OnConflictClause",
    "UpdateStatement",
    "delete",
    "insert",
    "insert_many",
    "update",
]

R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@final
class InsertStatement(Executable[R], Generic[R]):
    """An INSERT; gives the number of rows, or what `returning` names."""

    __slots__ = ("_given", "_insert", "_missing")

    def __init__(
        self,
        insert: Insert,
        given: frozenset[MappedColumn],
        missing: ValidationError | None = None,
    ) -> None:
        self._insert = insert
        self._given = given
        self._missing = missing

    def __repr__(self) -> str:
        rows = "rows of a query" if self._insert.select else f"{len(self._insert.rows)} rows"
        return f"<InsertStatement {self._insert.mapper.name}, {rows}>"

    @property
    def statement(self) -> Insert:
        """The tree.

        Raises:
            ValidationError: there are no values, and some are required.
        """
        if self._missing is not None:
            raise self._missing
        return self._insert

    def from_select(
        self, fields: Iterable[Expression[Any] | str], query: Executable[Any]
    ) -> InsertStatement[R]:
        """Insert what a query gives: `insert(Old).from_select([Old.id], select(New.id))`.

        Fields that are not named get their default, if that is one value for all rows.

        Args:
            fields: what the columns of the query are for, in order.
            query: what gives the rows; one for objects gives all their columns.

        Raises:
            QueryError: there are values already; fields and columns do not fit; or a field that is
                required, or gets a value of its own in each row, is not among them.
        """
        old = self._insert
        if self._given or old.select is not None:
            raise QueryError("from_select stands instead of values: insert(Model).from_select(...)")
        tree, given = insert_select(old.mapper, fields, query)
        return InsertStatement(
            tree.replace(on_conflict=old.on_conflict, returning=old.returning), given
        )

    def on_conflict(
        self,
        *fields: Expression[Any] | str,
        constraint: str | None = None,
        where: str | None = None,
    ) -> OnConflictClause[R]:
        """Say what happens where a row is there already: `.nothing()` or `.update(...)`.

        On MySQL any key may be met, whichever is named.

        Args:
            fields: the columns of a key or unique constraint; any of them, if none is named.
            constraint: the name of a unique constraint or index of the class, instead of them: the
                one in Settings, or else the one that `create_all` gives it and a `ConstraintError`
                tells. An index over expressions has to be named.
            where: the SQL of a unique index over some rows only, as its `where` in Settings; to be
                given where several have these columns.

        Raises:
            QueryError: these columns are no key and not unique together, or there is no constraint
                of that name.
        """
        target = conflict_target(self._insert.mapper, fields, constraint, where)
        return OnConflictClause(self, target)

    @overload
    def returning(self, a: Expression[A], /) -> InsertStatement[list[Row[A]]]: ...
    @overload
    def returning(
        self, a: Expression[A], b: Expression[B], /
    ) -> InsertStatement[list[Row[A, B]]]: ...
    @overload
    def returning(
        self, a: Expression[A], b: Expression[B], c: Expression[C], /
    ) -> InsertStatement[list[Row[A, B, C]]]: ...
    @overload
    def returning(
        self, *columns: Expression[Any]
    ) -> InsertStatement[list[Row[*tuple[Any, ...]]]]: ...
    def returning(self, *columns: Any) -> InsertStatement[Any]:
        """Give these columns of each row that was written, instead of the count."""
        found = selected(columns, "returning")
        return InsertStatement(self._insert.replace(returning=found), self._given, self._missing)


@final
class OnConflictClause(Generic[R]):
    """The half of an INSERT that `on_conflict` begins."""

    __slots__ = ("_begun", "_target")

    def __init__(self, begun: InsertStatement[R], target: ConflictTarget) -> None:
        self._begun = begun
        self._target = target

    def nothing(self) -> InsertStatement[R]:
        """Leave the row that is there as it is."""
        return self._finished((), ())

    def update(
        self,
        *fields: Expression[Any] | str | Mapping[Any, object],
        where: Condition | None = None,
    ) -> InsertStatement[R]:
        """Change the row that is there.

        Args:
            fields: columns that take the value that was to be inserted, and mappings of columns
                to new values, in which `excluded(column)` is that value. Without any: every
                column that was given, but for the key and those of the conflict. The column of an
                optimistic lock is counted up.
            where: change the row only if this holds for it.

        Raises:
            QueryError: the conflict names no key; or a field cannot be set, or is there twice.
            ValidationError: a value does not fit its field.
        """
        mapper = self._begun._insert.mapper
        if not self._target.parts:
            raise QueryError("on_conflict().update(...) needs the columns that may be met")
        found: dict[MappedColumn, Expression[Any]] = {}
        for field in fields or self._proposed():
            new = assigned(mapper, _proposed(mapper, field))
            if not found.keys().isdisjoint(new):
                raise QueryError("on_conflict: a field is given twice")
            found.update(new)
        if not found:
            raise QueryError("on_conflict().update() has nothing to change: use .nothing()")
        conditions = () if where is None else (as_condition(where, "on_conflict"),)
        return self._finished(with_version(mapper, found), conditions)

    def _proposed(self) -> list[Expression[Any]]:
        # A default of a new row is no reason to overwrite what an old one holds.
        begun, mapper = self._begun, self._begun._insert.mapper
        fixed = {*self._target.parts, *mapper.key, mapper.version, mapper.discriminator}
        # A column that several tables have is given to all of them.
        owners = [table.owner or table for table in mapper.tables]
        return [
            ColumnExpression(owner.by_attribute[column.attribute], owner)
            for column in begun._insert.columns
            if column in begun._given and column not in fixed
            for owner in _owners(column, owners)
        ]

    def _finished(
        self,
        assignments: tuple[tuple[MappedColumn, Expression[Any]], ...],
        conditions: tuple[Expression[Any], ...],
    ) -> InsertStatement[R]:
        begun, target = self._begun, self._target
        on_conflict = OnConflict(target.parts, assignments, conditions, target.where)
        tree = begun._insert.replace(on_conflict=on_conflict)
        return InsertStatement(tree, begun._given, begun._missing)


def _owners(column: MappedColumn, owners: list[Mapper]) -> list[Mapper]:
    """The classes whose tables have a column of a class; it itself where only one has."""
    found = [
        owner
        for owner in owners
        if any(column.attribute in t.by_attribute for t in owner.tables[-1:])
    ]
    return found if len(found) > 1 else [column.mapper]


@final
class UpdateStatement(Executable[R], Generic[R]):
    """An UPDATE; gives the number of rows that matched, or what `returning` names."""

    __slots__ = ("_is_all", "_mapper", "_returning", "_values", "_where")

    def __init__(
        self,
        mapper: Mapper,
        values: dict[MappedColumn, Expression[Any]],
        where: tuple[Expression[Any], ...] = (),
        returning: tuple[Expression[Any], ...] = (),
        *,
        is_all: bool = False,
    ) -> None:
        self._mapper = mapper
        self._values = values
        self._where = where
        self._returning = returning
        self._is_all = is_all

    def __repr__(self) -> str:
        names = ", ".join(column.attribute for column in self._values)
        return f"<UpdateStatement {self._mapper.name} ({names})>"

    @property
    def statement(self) -> Update:
        """The tree.

        Raises:
            QueryError: nothing is set, or neither a condition nor `.all()` was given.
        """
        if not self._values:
            raise QueryError(f"update of {self._mapper.name} without .set(...)")
        if not (self._where or self._is_all):
            raise refuse_whole_table(self._mapper, "update", ".all()")
        assignments = with_version(self._mapper, self._values)
        return Update(self._mapper, assignments, self._where, self._returning)

    def set(self, values: Mapping[Any, object] | None = None, /, **fields: object) -> Self:
        """Add new values, or expressions, by field.

        The column of an optimistic lock is counted up with them.

        Args:
            values: by attribute name or column: `{Author.age: Author.age + 1}`.
            fields: the same by name.

        Raises:
            QueryError: the class has no such field, it cannot be set, or it was given before.
            ValidationError: a value does not fit its field.
        """
        found = dict(self._values)
        for part in (values or {}, fields):
            new = assigned(self._mapper, part)
            for column in new:
                if column in found:
                    raise QueryError(f"{column} is given twice")
            found.update(new)
        return self._copy(found, self._where, is_all=self._is_all)

    def where(self, *conditions: Condition) -> Self:
        """Add conditions, all of which must hold."""
        found = tuple(as_condition(condition, "where") for condition in conditions)
        return self._copy(self._values, self._where + found, is_all=self._is_all)

    def all(self) -> Self:
        """Say that the whole table is meant."""
        return self._copy(self._values, self._where, is_all=True)

    @overload
    def returning(self, a: Expression[A], /) -> UpdateStatement[list[Row[A]]]: ...
    @overload
    def returning(
        self, a: Expression[A], b: Expression[B], /
    ) -> UpdateStatement[list[Row[A, B]]]: ...
    @overload
    def returning(
        self, a: Expression[A], b: Expression[B], c: Expression[C], /
    ) -> UpdateStatement[list[Row[A, B, C]]]: ...
    @overload
    def returning(
        self, *columns: Expression[Any]
    ) -> UpdateStatement[list[Row[*tuple[Any, ...]]]]: ...
    def returning(self, *columns: Any) -> UpdateStatement[Any]:
        """Give these columns of each row that matched, as they are now, instead of the count."""
        found = selected(columns, "returning")
        return UpdateStatement(self._mapper, self._values, self._where, found, is_all=self._is_all)

    def _copy(
        self,
        values: dict[MappedColumn, Expression[Any]],
        where: tuple[Expression[Any], ...],
        *,
        is_all: bool,
    ) -> Self:
        return type(self)(self._mapper, values, where, self._returning, is_all=is_all)


@final
class DeleteStatement(Executable[R], Generic[R]):
    """A DELETE; gives the number of rows that were deleted, or what `returning` names."""

    __slots__ = ("_is_all", "_mapper", "_returning", "_where")

    def __init__(
        self,
        mapper: Mapper,
        where: tuple[Expression[Any], ...] = (),
        returning: tuple[Expression[Any], ...] = (),
        *,
        is_all: bool = False,
    ) -> None:
        self._mapper = mapper
        self._where = where
        self._returning = returning
        self._is_all = is_all

    def __repr__(self) -> str:
        return f"<DeleteStatement {self._mapper.name}>"

    @property
    def statement(self) -> Delete:
        """The tree.

        Raises:
            QueryError: neither a condition nor `.all()` was given.
        """
        if not (self._where or self._is_all):
            raise refuse_whole_table(self._mapper, "delete", ".all()")
        return Delete(self._mapper, self._where, self._returning)

    def where(self, *conditions: Condition) -> Self:
        """Add conditions, all of which must hold."""
        found = tuple(as_condition(condition, "where") for condition in conditions)
        where = self._where + found
        return type(self)(self._mapper, where, self._returning, is_all=self._is_all)

    def all(self) -> Self:
        """Say that the whole table is meant."""
        return type(self)(self._mapper, self._where, self._returning, is_all=True)

    @overload
    def returning(self, a: Expression[A], /) -> DeleteStatement[list[Row[A]]]: ...
    @overload
    def returning(
        self, a: Expression[A], b: Expression[B], /
    ) -> DeleteStatement[list[Row[A, B]]]: ...
    @overload
    def returning(
        self, a: Expression[A], b: Expression[B], c: Expression[C], /
    ) -> DeleteStatement[list[Row[A, B, C]]]: ...
    @overload
    def returning(
        self, *columns: Expression[Any]
    ) -> DeleteStatement[list[Row[*tuple[Any, ...]]]]: ...
    def returning(self, *columns: Any) -> DeleteStatement[Any]:
        """Give these columns of each row that was deleted, instead of the count."""
        found = selected(columns, "returning")
        return DeleteStatement(self._mapper, self._where, found, is_all=self._is_all)


def insert(
    model: type[Any], values: Mapping[Any, object] | None = None, /, **fields: object
) -> InsertStatement[int]:
    """Make an INSERT of one row; without values, begin one of rows that a query gives.

    Defaults made in Python apply; those of the store are the store's.

    Args:
        model: the mapped class.
        values: by attribute name or column; expressions may stand for values.
        fields: the same by name.

    Raises:
        QueryError: the class has no such field, or it is given twice.
        ValidationError: a value does not fit its field, or a required one is missing.
    """
    mapper = _table(model, "insert")
    row: dict[Any, object] = dict(values or {})
    named = {column_of(mapper, field) for field in row}
    for name, value in fields.items():
        if column_of(mapper, name) in named:
            raise QueryError(f"{mapper.name}.{name} is given twice")
        row[name] = value
    try:
        return InsertStatement(*insert_rows(mapper, [row]))
    except ValidationError as error:
        if row:
            raise
        # Rows may still come from a query; without one the statement says what is missing.
        return InsertStatement(Insert(mapper, (), ()), frozenset(), error)


def insert_many(model: type[Any], rows: Iterable[Mapping[Any, object]]) -> InsertStatement[int]:
    """Make an INSERT of many rows, in one unit whatever their number.

    Args:
        model: the mapped class.
        rows: values by attribute name or column, one mapping a row.

    Raises:
        QueryError: there is no row; the class has no such field; or a field that has a default in
            the store is given in some rows only.
        ValidationError: values do not fit, or required ones are missing; all are named.
    """
    return InsertStatement(*insert_rows(_table(model, "insert_many"), rows))


def update(model: type[Any]) -> UpdateStatement[int]:
    """Begin an UPDATE: `update(Author).set({Author.age: 1}).where(Author.id == 3)`.

    Args:
        model: the mapped class.
    """
    return UpdateStatement(_table(model, "update"), {})


def delete(model: type[Any]) -> DeleteStatement[int]:
    """Begin a DELETE: `delete(Author).where(Author.id == 3)`.

    Args:
        model: the mapped class.
    """
    return DeleteStatement(_table(model, "delete"))


def _table(model: object, place: str) -> Mapper:
    source = source_of(model)
    if isinstance(source, TableAlias):
        raise QueryError(f"{place} takes the mapped class itself, not an alias")
    return source


def _proposed(mapper: Mapper, field: object) -> Mapping[Any, object]:
    if isinstance(field, Mapping):
        return cast("Mapping[Any, object]", field)
    column = column_of(mapper, field)
    proposed: Excluded[Any] = Excluded(column)
    if isinstance(field, str):
        return {field: proposed}
    return {ColumnExpression[Any](column, column.mapper): proposed}
