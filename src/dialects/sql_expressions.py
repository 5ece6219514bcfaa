"""Expression trees to text: names, values, logic and comparisons.

One compiler object is made for each statement and walked over its tree once. A bound value leaves a
mark in the text; the marks become placeholders when the text is whole, so parameters always stand
in the order of the text, in whatever order its parts were made.

An operand that is itself an operator stands in brackets always: stores do not agree on precedence
(`||`, `COLLATE`, `NOT`), brackets they all read.

    SqlExpressions   what stands here
    SqlJson          sql_json.py: comparisons with places in JSON documents
    SqlFunctions     sql_functions.py: arithmetic, functions, CASE and CAST
    SqlSelect        sql_select.py: selects, and queries in FROM and WITH
    SqlCompiler      sql_compiler.py: statements; each dialect has one of its own
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from uow.dialects.base import Encoder
from uow.errors import QueryError, ValidationError
from uow.expressions.alias import TableAlias
from uow.expressions.keyset import After, written_out
from uow.expressions.literals import PLAIN_CLASSES
from uow.expressions.nodes import (
    And,
    Between,
    Case,
    Cast,
    ColumnExpression,
    Compare,
    Excluded,
    Exists,
    Expression,
    Function,
    In,
    InSubquery,
    IsNull,
    Label,
    Like,
    Literal,
    Not,
    Or,
    RowValue,
    ScalarSubquery,
    TruthValue,
)
from uow.mapping.mapper import MappedColumn
from uow.query.statements import Select
from uow.query.tables import CommonTable, QueryTable
from uow.types import (
    Boolean,
    ColumnType,
    Float,
    Integer,
    Text,
)

if TYPE_CHECKING:
    from uow.dialects._spread import Spread, Stack
    from uow.dialects.sql import SqlDialect

__all__ = ["SqlExpressions"]

AnyExpression: TypeAlias = Expression[Any]

_MARK = re.compile("\0([0-9]+)\0")

INT32: Final = Integer(32)
BOOLEAN: Final = Boolean()
FLOAT: Final = Float()
INTEGER: Final = Integer()
TEXT: Final = Text()

_ATOMS = (
    ColumnExpression,
    Literal,
    Function,
    Cast,
    Case,
    ScalarSubquery,
    Excluded,
    RowValue,
    TruthValue,
    Exists,
)
"""What needs no brackets as an operand: a name, a value, a call, or what has brackets itself."""


class SqlExpressions(ABC):
    """Compiles expressions; `SqlCompiler` adds the statements."""

    def __init__(self, dialect: SqlDialect) -> None:
        self.dialect = dialect
        self.quote = dialect.quote
        self.parameters: list[object] = []
        self._scopes: list[dict[int, str]] = []
        # Of the classes of hierarchies that are read here the tables that are needed, by source.
        self._spreads: dict[int, Spread | Stack] = {}
        # What expressions of the queries inside are called outside, by their identity.
        self._open_names: dict[tuple[int, int], str] = {}
        # With the node, so that it lives as long as its number and no other takes its `id`.
        self._once: dict[tuple[int, str], tuple[object, str]] = {}
        self._alias_count = 0
        # Inside a select that groups, equal values are one parameter.
        self._shared: dict[object, str] | None = None
        self.row_place: str | None = None
        self._methods = _method_names(type(self), self.methods)

    def methods(self) -> dict[type, Callable[[Any], str]]:
        """Say which method compiles which class of node."""
        return {
            ColumnExpression: self.column,
            Literal: self.literal,
            Compare: self.compare,
            IsNull: self.is_null,
            In: self.in_,
            InSubquery: self.in_subquery,
            Exists: self.exists,
            Between: self.between,
            Like: self.like,
            And: self.and_,
            Or: self.or_,
            Not: self.not_,
            TruthValue: self.truth_value,
            ScalarSubquery: self.scalar_subquery,
            Excluded: self.excluded,
            RowValue: self.row_value,
            Label: self.label,
            After: self.after,
        }

    # -- walking

    def expression(self, node: AnyExpression) -> str:
        """Compile any expression."""
        if self._open_names:
            found = self.open_name(node)
            if found is not None:
                return found
        name = self._methods.get(type(node))
        if name is None:
            raise QueryError(f"{type(node).__name__} cannot stand in a statement")
        text: str = getattr(self, name)(node)
        return text

    def operand(self, node: AnyExpression) -> str:
        """Compile what stands beside an operator, in brackets if it is an operator itself."""
        if isinstance(node, Label):
            node = node.operand
        text = self.expression(node)
        return text if self.is_atom(node) else f"({text})"

    def is_atom(self, node: AnyExpression) -> bool:
        """Say whether the text of an operand needs no brackets."""
        return isinstance(node, _ATOMS)

    def list_of(self, nodes: tuple[AnyExpression, ...]) -> str:
        """Compile expressions with commas between."""
        return ", ".join([self.expression(node) for node in nodes])

    # -- values

    def bind(self, value: object, type_: ColumnType | None) -> str:
        """Bind a Python value. A NULL of no known type is a keyword: no store could guess one."""
        if value is None and type_ is None:
            return "NULL"
        return self.bind_encoded(self.encode(value, type_), type_)

    def bind_encoded(self, value: object, type_: ColumnType | None) -> str:
        """Bind a value as the store takes it."""
        return self.dialect.typed(self.mark(value), type_)

    def mark(self, value: object) -> str:
        """Bind a value, as the store takes it, without saying its type in the text.

        No text holds a NUL character otherwise: names and raw SQL are checked for it.
        """
        self.parameters.append(value)
        return f"\0{len(self.parameters) - 1}\0"

    def placed(self, text: str) -> tuple[str, tuple[object, ...]]:
        """Turn marks into placeholders; give the text and its parameters, in order."""
        parameters: list[object] = []
        numbers: dict[int, int] = {}

        def place(match: re.Match[str]) -> str:
            index = int(match[1])
            if not self.dialect.numbered or index not in numbers:
                parameters.append(self.parameters[index])
                numbers[index] = len(parameters)
            return self.dialect.placeholder(numbers[index])

        return _MARK.sub(place, text), tuple(parameters)

    def bind_once(
        self, node: object, value: object, type_: ColumnType | None, use: str = ""
    ) -> str:
        """Bind a value that belongs to a node; met again, it is the same parameter.

        GROUP BY must repeat an expression of the select list to the letter.
        """
        key = (id(node), use)
        found = self._once.get(key)
        if found is None:
            found = self._once[key] = (node, self._bind_shared(value, type_))
        return found[1]

    def _bind_shared(self, value: object, type_: ColumnType | None) -> str:
        if self._shared is None or type(value) not in PLAIN_CLASSES:
            return self.bind(value, type_)
        # Not the value itself: 1 is True, 0.0 is -0.0, and 1.5 is 1.50.
        key = (type_, type(value), repr(value))
        found = self._shared.get(key)
        if found is None:
            found = self._shared[key] = self.bind(value, type_)
        return found

    @contextmanager
    def sharing(self, *, equal_values: bool) -> Generator[None]:
        """Inside the block, bind equal values once, where the store tells parameters by number.

        An expression that is written twice, in the select list and in GROUP BY, is then the same
        text, and so the same expression to the store.
        """
        before = self._shared
        self._shared = {} if equal_values and self.dialect.numbered else None
        try:
            yield
        finally:
            self._shared = before

    @contextmanager
    def single_rows(self, place: str | None) -> Generator[None]:
        """Inside the block rows are looked at one by one, before there are windows over them.

        Args:
            place: what to call it in a message; None where windows may stand.
        """
        before, self.row_place = self.row_place, place
        try:
            yield
        finally:
            self.row_place = before

    def encode(self, value: object, type_: ColumnType | None) -> object:
        """Turn a Python value into the store's.

        Raises:
            ValidationError: the store cannot hold it.
        """
        encoder: Encoder | None = None if type_ is None else self.dialect.encoder(type_)
        if encoder is None or value is None:
            return value
        try:
            return encoder(value)
        except (ValueError, TypeError) as error:
            raise ValidationError(f"a value in the query: {error}") from error

    def literal(self, node: Literal[Any]) -> str:
        """Compile a value: always bound."""
        return self.bind_once(node, node.value, node.type)

    # -- names

    @contextmanager
    def scope(self, names: dict[int, str]) -> Generator[None]:
        """Let columns of these sources be named inside the block."""
        self._scopes.append(names)
        try:
            yield
        finally:
            self._scopes.pop()

    @contextmanager
    def spreading(self, spreads: dict[int, Spread | Stack]) -> Generator[None]:
        """Inside the block, find columns of these sources in their tables."""
        before = self._spreads
        self._spreads = {**before, **spreads} if spreads else before
        try:
            yield
        finally:
            self._spreads = before

    @contextmanager
    def apart(self) -> Generator[None]:
        """Inside the block, forget the innermost names: a query in FROM does not see them."""
        scopes, names = self._scopes, self._open_names
        shared, place = self._shared, self.row_place
        self._scopes, self._open_names = scopes[:-1], {}
        self._shared = self.row_place = None
        try:
            yield
        finally:
            self._scopes, self._open_names = scopes, names
            self._shared, self.row_place = shared, place

    def open_name(self, node: AnyExpression) -> str | None:
        """Give what an expression of a set operation's first select is called outside."""
        if isinstance(node, ColumnExpression):
            return self._open_names.get((id(node.table), id(node.column)))
        return self._open_names.get((id(node), 0))

    def source_name(self, source: Any) -> str:
        """Give the name a source goes by, making one for an alias that has none."""
        alias = source.alias
        if alias is None and (isinstance(source, TableAlias) or is_unnamed(source)):
            self._alias_count += 1
            alias = f"{source.table_name}_{self._alias_count}"
        return alias if alias is not None else str(source.table_name)

    def column(self, node: ColumnExpression[Any]) -> str:
        """Compile a column, qualified always."""
        column: Any = node.column
        if self._spreads and type(column) is MappedColumn:
            found = self.spread_column(node, column)
            if found is not None:
                return found
        return f"{self.quote(self.table_name(node))}.{self.quote(column.name)}"

    def spread_column(self, node: ColumnExpression[Any], column: MappedColumn) -> str | None:
        """Compile a column of a class that is read from several tables, perhaps."""
        spread = self._spreads.get(id(node.table))
        if spread is None:
            return None
        self.table_name(node)  # which refuses what is hidden
        found = spread.column(column)
        if found is None:
            raise QueryError(f"{node.display_name} is no column of {spread.mapper.name}")
        table, name = found
        return f"{self.quote(table)}.{self.quote(name)}"

    def table_name(self, node: ColumnExpression[Any]) -> str:
        """Find by what name the table of a column goes here.

        Raises:
            QueryError: the table is not part of the statement.
        """
        source = id(node.table)
        hidden: set[str] = set()
        for names in reversed(self._scopes):
            name = names.get(source)
            if name is None:
                hidden.update(names.values())
                continue
            if name in hidden:
                raise QueryError(
                    f"{node.display_name}: a table of the inner query is called {name!r} too; "
                    "give one of them another alias"
                )
            return name
        class_name = node.display_name.partition(".")[0]
        raise QueryError(f"{node.display_name}: {class_name} is not part of this query; join it")

    def after(self, node: After) -> str:
        """Compile whether a row comes after a place in an order."""
        can = self.dialect.capabilities
        condition = written_out(
            node, nulls_are_greatest=can.nulls_are_greatest, row_values=can.row_value_ranges
        )
        return f"({self.condition(condition)})"

    def excluded(self, node: Excluded[Any]) -> str:
        """Compile the value that was to be inserted."""
        return f"excluded.{self.quote(node.column.name)}"

    def label(self, node: Label[Any]) -> str:
        """Compile what is labelled; the select list and ORDER BY see to the name."""
        return self.expression(node.operand)

    def row_value(self, node: RowValue) -> str:
        """Compile `(a, b)`."""
        return f"({self.list_of(node.items)})"

    # -- logic

    def and_(self, node: And) -> str:
        """Compile AND."""
        return " AND ".join([self.condition_operand(operand) for operand in node.operands])

    def or_(self, node: Or) -> str:
        """Compile OR."""
        return " OR ".join([self.condition_operand(operand) for operand in node.operands])

    def not_(self, node: Not) -> str:
        """Compile NOT."""
        return f"NOT ({self.condition(node.operand)})"

    def condition_operand(self, node: AnyExpression) -> str:
        """Compile an operand of AND or OR; comparisons bind tighter everywhere."""
        text = self.condition(node)
        return f"({text})" if isinstance(node, And | Or) else text

    def condition(self, node: AnyExpression) -> str:
        """Compile what is asked whether it holds."""
        return self.expression(node)

    def conditions(self, nodes: tuple[AnyExpression, ...]) -> str:
        """Compile conditions that must all hold."""
        if len(nodes) == 1:
            return self.condition(nodes[0])
        return " AND ".join([self.condition_operand(node) for node in nodes])

    def truth_value(self, node: TruthValue) -> str:
        """Compile TRUE or FALSE."""
        return "TRUE" if node.value else "FALSE"

    # -- comparisons

    def compare(self, node: Compare) -> str:
        """Compile a comparison."""
        left, right = self.comparable(node.left, node.right)
        return f"{left} {node.op} {right}"

    def comparable(self, left: AnyExpression, *others: AnyExpression) -> list[str]:
        """Compile operands that are compared with each other."""
        return [self.operand(node) for node in (left, *others)]

    def sortable(self, node: AnyExpression) -> str:
        """Compile what is ordered, grouped or told apart by."""
        return self.expression(node)

    def is_null(self, node: IsNull) -> str:
        """Compile IS NULL."""
        return f"{self.nullable(node.operand)} IS {_not(node.is_negated)}NULL"

    def nullable(self, node: AnyExpression) -> str:
        """Compile what is asked whether it is NULL."""
        return self.operand(node)

    def between(self, node: Between) -> str:
        """Compile BETWEEN."""
        operand, low, high = self.comparable(node.operand, node.low, node.high)
        return f"{operand} BETWEEN {low} AND {high}"

    def in_(self, node: In) -> str:
        """Compile IN over values."""
        if not node.expressions:
            return self.in_values(node.operand, node.values, node.value_type, node.is_negated)
        operand = self.comparable(node.operand)[0]
        members = [self.bind(value, node.value_type) for value in node.values]
        members += [self.member(node.operand, member) for member in node.expressions]
        return f"{operand} {_not(node.is_negated)}IN ({', '.join(members)})"

    def member(self, operand: AnyExpression, member: AnyExpression) -> str:  # noqa: ARG002
        """Compile a member of a list, to be compared with the operand."""
        return self.expression(member)

    @abstractmethod
    def in_values(
        self,
        operand: AnyExpression,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,
    ) -> str:
        """Compile IN over a list of values, whatever its length."""

    def in_placeholders(
        self,
        operand: str,
        values: tuple[object, ...],
        value_type: ColumnType | None,
        is_negated: bool,
    ) -> str:
        """Write IN with one placeholder a value."""
        members = ", ".join([self.bind(value, value_type) for value in values])
        return f"{operand} {_not(is_negated)}IN ({members})"

    def in_subquery(self, node: InSubquery) -> str:
        """Compile IN over a select."""
        operand = self.comparable(node.operand)[0]
        select = self.subquery(cast("Select", node.select))
        return f"{operand} {_not(node.is_negated)}IN ({select})"

    def exists(self, node: Exists) -> str:
        """Compile EXISTS."""
        return f"EXISTS ({self.subquery(cast('Select', node.select), yields_rows_only=True)})"

    def scalar_subquery(self, node: ScalarSubquery[Any]) -> str:
        """Compile the one value of a select."""
        return f"({self.subquery(cast('Select', node.select))})"

    @abstractmethod
    def subquery(self, select: Select, *, yields_rows_only: bool = False) -> str:
        """Compile a select inside another statement."""

    @abstractmethod
    def like(self, node: Like) -> str:
        """Compile LIKE and ILIKE."""


_names_of_methods: dict[type, dict[type, str]] = {}


def _method_names(
    compiler: type, methods: Callable[[], dict[type, Callable[[Any], str]]]
) -> dict[type, str]:
    # A compiler is made for each statement, its table of methods once for its class.
    names = _names_of_methods.get(compiler)
    if names is None:
        names = {node: method.__name__ for node, method in methods().items()}
        _names_of_methods[compiler] = names
    return names


def unlabelled(node: AnyExpression) -> AnyExpression:
    """Take a label off."""
    return node.operand if isinstance(node, Label) else node


def is_unnamed(source: object) -> bool:
    """Whether it is a query in FROM that nobody gave a name."""
    return (
        isinstance(source, QueryTable)
        and source.alias is None
        and not isinstance(source.rows, CommonTable)
    )


def _not(is_negated: bool) -> str:
    return "NOT " if is_negated else ""
