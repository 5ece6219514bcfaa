"""Statement trees to text, shared by the SQL dialects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from uow.dialects._spread import class_filter, relatives
from uow.dialects.base import Compiled, ResultColumn
from uow.dialects.sql_expressions import unlabelled
from uow.dialects.sql_select import SqlSelect, result_columns_of
from uow.errors import QueryError
from uow.expressions.nodes import Expression, Label, Literal
from uow.query.statements import (
    AnyStatement,
    Delete,
    Insert,
    OnConflict,
    Raw,
    Select,
    Update,
)

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["SqlCompiler"]

AnyExpression: TypeAlias = Expression[Any]


class SqlCompiler(SqlSelect):
    """Compiles one statement; made anew for each."""

    def compile(self, statement: AnyStatement) -> Compiled:
        """Compile a whole statement."""
        match statement:
            case Select():
                return self.compile_select(statement)
            case Insert():
                return self.compile_insert(statement)
            case Update():
                return self.compile_update(statement)
            case Delete():
                return self.compile_delete(statement)
            case Raw():
                return self.compile_raw(statement)
            case _:
                raise QueryError(f"{type(statement).__name__} is not a statement")

    def finish(
        self, sql: str, columns: tuple[ResultColumn, ...] = (), *, reads: bool = False
    ) -> Compiled:
        """Put text and parameters together."""
        text, parameters = self.placed(sql)
        return Compiled(text, parameters, columns, reads)

    def compile_select(self, select: Select) -> Compiled:
        """Compile a select that stands alone."""
        sql = self.select(select)
        return self.finish(sql, self.result_columns(select), reads=select.for_update is None)

    # -- INSERT

    def compile_insert(self, insert: Insert) -> Compiled:
        """Compile an insert."""
        mapper = insert.mapper
        mapper.configure()
        self.refuse_several(mapper, "insert")
        text = f"INSERT INTO {self.dialect.table(mapper)}{self.insert_values(insert)}"
        with self.scope(self.names_written(mapper)):
            if insert.on_conflict is not None:
                text += self.on_conflict(mapper, insert.on_conflict)
            can = self.dialect.capabilities.returning_insert
            text += self.returning(insert.returning, can=can)
        return self.finish(text, result_columns_of(insert.returning))

    def insert_values(self, insert: Insert) -> str:
        """Compile the columns and the rows."""
        if not insert.columns:
            return self.default_values()
        names = ", ".join([self.quote(column.name) for column in insert.columns])
        if insert.select is not None:
            return f" ({names}) {self.inserted_select(insert, insert.select)}"
        rows = ", ".join([self.insert_row(insert.columns, row) for row in insert.rows])
        return f" ({names}) VALUES {rows}"

    def inserted_select(self, insert: Insert, select: Select) -> str:
        """Compile the select that gives the rows."""
        return self.select(select, into=insert.columns)

    def default_values(self) -> str:
        """Write one row of defaults."""
        return " DEFAULT VALUES"

    def insert_row(self, columns: Sequence[MappedColumn], row: Sequence[object]) -> str:
        """Compile one row."""
        values = [
            self.assigned(cast("Expression[object]", value), column.type)
            if isinstance(value, Expression)
            else self.bind(value, column.type)
            for column, value in zip(columns, row, strict=True)
        ]
        return f"({', '.join(values)})"

    def on_conflict(
        self,
        mapper: Mapper,  # noqa: ARG002 - for stores that name the key here
        conflict: OnConflict,
    ) -> str:
        """Compile what happens where a row is already there, with a space before."""
        target = ", ".join(
            [f"({p})" if isinstance(p, str) else self.quote(p.name) for p in conflict.target]
        )
        text = f" ON CONFLICT ({target})" if target else " ON CONFLICT"
        if conflict.target_where is not None:
            text += f" WHERE {conflict.target_where}"
        if not conflict.assignments:
            return f"{text} DO NOTHING"
        text += f" DO UPDATE SET {self.assignments(conflict.assignments)}"
        if conflict.where:
            text += f" WHERE {self.conditions(conflict.where)}"
        return text

    # -- UPDATE and DELETE

    def compile_update(self, update: Update) -> Compiled:
        """Compile an update."""
        mapper = update.mapper
        mapper.configure()
        self.refuse_several(mapper, "update")
        with self.scope(self.names_written(mapper)):
            text = f"UPDATE {self.dialect.table(mapper)} SET {self.assignments(update.assignments)}"
            where = self.of_class(mapper, update.where)
            if where:
                text += f" WHERE {self.row_conditions(where, 'a filter')}"
            can = self.dialect.capabilities.returning_update
            text += self.returning(update.returning, can=can)
        return self.finish(text, result_columns_of(update.returning))

    def compile_delete(self, delete: Delete) -> Compiled:
        """Compile a delete."""
        mapper = delete.mapper
        mapper.configure()
        self.refuse_several(mapper, "delete")
        with self.scope(self.names_written(mapper)):
            text = f"DELETE FROM {self.dialect.table(mapper)}"
            where = self.of_class(mapper, delete.where)
            if where:
                text += f" WHERE {self.row_conditions(where, 'a filter')}"
            can = self.dialect.capabilities.returning_delete
            text += self.returning(delete.returning, can=can)
        return self.finish(text, result_columns_of(delete.returning))

    def refuse_several(self, mapper: Mapper, verb: str) -> None:
        """Refuse to write one statement about rows that are in several tables.

        Raises:
            QueryError: the class has several.
        """
        if len(mapper.tables) > 1:
            raise QueryError(
                f"{verb} of {mapper.name} is several statements, one a table and one that locks: "
                "session.execute runs them"
            )

    def names_written(self, mapper: Mapper) -> dict[int, str]:
        """Give the name of the table that is written, for each class whose columns are in it."""
        classes = [mapper, *relatives(mapper.owner or mapper)]
        if mapper.owner is not None:
            classes.append(mapper.owner)
        return {id(one): mapper.table_name for one in classes}

    def of_class(
        self, mapper: Mapper, where: tuple[AnyExpression, ...]
    ) -> tuple[AnyExpression, ...]:
        """Add that rows of one table for several classes are of this one."""
        condition = class_filter(mapper)
        return where if condition is None else (*where, condition)

    def assignments(self, pairs: Sequence[tuple[MappedColumn, AnyExpression]]) -> str:
        """Compile `"c" = value` for each column."""
        return ", ".join(
            [f"{self.quote(c.name)} = {self.assigned(value, c.type)}" for c, value in pairs]
        )

    def returning(self, columns: tuple[AnyExpression, ...], *, can: bool) -> str:
        """Compile RETURNING, with a space before.

        Raises:
            QueryError: the store has none here.
        """
        if not columns:
            return ""
        if not can:
            raise QueryError(f"{self.dialect.name} gives no rows back from this statement")
        return f" RETURNING {', '.join([self.returned(column) for column in columns])}"

    def returned(self, column: AnyExpression) -> str:
        """Compile one expression of RETURNING."""
        text = self.expression(unlabelled(column))
        return f"{text} AS {self.quote_label(column.name)}" if isinstance(column, Label) else text

    # -- raw SQL

    def compile_raw(self, raw: Raw) -> Compiled:
        """Put a user's text together with placeholders; each value is bound where it stands."""
        if any("\0" in part for part in raw.parts if isinstance(part, str)):
            raise QueryError("SQL text cannot hold a NUL character")
        return self.finish("".join([self.raw_part(raw, part) for part in raw.parts]))

    def raw_part(self, raw: Raw, part: str | Literal[Any]) -> str:
        """Give a piece of a user's text, or bind a value in it, with its type if the user said so.

        Else the text says what the value is, and no cast stands beside it.
        """
        if isinstance(part, str):
            return part
        if any(part is one for one in raw.typed):
            return self.bind(part.value, part.type)
        return self.mark(self.encode(part.value, part.type))
