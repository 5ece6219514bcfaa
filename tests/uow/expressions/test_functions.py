"""Functions, CASE, EXISTS, lists of conditions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.uow.query.models import Author, Book
from uow.errors import QueryError, ValidationError
from uow.expressions import (
    And,
    Case,
    Exists,
    Function,
    Literal,
    Not,
    Or,
    TruthValue,
    and_,
    case,
    excluded,
    exists,
    func,
    literal,
    not_,
    or_,
)
from uow.query.select import select
from uow.types import Date, DateTime, Float, Integer, Numeric, Text


@pytest.mark.parametrize(
    ("call", "name", "type_"),
    [
        (func.count(), "count", Integer()),
        (func.count(Author.age), "count", Integer()),
        (func.sum(Author.age), "sum", Integer()),
        (func.sum(Book.price), "sum", Numeric()),
        (func.avg(Author.age), "avg", Float()),
        (func.avg(Book.price), "avg", Numeric()),
        (func.min(Author.joined), "min", DateTime()),
        (func.max(Author.age), "max", Integer()),
        (func.lower(Author.name), "lower", Text()),
        (func.upper(Author.name), "upper", Text()),
        (func.trim(Author.name), "trim", Text()),
        (func.length(Author.name), "length", Integer()),
        (func.replace(Author.name, "a", "b"), "replace", Text()),
        (func.substr(Author.name, 1, 2), "substr", Text()),
        (func.abs(Author.age), "abs", Integer()),
        (func.round(Author.rating, 1), "round", Float()),
        (func.ceil(Author.rating), "ceil", Float()),
        (func.floor(Author.rating), "floor", Float()),
        (func.coalesce(Author.age, 0), "coalesce", Integer()),
        (func.nullif(Author.age, 0), "nullif", Integer()),
        (func.greatest(Author.age, Author.id), "greatest", Integer()),
        (func.least(Author.age, 3), "least", Integer()),
        (func.now(), "now", DateTime()),
        (func.current_date(), "current_date", Date()),
        (func.soundex(Author.name), "soundex", None),
        (func.MyFn(1, "x"), "myfn", None),
    ],
)
def test_functions_know_their_type(call: Any, name: str, type_: Any) -> None:
    """A function that is known says what it gives; any other is passed on by its name."""
    assert isinstance(call, Function)
    assert (call.name, call.type) == (name, type_)


def test_count_distinct() -> None:
    """`.distinct()` is of the values counted; counting rows has none."""
    assert func.count(Author.age).distinct().is_distinct
    with pytest.raises(QueryError, match="distinct"):
        func.count().distinct()


@pytest.mark.parametrize("name", ["a b", "a;b", "1a", "a(", "füü", 'a"'])
def test_the_name_of_a_function_is_an_identifier(name: str) -> None:
    """F66: the one name that is no mapped name cannot carry text."""
    with pytest.raises(QueryError, match="name of a function"):
        getattr(func, name)


def test_func_is_no_python_protocol() -> None:
    """Names that Python itself looks up are not functions of the store."""
    assert not hasattr(func, "__len__")
    assert not hasattr(func, "__wrapped__")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: func.sum(Author.name),
        lambda: func.avg(Author.joined),
        lambda: func.lower("x"),  # type: ignore[arg-type]
        lambda: func.coalesce(Author.age, "x"),
        lambda: func.substr(Author.name, "1"),
        lambda: func.thing(object()),
    ],
)
def test_functions_refuse(attempt: Any) -> None:
    """Arguments that cannot be are errors before anything is sent."""
    with pytest.raises((QueryError, ValidationError)):
        attempt()


def test_case() -> None:
    """CASE keeps its order; values are literals of one type."""
    expression: Any = case((Author.age > 60, "old"), (Author.age > 18, "adult"), else_="young")

    assert [value.value for _, value in expression.whens] == ["old", "adult"]
    assert expression.otherwise.value == "young"
    assert expression.type == Text()
    assert isinstance(expression, Case)


def test_case_takes_the_type_of_an_expression() -> None:
    """A literal in CASE is of the type of the column beside it; NULL is of any."""
    expression: Any = case((Author.active, None), (Author.age > 3, Decimal(1)), else_=Book.price)

    assert expression.type == Book.price.type
    assert expression.whens[0][1].value is None
    assert case((Author.active, Author.age)).otherwise is None


def test_case_refuses() -> None:
    """No pair, a bool for a condition, values of two types."""
    with pytest.raises(QueryError, match="at least one"):
        case()
    with pytest.raises(QueryError, match="bool"):
        case((True, 1))  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        case((Author.active, 1), else_="x")


def test_exists() -> None:
    """EXISTS takes any select, and is a condition like others."""
    expression = exists(select(Book.id, Book.title).where(Book.author_id == Author.id))
    combined: Any = ~expression & Author.active

    assert isinstance(expression, Exists)
    assert isinstance(combined.operands[0], Not)


def test_lists_of_conditions() -> None:
    """`and_` of nothing is true, `or_` of nothing is false, one condition is itself."""
    one = Author.age > 1
    both: Any = and_(one, Author.active)
    either: Any = or_(one, Author.active, Author.age < 0)
    all_of_none: Any = and_()
    any_of_none: Any = or_()

    assert isinstance(both, And)
    assert isinstance(either, Or)
    assert len(either.operands) == 3
    assert and_(one) is one
    assert isinstance(all_of_none, TruthValue)
    assert all_of_none.value is True
    assert any_of_none.value is False
    assert isinstance(not_(one), Not)
    with pytest.raises(QueryError, match="bool"):
        and_(one, True)  # type: ignore[arg-type]


def test_literal() -> None:
    """A plain value becomes an expression, of the type it has."""
    assert isinstance(literal("x"), Literal)
    assert literal("x").type == Text()
    with pytest.raises(QueryError):
        literal(object())


def test_excluded() -> None:
    """`excluded` takes a column."""
    assert excluded(Author.age).type == Integer()
    with pytest.raises(QueryError):
        excluded(Author.age + 1)


def test_labels_are_gone_inside_functions() -> None:
    """A label names a column of a result; inside a function only what it names counts."""
    assert func.max(Author.age.label("a")).args == (Author.age,)
