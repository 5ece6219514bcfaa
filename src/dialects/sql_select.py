"""SELECT to text: what is read, from where, in which order.

A query may stand in FROM or in WITH. In FROM it does not see its neighbours (`apart`); WITH belongs
to the outermost select, which is where every store takes it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from uow.dialects._common_tables import CommonTables
from uow.dialects._spread import TAG, Spread, Stack, class_filter, relatives, spread_of
from uow.dialects.base import ResultColumn
from uow.dialects.sql_expressions import unlabelled
from uow.dialects.sql_functions import SqlFunctions
from uow.errors import MappingError, QueryError
from uow.expressions.alias import TableAlias
from uow.expressions.functions import and_
from uow.expressions.nodes import ColumnExpression, Expression, Label, OrderTerm
from uow.expressions.protocols import Selectable
from uow.mapping.mapper import Mapper
from uow.mapping.names import constraint_name
from uow.mapping.shapes import Shape, shape_of
from uow.query.statements import Join, Select, output_names, result_names
from uow.query.tables import CommonTable, Compound, DerivedTable, QueryField, QueryTable, Source
from uow.types import Integer

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["SqlSelect", "numbered_names", "result_columns_of"]

AnyExpression: TypeAlias = Expression[Any]

_INTEGER = Integer()
_NO_NAMES = Select()


class SqlSelect(SqlFunctions):
    """Adds selects."""

    no_limit: str | None = None
    """What stands for "all rows" in LIMIT where OFFSET cannot stand alone; None: it can."""

    _common: CommonTables | None = None
    """The WITH of the outermost select, while that is compiled."""

    def result_columns(self, select: Select) -> tuple[ResultColumn, ...]:
        """Say what a select yields."""
        mapper = select.entity_mapper
        beside = tuple(ResultColumn("beside", column.type) for column in select.beside)
        if mapper is not None:
            shape = shape_of(mapper, select.classes)
            columns = self.dialect.kept(
                mapper, ("result", shape.classes), lambda: _entity_columns(shape)
            )
            return columns + beside
        return result_columns_of(select.columns) + beside

    def subquery(self, select: Select, *, yields_rows_only: bool = False) -> str:
        """Compile a select inside another statement."""
        return self.select(select, yields_rows_only=yields_rows_only)

    def select(
        self,
        select: Select,
        *,
        yields_rows_only: bool = False,
        names: Sequence[str] | None = None,
        into: Sequence[MappedColumn] = (),
    ) -> str:
        """Compile a select, with the WITH of what it reads if it is the outermost one.

        Args:
            select: the tree.
            yields_rows_only: what is selected does not matter.
            names: what its columns are called, where that matters.
            into: the columns of a table that take what is selected.
        """
        common = self._common
        if common is not None:
            return self._select(select, yields_rows_only, names, into)
        common = self._common = CommonTables(self.quote)
        try:
            text = self._select(select, yields_rows_only, names, into)
        finally:
            self._common = None
        return common.clause() + text

    def _select(
        self,
        select: Select,
        yields_rows_only: bool,
        column_names: Sequence[str] | None,
        into: Sequence[MappedColumn],
    ) -> str:
        names, spreads = self.names_of(select)
        is_grouped = bool(select.group_by or select.having)
        with (
            self.scope(names),
            self.spreading(spreads),
            self.opened(select, names),
            self.single_rows(None),
            self.sharing(equal_values=is_grouped or select.is_distinct),
        ):
            distinct = "DISTINCT " if select.is_distinct else ""
            if yields_rows_only and not (is_grouped or select.is_distinct):
                columns = "1"
            else:
                columns = self.select_list(select, column_names, into)
            parts = [f"SELECT {distinct}{columns}"]
            # Which tables of a hierarchy are read is known when all else is written.
            from_ = ""
            if select.froms and not spreads:
                from_ = self.from_clause(select, names)
            where = select.where + self.class_filters(select) if spreads else select.where
            if where:
                parts.append(f"WHERE {self.row_conditions(where, 'a filter')}")
            if select.group_by:
                parts.append(f"GROUP BY {self.group_by(select)}")
            if select.having:
                parts.append(f"HAVING {self.row_conditions(select.having, 'having')}")
            if select.order_by:
                terms = [text for term in select.order_by for text in self.order_term(term, select)]
                parts.append(f"ORDER BY {', '.join(terms)}")
            limit = self.limit(select.limit, select.offset)
            if select.froms and spreads:
                from_ = self.from_clause(select, names)
            if from_:
                parts.insert(1, from_)
            return " ".join(parts) + limit + self.for_update(select)

    def class_filters(self, select: Select) -> tuple[AnyExpression, ...]:
        """Give the conditions that rows in FROM are of their classes."""
        found = [class_filter(s) for s in select.froms if isinstance(s, Mapper | TableAlias)]
        return tuple([condition for condition in found if condition is not None])

    def row_conditions(self, conditions: tuple[AnyExpression, ...], place: str) -> str:
        """Compile conditions on rows, or groups, that windows have not seen yet."""
        with self.single_rows(place):
            return self.conditions(conditions)

    @contextmanager
    def opened(self, select: Select, names: dict[int, str]) -> Generator[None]:
        """Inside the block, columns of set operations go by the names of their first select."""
        before = found = self._open_names
        for source in select.froms:
            if isinstance(source, QueryTable) and source.is_open:
                name = self.quote(names[id(source)])
                found = found | {
                    key: f"{name}.{self.quote(field.name)}"
                    for field in source.fields.values()
                    for key in _identities(field.expression)
                }
        # A class that is read here by itself is meant by its columns.
        self._open_names = {key: text for key, text in found.items() if key[0] not in names}
        try:
            yield
        finally:
            self._open_names = before

    def names_of(self, select: Select) -> tuple[dict[int, str], dict[int, Spread | Stack]]:
        """Give the name of each source of a select, and the tables of those of hierarchies.

        Both are by identity. A class of a hierarchy answers for those above and below it too,
        unless they are read themselves.

        Raises:
            QueryError: two of them go by one name.
        """
        names: dict[int, str] = {}
        taken: set[str] = set()
        for source in (*select.froms, *(join.source for join in select.joins)):
            stands_for: Source | QueryTable | DerivedTable = source
            if isinstance(source, DerivedTable) and source.stands_for is not None:
                stands_for = source.stands_for
            if isinstance(stands_for, DerivedTable):
                name = stands_for.alias or ""
            else:
                name = self.source_name(stands_for)
            if name.lower() in taken:
                raise QueryError(f"two tables of a query are called {name!r}: use aliased()")
            taken.add(name.lower())
            names[id(source)] = names[id(stands_for)] = name
        spreads: dict[int, Spread | Stack] = {}
        for number, source in enumerate((*select.froms, *(join.source for join in select.joins))):
            classes = None if number else select.classes
            name, is_inner = names[id(source)], bool(self._scopes)
            spread = spread_of(source, name, classes, is_inner=is_inner)
            if spread is not None:
                spreads[id(source)] = spread
        for spread in [*spreads.values()]:
            if spread.source is spread.mapper:
                for one in relatives(spread.mapper):
                    if id(one) not in names and not self.is_read_outside(one):
                        names[id(one)] = names[id(spread.source)]
                        spreads[id(one)] = spread
        return names, spreads

    def is_read_outside(self, mapper: Mapper) -> bool:
        """Whether a class stands itself in FROM of a query around this one."""
        spread = self._spreads.get(id(mapper))
        if spread is not None and spread.source is not mapper:
            return False
        return any(id(mapper) in names for names in self._scopes)

    def select_list(
        self, select: Select, names: Sequence[str] | None, into: Sequence[MappedColumn]
    ) -> str:
        """Compile what is selected."""
        mapper = select.entity_mapper
        if mapper is not None and select.entity is not None:
            name = self._scopes[-1][id(select.entity)]
            spread = self._spreads.get(id(select.entity))
            if spread is not None:
                return self.spread_list(select, spread, names, into)
            if names is None and not select.beside and not into:
                return self.dialect.kept(
                    mapper, ("list", name), lambda: ", ".join(self.entity_list(mapper, name))
                )
            texts = self.entity_list(mapper, name)
            own: list[str | None] = [column.name for column in mapper.columns]
        elif into:
            pairs = zip(select.columns, into, strict=True)
            texts = [self.assigned(column, target.type) for column, target in pairs]
            own = [None] * len(texts)
        elif names is not None:
            texts = [self.selected(unlabelled(column), select) for column in select.columns]
            own = [_own_name(column) for column in select.columns]
        else:
            texts = [self.selected(column, select) for column in select.columns]
            own = []
        if names is not None:
            texts = [
                text if name == natural else f"{text} AS {self.quote_label(name)}"
                for text, name, natural in zip(texts, names, own, strict=True)
            ]
        texts += [self.expression(unlabelled(column)) for column in select.beside]
        return ", ".join(texts)

    def spread_list(
        self,
        select: Select,
        spread: Spread | Stack,
        names: Sequence[str] | None,
        into: Sequence[MappedColumn],
    ) -> str:
        """Compile the columns of objects that may be of several classes, or in several tables.

        A query in another one stands for the fields of the class alone.
        """
        mapper = spread.mapper
        shape = shape_of(mapper, select.classes)
        labels: Sequence[str | None] = shape.labels or [None] * len(shape.columns)
        columns = shape.columns
        if names is not None or into:
            columns = mapper.columns
            labels = names or [None] * len(columns)
        texts: list[str] = []
        for column, label in zip(columns, labels, strict=True):
            table, name = spread.column(column) or ("", "")
            text = f"{self.quote(table)}.{self.quote(name)}"
            texts.append(text if label in (None, name) else f"{text} AS {self.label_of(label)}")
        if shape.is_tagged and columns is shape.columns:
            texts.append(f"{self.quote(spread.certain[0])}.{self.quote(TAG)}")
        texts += [self.expression(unlabelled(column)) for column in select.beside]
        return ", ".join(texts)

    def label_of(self, label: str | None) -> str:
        """Quote what a column of a hierarchy is called in a row; long names are cut."""
        longest = self.dialect.capabilities.max_identifier_length
        return self.quote_label(constraint_name(longest, label or ""))

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
        # The conditions of joins name columns too, so tables are written after them.
        joins: list[tuple[str, Join, str]] = []
        for join in select.joins:
            kind = "LEFT JOIN" if join.is_outer else "JOIN"
            with self.single_rows("a join"):
                own = None if isinstance(join.source, QueryTable) else class_filter(join.source)
                on = self.condition(join.on if own is None else and_(join.on, own))
            joins.append((kind, join, on))
        text = "FROM " + ", ".join([self.source(source, names) for source in select.froms])
        for kind, join, on in joins:
            spread = self._spreads.get(id(join.source))
            source = self.source(join.source, names)
            if spread is not None and spread.is_several:
                source = f"({source})"
            text += f" {kind} {source} ON {on}"
        self.refuse_shared_names(select)
        return text

    def refuse_shared_names(self, select: Select) -> None:
        """Refuse tables of hierarchies that go by one name."""
        if not self._spreads:
            return
        taken: set[str] = set()
        for source in (*select.froms, *(join.source for join in select.joins)):
            spread = self._spreads.get(id(source))
            own = {self._scopes[-1][id(source)]} if spread is None else spread.names
            both = taken & own
            if both:
                raise QueryError(
                    f"two tables of a query are called {min(both)!r}, one of them as a part of a "
                    "hierarchy: use aliased()"
                )
            taken |= own

    def source(self, source: Source | QueryTable | DerivedTable, names: dict[int, str]) -> str:
        """Compile a table in FROM."""
        name = names[id(source)]
        if isinstance(source, DerivedTable):
            query = source.query
            inner = query.parts[0] if isinstance(query, Compound) else query
            # Nobody names the columns of what is only counted, but they have to differ.
            own = output_names(query) if source.stands_for else numbered_names(inner)
            return f"({self.derived(query, own)}) AS {self.quote(name)}"
        if isinstance(source, QueryTable):
            own = [field.name for field in source.fields.values()]
            return self.query_source(source.rows, name, own)
        if isinstance(source, TableAlias) and source.rows is not None:
            return self.query_source(source.rows, name, None)
        if self._common is not None and source.schema is None:
            self._common.tables.add(source.table_name.lower())
        spread = self._spreads.get(id(source))
        if spread is not None:
            return spread.text(self)
        table = self.qualified(source)
        if source.alias is None and name == source.table_name:
            return table
        return f"{table} AS {self.quote(name)}"

    def named_table(self, table: Mapper, name: str) -> str:
        """Write a table and the name it goes by."""
        text = self.dialect.table(table)
        return text if name == table.table_name else f"{text} AS {self.quote(name)}"

    def query_source(self, rows: Selectable, name: str, columns: Sequence[str] | None) -> str:
        """Compile a query in FROM whose columns are named from outside; None: as they are."""
        if isinstance(rows, CommonTable):
            table = self.quote(self.common_table(rows))
            return table if name == rows.name else f"{table} AS {self.quote(name)}"
        query = cast("Select | Compound", rows)
        if columns is None:
            columns = output_names(query)
        return f"({self.derived(query, columns)}) AS {self.quote(name)}"

    # -- queries in FROM and WITH

    def recursive_base(self, select: Select, names: Sequence[str]) -> str:
        """Compile what a recursive query begins with."""
        return self.part(select, names)

    def derived(self, query: Select | Compound, names: Sequence[str] | None) -> str:
        """Compile a query that stands in FROM, which does not see the tables beside it."""
        with self.apart():
            return self.rows(query, names)

    def rows(self, query: Select | Compound, names: Sequence[str] | None) -> str:
        """Compile a query with names for its columns."""
        if isinstance(query, Select):
            return self.select(query, names=names)
        parts = [self.part(part, names if n == 0 else None) for n, part in enumerate(query.parts)]
        return f" {query.operator.value} ".join(parts)

    def part(self, select: Select, names: Sequence[str] | None) -> str:
        """Compile one select of a set operation; not every store takes brackets here."""
        text = self.select(select, names=names)
        if not select.order_by and select.limit is None and select.offset is None:
            return text
        return f"SELECT * FROM ({text}) AS {self.quote('uow_part')}"

    def common_table(self, table: CommonTable) -> str:
        """Put a query into WITH, unless it is there; give its name."""
        common = self._common
        if common is None:  # pragma: no cover - a table is read by a select, which has made it
            raise QueryError("a common table is read by a select")
        if not common.begin(table):
            return table.name
        names = output_names(table.query)
        scopes, self._scopes = self._scopes, [{}]
        try:
            with self.apart():
                if table.step is None:
                    text = self.rows(table.query, names)
                else:
                    base = self.recursive_base(table.query, names)
                    with common.step(table):
                        step = self.part(table.step, None)
                    text = f"{base} {table.operator.value} {step}"
        finally:
            self._scopes = scopes
        common.end(table, text)
        return table.name

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

    def window_order(self, term: OrderTerm) -> list[str]:
        """Compile one term of the order of a window, where no name of the select list stands."""
        return self.order_term(term, _NO_NAMES)

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
        if any(isinstance(s, Stack) and len(s.classes) > 1 for s in self._spreads.values()):
            raise QueryError(
                "for_update locks rows of one table: of a concrete hierarchy ask for one class, "
                "with_children(False)"
            )
        if any(not isinstance(source, Mapper) and _is_query(source) for source in select.froms):
            raise QueryError("for_update locks rows of tables: it cannot go with rows of a query")
        can = self.dialect.capabilities
        spreads = self._spreads
        if can.for_update and not can.lock_outer:
            outer = [join.source for join in select.joins if join.is_outer]
            if any(not lock.of or any(one is source for one in lock.of) for source in outer):
                raise QueryError(
                    f"{self.dialect.name} cannot lock rows that an outer join may not find: name"
                    " the tables to lock, for_update(of=...)"
                )
        names = self._scopes[-1]
        of = [
            name
            for source in lock.of
            for spread in [spreads.get(id(source))]
            for name in ([names[id(source)]] if spread is None else spread.certain)
        ]
        is_apart = not can.lock_outer
        if lock.skip_locked and can.lock_outer:
            is_apart = any(len(s.certain) < len(s.names) for s in spreads.values())
            if is_apart and can.skip_locked and not can.lock_of:
                raise QueryError(
                    f"{self.dialect.name} takes a locked row of a class below for none, so that an "
                    "object would be of the class above: with skip_locked ask for one class, "
                    "session.find(...).with_children(False)"
                )
        if not of and spreads and is_apart:
            # Rows of child tables may be missing; those are locked after the row above them.
            for source in (*select.froms, *(join.source for join in select.joins)):
                spread = spreads.get(id(source))
                of += [names[id(source)]] if spread is None else spread.certain
        return self.dialect.lock_clause(
            nowait=lock.nowait,
            skip_locked=lock.skip_locked,
            strength=lock.strength,
            of=of,
        )


def _entity_columns(shape: Shape) -> tuple[ResultColumn, ...]:
    names = shape.labels or tuple([column.attribute for column in shape.columns])
    tag = (ResultColumn(TAG, None),) if shape.is_tagged else ()
    pairs = zip(names, shape.columns, strict=True)
    return (*[ResultColumn(name, column.type) for name, column in pairs], *tag)


def result_columns_of(columns: tuple[AnyExpression, ...]) -> tuple[ResultColumn, ...]:
    """Say what expressions yield in a row."""
    names = result_names(columns)
    return tuple(
        ResultColumn(name, column.type) for name, column in zip(names, columns, strict=True)
    )


def numbered_names(query: Select) -> list[str]:
    """Give the columns of a select names by their position; labels stay, for ORDER BY."""
    mapper = query.entity_mapper
    columns: Sequence[object] = query.columns if mapper is None else mapper.columns
    return [
        column.name if isinstance(column, Label) else f"c{number}"
        for number, column in enumerate(columns, 1)
    ]


def _identities(expression: AnyExpression) -> list[tuple[int, int]]:
    """What `open_name` finds an expression by."""
    if isinstance(expression, ColumnExpression):
        table, column = expression.table, expression.column
        found = [(id(table), id(column))]
        if isinstance(table, QueryTable) and table.is_open and isinstance(column, QueryField):
            found += _identities(column.expression)
        return found
    return [(id(expression), 0), (id(unlabelled(expression)), 0)]


def _is_query(source: TableAlias | QueryTable | DerivedTable) -> bool:
    return not isinstance(source, TableAlias) or source.rows is not None


def _own_name(column: AnyExpression) -> str | None:
    node = unlabelled(column)
    return node.column.name if isinstance(node, ColumnExpression) else None
