"""Statement trees to text, shared by the SQL dialects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from uow.dialects.base import Compiled, ResultColumn
from uow.dialects.sql_expressions import unlabelled
from uow.dialects.sql_functions import SqlFunctions
from uow.errors import MappingError, QueryError
from uow.expressions.alias import TableAlias
from uow.expressions.nodes import Expression, Label, OrderTerm
from uow.query.statements import (
    AnyStatement,
    Delete,
    DerivedTable,
    Insert,
    OnConflict,
    Raw,
    Select,
    Source,
    Update,
    result_names,
)
from uow.types import ColumnType, Integer

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["SqlCompiler"]

AnyExpression: TypeAlias = Expression[Any]

_INTEGER = Integer()


class SqlCompiler(SqlFunctions):
    """Compiles one statement; made anew for each."""

    no_limit: str | None = None
    """What stands for "all rows" in LIMIT where OFFSET cannot stand alone; None: it can."""
    excluded_alias = ""
    update_alias = ""

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

    # -- SELECT

    def compile_select(self, select: Select) -> Compiled:
        """Compile a select that stands alone."""
        sql = self.select(select)
        return self.finish(sql, self.result_columns(select), reads=select.for_update is None)

    def result_columns(self, select: Select) -> tuple[ResultColumn, ...]:
        """Say what a select yields."""
        mapper = select.entity_mapper
        if mapper is not None:
            return self.dialect.kept(mapper, "result", lambda: _entity_columns(mapper))
        return _result_columns(select.columns)

    def subquery(self, select: Select, *, yields_rows_only: bool = False) -> str:
        """Compile a select inside another statement."""
        return self.select(select, yields_rows_only=yields_rows_only)

    def select(
        self, select: Select, *, yields_rows_only: bool = False, unique_names: bool = False
    ) -> str:
        """Compile a select."""
        names = self.names_of(select)
        with self.scope(names):
            distinct = "DISTINCT " if select.is_distinct else ""
            if yields_rows_only and not (select.group_by or select.having or select.is_distinct):
                columns = "1"
            else:
                columns = self.select_list(select, unique_names=unique_names)
            parts = [f"SELECT {distinct}{columns}"]
            if select.froms:
                parts.append(self.from_clause(select, names))
            if select.where:
                parts.append(f"WHERE {self.conditions(select.where)}")
            if select.group_by:
                parts.append(f"GROUP BY {self.group_by(select)}")
            if select.having:
                parts.append(f"HAVING {self.conditions(select.having)}")
            if select.order_by:
                terms = [text for term in select.order_by for text in self.order_term(term, select)]
                parts.append(f"ORDER BY {', '.join(terms)}")
            limit = self.limit(select.limit, select.offset)
            text = " ".join(parts) + limit
        return text + self.for_update(select)

    def names_of(self, select: Select) -> dict[int, str]:
        """Give the name of each source of a select, by identity.

        Raises:
            QueryError: two of them go by one name.
        """
        names: dict[int, str] = {}
        taken: set[str] = set()
        for source in (*select.froms, *(join.source for join in select.joins)):
            name = source.alias if isinstance(source, DerivedTable) else self.source_name(source)
            if name.lower() in taken:
                raise QueryError(f"two tables of a query are called {name!r}: use aliased()")
            taken.add(name.lower())
            names[id(source)] = name
        return names

    def select_list(self, select: Select, *, unique_names: bool) -> str:
        """Compile what is selected."""
        mapper = select.entity_mapper
        if mapper is not None and select.entity is not None:
            name = self._scopes[-1][id(select.entity)]
            if not unique_names:
                return self.dialect.kept(
                    mapper, ("list", name), lambda: ", ".join(self.entity_list(mapper, name))
                )
            texts = self.entity_list(mapper, name)
        else:
            texts = [self.selected(column, select) for column in select.columns]
        if unique_names:
            texts = [
                text if _is_label(select, number) else f"{text} AS {self.quote(f'c{number}')}"
                for number, text in enumerate(texts, 1)
            ]
        return ", ".join(texts)

    def entity_list(self, mapper: Mapper, name: str) -> list[str]:
        """Give every column of a table that goes by a name."""
        table = self.quote(name)
        return [f"{table}.{self.quote(column.name)}" for column in mapper.columns]

    def selected(self, column: AnyExpression, select: Select) -> str:
        """Compile one selected expression, with its name."""
        node = unlabelled(column)
        text = self.sortable(node) if select.is_distinct else self.expression(node)
        if isinstance(column, Label):
            return f"{text} AS {self.quote_label(column.name)}"
        return text

    def quote_label(self, name: str) -> str:
        """Quote a name a user chose.

        Raises:
            QueryError: no store takes it.
        """
        try:
            return self.quote(name)
        except MappingError as error:
            raise QueryError(str(error)) from error

    def from_clause(self, select: Select, names: dict[int, str]) -> str:
        """Compile FROM and JOIN."""
        text = "FROM " + ", ".join([self.source(source, names) for source in select.froms])
        for join in select.joins:
            kind = "LEFT JOIN" if join.is_outer else "JOIN"
            text += f" {kind} {self.source(join.source, names)} ON {self.condition(join.on)}"
        return text

    def source(self, source: Source | DerivedTable, names: dict[int, str]) -> str:
        """Compile a table in FROM."""
        name = names[id(source)]
        if isinstance(source, DerivedTable):
            return f"({self.select(source.select, unique_names=True)}) AS {self.quote(name)}"
        table = self.qualified(source)
        if source.alias is None and name == source.table_name:
            return table
        return f"{table} AS {self.quote(name)}"

    def qualified(self, source: Source) -> str:
        """Give a table's name with its schema."""
        mapper: Mapper = source.mapper if isinstance(source, TableAlias) else source
        return self.dialect.table(mapper)

    def group_by(self, select: Select) -> str:
        """Compile GROUP BY."""
        return ", ".join([self.named_or_sortable(node, select) for node in select.group_by])

    def named_or_sortable(self, node: AnyExpression, select: Select) -> str:
        """Give the name of what is labelled in the select list, or compile the expression."""
        if isinstance(node, Label) and any(node is column for column in select.columns):
            return self.quote_label(node.name)
        return self.sortable(unlabelled(node))

    def order_term(self, term: OrderTerm, select: Select) -> list[str]:
        """Compile one term of ORDER BY."""
        text = self.named_or_sortable(term.operand, select)
        return [self.ordered(text, term)]

    def ordered(self, text: str, term: OrderTerm) -> str:
        """Write the direction of a term and where NULLs come."""
        if term.is_descending:
            text += " DESC"
        if term.is_nulls_first is not None:
            text += " NULLS FIRST" if term.is_nulls_first else " NULLS LAST"
        return text

    def limit(self, limit: int | None, offset: int | None) -> str:
        """Compile LIMIT and OFFSET, with a space before."""
        text = ""
        if limit is not None:
            text = f" LIMIT {self.bind(limit, _INTEGER)}"
        elif offset is not None and self.no_limit is not None:
            text = f" LIMIT {self.no_limit}"
        if offset is not None:
            text += f" OFFSET {self.bind(offset, _INTEGER)}"
        return text

    def for_update(self, select: Select) -> str:
        """Compile FOR UPDATE, with a space before."""
        lock = select.for_update
        if lock is None:
            return ""
        if select.is_distinct or select.group_by or select.having:
            raise QueryError("for_update locks rows: it cannot go with distinct or groups")
        return self.dialect.lock_clause(nowait=lock.nowait, skip_locked=lock.skip_locked)

    # -- INSERT

    def compile_insert(self, insert: Insert) -> Compiled:
        """Compile an insert."""
        mapper = insert.mapper
        mapper.configure()
        text = f"INSERT INTO {self.dialect.table(mapper)}{self.insert_values(insert)}"
        with self.scope({id(mapper): mapper.table_name}):
            if insert.on_conflict is not None:
                text += self.on_conflict(mapper, insert.on_conflict)
            can = self.dialect.capabilities.returning_insert
            text += self.returning(insert.returning, can=can)
        return self.finish(text, _result_columns(insert.returning))

    def insert_values(self, insert: Insert) -> str:
        """Compile the columns and the rows."""
        if not insert.columns:
            return self.default_values()
        names = ", ".join([self.quote(column.name) for column in insert.columns])
        rows = ", ".join([self.insert_row(insert.columns, row) for row in insert.rows])
        return f" ({names}) VALUES {rows}"

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
        target = ", ".join([self.quote(column.name) for column in conflict.target])
        text = f" ON CONFLICT ({target})" if target else " ON CONFLICT"
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
        with self.scope({id(mapper): mapper.table_name}):
            text = f"UPDATE {self.dialect.table(mapper)} SET {self.assignments(update.assignments)}"
            if update.where:
                text += f" WHERE {self.conditions(update.where)}"
            can = self.dialect.capabilities.returning_update
            text += self.returning(update.returning, can=can)
        return self.finish(text, _result_columns(update.returning))

    def compile_delete(self, delete: Delete) -> Compiled:
        """Compile a delete."""
        mapper = delete.mapper
        mapper.configure()
        with self.scope({id(mapper): mapper.table_name}):
            text = f"DELETE FROM {self.dialect.table(mapper)}"
            if delete.where:
                text += f" WHERE {self.conditions(delete.where)}"
            can = self.dialect.capabilities.returning_delete
            text += self.returning(delete.returning, can=can)
        return self.finish(text, _result_columns(delete.returning))

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
        parts = [
            part if isinstance(part, str) else self.raw_value(part.value, part.type)
            for part in raw.parts
        ]
        return self.finish("".join(parts))

    def raw_value(self, value: object, type_: ColumnType | None) -> str:
        """Bind a value in a user's text: the text says what it is, so no cast stands beside it."""
        return self.mark(self.encode(value, type_))


def _entity_columns(mapper: Mapper) -> tuple[ResultColumn, ...]:
    return tuple(ResultColumn(column.attribute, column.type) for column in mapper.columns)


def _result_columns(columns: tuple[AnyExpression, ...]) -> tuple[ResultColumn, ...]:
    names = result_names(columns)
    return tuple(
        ResultColumn(name, column.type) for name, column in zip(names, columns, strict=True)
    )


def _is_label(select: Select, number: int) -> bool:
    return bool(select.columns) and isinstance(select.columns[number - 1], Label)
