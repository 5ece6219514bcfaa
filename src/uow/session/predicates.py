"""What SQL says of a row, where it is simple enough to be read here.

The rows of a partial index, and the values that a check allows, are given as SQL. Comparisons of
columns with literals, joined by AND, OR and NOT, are evaluated as the store does, with NULL as a
third truth. All other SQL is not read, and who asks has to do without an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from uow.types import Boolean, Float, Integer, Numeric, Text

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["Predicate", "Unreadable", "mentions", "read_predicate"]

Reader: TypeAlias = Callable[["MappedColumn"], Any]
"""Gives the value of a column of one row; what is not known raises `Unreadable`."""

Truth: TypeAlias = Callable[[Reader], "bool | None"]
Value: TypeAlias = Callable[[Reader], Any]


class Unreadable(Exception):  # noqa: N818 - no failure: SQL may say anything
    """The SQL says something that is not read here, or a value is not known."""


class Predicate:
    """A condition on one row.

    Attributes:
        columns: the columns it looks at.
    """

    __slots__ = ("_truth", "columns")

    def __init__(self, truth: Truth, columns: frozenset[MappedColumn]) -> None:
        self._truth = truth
        self.columns = columns

    def holds(self, read: Reader) -> bool | None:
        """Whether it is true of a row; None stands for SQL's unknown.

        Raises:
            Unreadable: a value is not known, or is of a kind that cannot be compared here.
        """
        try:
            return self._truth(read)
        except TypeError as error:
            raise Unreadable from error


def read_predicate(sql: str, mapper: Mapper) -> Predicate | None:
    """Read a condition; None if it says more than is read here."""
    try:
        parser = _Parser(sql, mapper)
        return Predicate(parser.read(), frozenset(parser.columns))
    except Unreadable:
        return None


def mentions(sql: str, mapper: Mapper) -> frozenset[MappedColumn]:
    """The columns whose names stand in a piece of SQL, whatever it does with them."""
    words = {word.casefold() for word in re.findall(r"[^\W\d]\w*", sql)}
    return frozenset(c for c in mapper.columns if c.name.casefold() in words)


_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"[^"]+"|`[^`]+`|\[[^\]]+\])
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<word>[^\W\d]\w*)
    | (?P<sign><=|>=|<>|!=|==|::|[=<>(),.])
    )""",
    re.VERBOSE,
)

_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": eq,
    "==": eq,
    "<>": ne,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}

_RESERVED: Final = frozenset({"AND", "OR", "NOT", "IS", "IN", "BETWEEN", "NULL", "TRUE", "FALSE"})


class _Parser:
    """Reads one condition by recursive descent: OR, AND, NOT, then a comparison."""

    def __init__(self, sql: str, mapper: Mapper) -> None:
        self._mapper = mapper
        self._tokens = list(_tokens(sql))
        self._at = 0
        self.columns: set[MappedColumn] = set()

    def read(self) -> Truth:
        found = self._either()
        if self._at < len(self._tokens):
            raise Unreadable
        return found

    # -- tokens

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _word(self) -> str:
        """The next token as a keyword; nothing if it is none."""
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        return text.upper() if kind == "word" else ""

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise Unreadable
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, *words: str) -> bool:
        """Take these keywords if they are next, all of them."""
        start = self._at
        for word in words:
            if self._word() != word:
                self._at = start
                return False
            self._at += 1
        return True

    def _takes_sign(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign):
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._takes_sign(sign):
            raise Unreadable

    # -- conditions

    def _either(self) -> Truth:
        parts = [self._both()]
        while self._takes("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda read: _any([part(read) for part in parts])

    def _both(self) -> Truth:
        parts = [self._negated()]
        while self._takes("AND"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else lambda read: _all([part(read) for part in parts])

    def _negated(self) -> Truth:
        if self._takes("NOT"):
            part = self._negated()
            return lambda read: _not(part(read))
        start, columns = self._at, set(self.columns)
        if self._takes_sign("("):
            try:
                found = self._either()
                self._expect(")")
            except Unreadable:
                self._at, self.columns = start, columns  # a value in brackets, it may be
            else:
                if self._peek().upper() in {"", ")", "AND", "OR"}:
                    return found
                self._at, self.columns = start, columns
        return self._compared()

    def _compared(self) -> Truth:
        left, column = self._value()
        sign = self._peek()
        if sign in _COMPARISONS and self._tokens[self._at][0] == "sign":
            self._at += 1
            right, other = self._value()
            _refuse_uncomparable(column, other)
            compare = _COMPARISONS[sign]
            return lambda read: _with(compare, left(read), right(read))
        if self._takes("IS"):
            return self._is(left)
        is_not = self._takes("NOT")
        if self._takes("IN"):
            found = self._listed(left, column)
        elif self._takes("BETWEEN"):
            found = self._between(left, column)
        elif is_not or column is None or not isinstance(column.type, Boolean):
            raise Unreadable
        else:
            return lambda read: None if left(read) is None else bool(left(read))
        return (lambda read: _not(found(read))) if is_not else found

    def _is(self, left: Value) -> Truth:
        is_not = self._takes("NOT")
        for word, wanted in (("NULL", None), ("TRUE", True), ("FALSE", False)):
            if self._takes(word):
                if wanted is None:
                    return lambda read: (left(read) is None) is not is_not
                return lambda read: (left(read) is wanted) is not is_not
        raise Unreadable

    def _listed(self, left: Value, column: MappedColumn | None) -> Truth:
        self._expect("(")
        values: list[Value] = []
        while True:
            value, other = self._value()
            _refuse_uncomparable(column, other)
            values.append(value)
            if not self._takes_sign(","):
                break
        self._expect(")")
        return lambda read: _any([_with(eq, left(read), value(read)) for value in values])

    def _between(self, left: Value, column: MappedColumn | None) -> Truth:
        low, one = self._value()
        if not self._takes("AND"):
            raise Unreadable
        high, two = self._value()
        _refuse_uncomparable(column, one)
        _refuse_uncomparable(column, two)
        return lambda read: _all(
            [_with(ge, left(read), low(read)), _with(le, left(read), high(read))]
        )

    # -- values

    def _value(self) -> tuple[Value, MappedColumn | None]:
        if self._takes_sign("("):
            found = self._value()
            self._expect(")")
        else:
            found = self._plain()
        while self._takes_sign("::"):
            if found[1] is not None or self._next()[1].casefold() not in {"text", "varchar"}:
                raise Unreadable
        return found

    def _plain(self) -> tuple[Value, MappedColumn | None]:
        kind, text = self._next()
        if kind == "text":
            value: Any = text[1:-1].replace("''", "'")
            return (lambda _: value), None
        if kind == "number":
            number = _number(text)
            return (lambda _: number), None
        if kind == "word" and text.upper() in _RESERVED:
            constants = {"NULL": None, "TRUE": True, "FALSE": False}
            if text.upper() not in constants:
                raise Unreadable
            constant = constants[text.upper()]
            return (lambda _: constant), None
        if kind not in {"word", "quoted"} or self._peek() == "(":
            raise Unreadable
        if self._takes_sign("."):
            kind, text = self._next()
        column = self._column(kind, text)
        self.columns.add(column)
        return (lambda read: read(column)), column

    def _column(self, kind: str, text: str) -> MappedColumn:
        if kind == "quoted":
            found = self._mapper.by_name.get(text[1:-1])
        else:
            wanted = text.casefold()
            columns = self._mapper.columns
            found = next((c for c in columns if c.name.casefold() == wanted), None)
        if found is None:
            raise Unreadable
        return found


def _tokens(sql: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    sql = sql.rstrip()
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            raise Unreadable
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _number(text: str) -> Decimal | int:
    try:
        return Decimal(text) if "." in text else int(text)
    except InvalidOperation:
        raise Unreadable from None


def _refuse_uncomparable(*columns: MappedColumn | None) -> None:
    """Values of some types are kept in another form than Python's, or compare by a collation."""
    for column in columns:
        if column is None:
            continue
        type_ = column.type
        if isinstance(type_, Text) and type_.collation is None:
            continue
        if not isinstance(type_, Boolean | Float | Integer | Numeric):
            raise Unreadable


def _with(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(left, str) is not isinstance(right, str):
        raise Unreadable
    return bool(compare(left, right))


def _all(parts: list[bool | None]) -> bool | None:
    return False if False in parts else None if None in parts else True


def _any(parts: list[bool | None]) -> bool | None:
    return True if True in parts else None if None in parts else False


def _not(part: bool | None) -> bool | None:
    return None if part is None else not part
