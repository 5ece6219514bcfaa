"""What operators on columns make, and what they refuse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.uow.query.models import Author, Book, Genre
from uow.errors import QueryError, ValidationError
from uow.expressions import (
    And,
    Arithmetic,
    Between,
    Cast,
    ColumnExpression,
    Compare,
    Contains,
    Expression,
    Function,
    In,
    InSubquery,
    IsNull,
    JsonPath,
    Like,
    Literal,
    Negative,
    Not,
    Or,
    OrderTerm,
    ScalarSubquery,
    TruthValue,
)
from uow.query.select import select
from uow.types import (
    Array,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    Json,
    Numeric,
    Text,
)


def value_of(expression: Any) -> Any:
    """The value of the literal on the right of a comparison."""
    assert isinstance(expression.right, Literal)
    return expression.right.value


# Truth (trap 1)


def test_and_or_not_of_python_are_refused() -> None:
    """Trap 1: `a and b`, `or`, `not`, a chained comparison and `in` never drop a condition."""
    first: Any = Author.age > 1
    second: Any = Author.name == "x"

    with pytest.raises(QueryError, match="truth value"):
        _ = first and second
    with pytest.raises(QueryError, match="truth value"):
        _ = first or second
    with pytest.raises(QueryError, match="truth value"):
        _ = not first
    with pytest.raises(QueryError, match="between"):
        1 < Author.age < 5  # noqa: B015 - the operator is what is tested
    with pytest.raises(QueryError, match="contains"):
        "x" in Author.name  # noqa: B015
    with pytest.raises(QueryError, match="truth value"):
        if Author.active:
            pytest.fail("a column has no truth value either")


def test_an_expression_cannot_be_iterated() -> None:
    """`[...]` makes a path into JSON; a loop over a column ends at once instead of never."""
    with pytest.raises(TypeError, match="not iterable"):
        list(Book.tags)  # type: ignore[call-overload]


def test_a_list_of_conditions_is_not_searched_by_equality() -> None:
    """`x in [conditions]` compares with ==, which has no truth value."""
    with pytest.raises(QueryError):
        (Author.age > 1) in [Author.age > 2]  # noqa: B015, FURB171 - a list is what is tested


# Comparisons


@pytest.mark.parametrize(
    ("expression", "op"),
    [
        (Author.age == 3, "="),
        (Author.age != 3, "<>"),
        (Author.age < 3, "<"),
        (Author.age <= 3, "<="),
        (Author.age > 3, ">"),
        (Author.age >= 3, ">="),
    ],
)
def test_comparison(expression: Any, op: str) -> None:
    """Every comparison keeps the column on its left and binds the value with the column's type."""
    assert isinstance(expression, Compare)
    assert expression.op == op
    assert expression.left is Author.age
    assert isinstance(expression.right, Literal)
    assert (expression.right.value, expression.right.type) == (3, Integer())


def test_reflected_comparison() -> None:
    """`3 < Author.age` is `Author.age > 3`."""
    expression: Any = 3 < Author.age  # noqa: SIM300

    assert expression.op == ">"
    assert expression.left is Author.age


def test_comparison_of_columns() -> None:
    """A column beside a column is no value."""
    expression: Any = Book.author_id == Author.id

    assert expression.left is Book.author_id
    assert expression.right is Author.id


def test_comparison_with_none() -> None:
    """Trap 2: `== None` is IS NULL, `!= None` IS NOT NULL; an order against None is refused."""
    is_null: Any = Author.age == None  # noqa: E711
    is_not_null: Any = Author.age != None  # noqa: E711

    assert isinstance(is_null, IsNull)
    assert not is_null.is_negated
    assert isinstance(is_not_null, IsNull)
    assert is_not_null.is_negated
    assert isinstance(Author.age.is_null(), IsNull)
    assert isinstance(Author.age.is_not_null(), IsNull)
    with pytest.raises(QueryError, match=r"Author\.age .*None"):
        Author.age > None  # noqa: B015
    with pytest.raises(QueryError, match="None"):
        Author.age.between(None, 3)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Author.age, "x"),
        (Author.age, True),
        (Author.age, Decimal("1.5")),
        (Author.age, 2**63),
        (Author.name, 3),
        (Author.name, b"x"),
        (Author.name, "nul\0"),
        (Author.name, "\ud800"),
        (Author.active, 1),
        (Author.joined, date(2024, 1, 1)),
        (Author.joined, datetime(2024, 1, 1)),  # noqa: DTZ001 - naive on purpose
        (Book.id, "0189"),
        (Book.price, 1.5),
        (Book.price, Decimal("NaN")),
        (Book.genre, "fiction"),
        (Book.out, datetime(2024, 1, 1, tzinfo=UTC)),
        (Book.tags, [float("nan")]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(column: Any, value: Any) -> None:
    """A value that cannot be compared with the column is an error that names it, not the value."""
    with pytest.raises(ValidationError, match=f"{column.display_name}: ") as caught:
        column == value  # noqa: B015

    assert "0189" not in str(caught.value)


def test_a_value_of_no_type_is_refused() -> None:
    """An object that no column could hold is refused, also where no type is known."""
    with pytest.raises(QueryError, match="object"):
        Book.dims["x"] == object()  # noqa: B015
    with pytest.raises(ValidationError, match=r"Author\.age"):
        Author.age == Author  # noqa: B015


def test_a_value_may_be_larger_than_the_column() -> None:
    """A text longer than the column, more digits or more bits match nothing; that is no error."""
    longer = Author.email == "x" * 100
    finer = Book.price > Decimal("1.23456")

    assert value_of(longer) == "x" * 100
    assert finer.right.type == Numeric()  # type: ignore[attr-defined]


def test_a_float_beside_a_whole_number() -> None:
    """`age > 1.5` is a question one may ask."""
    expression: Any = Author.age > 1.5

    assert expression.right.type == Float()


def test_values_keep_their_column_type() -> None:
    """A value is encoded as its column is."""
    key = UUID(int=1)
    by_id: Any = Book.id == key
    by_genre: Any = Book.genre == Genre.OTHER
    by_rating: Any = Author.rating == 3
    by_time: Any = Author.joined == datetime(2024, 1, 1, tzinfo=UTC)

    assert (by_id.right.value, by_id.right.type) == (key, Book.id.type)
    assert by_genre.right.type == EnumType(Genre)
    assert (by_rating.right.value, by_rating.right.type) == (3.0, Float())
    assert by_time.right.type == DateTime()


def test_comparison_with_a_subquery() -> None:
    """A query with one column stands for its value."""
    expression: Any = Author.age == select(Author.age).limit(1)

    assert isinstance(expression.right, ScalarSubquery)
    assert expression.right.type == Integer()


# Membership


def test_in_list() -> None:
    """`in_` binds each value; any iterable will do."""
    expression: Any = Author.age.in_(number for number in (1, 2))

    assert isinstance(expression, In)
    assert expression.values == (1, 2)
    assert expression.value_type == Integer()
    assert not expression.is_negated
    assert Author.age.not_in([1]).is_negated  # type: ignore[attr-defined]


def test_in_nothing() -> None:
    """Trap 2: `in_([])` is false and `not_in([])` is true, never `IN ()`."""
    nothing: Any = Author.age.in_([])
    anything: Any = Author.age.not_in([])

    assert isinstance(nothing, TruthValue)
    assert nothing.value is False
    assert anything.value is True


def test_none_in_a_list() -> None:
    """None in the list asks for NULL too, and `not_in` with None is not false for every row."""
    found: Any = Author.age.in_([1, None])
    excluded: Any = Author.age.not_in([1, None])

    assert isinstance(found, Or)
    assert isinstance(found.operands[1], IsNull)
    assert excluded.operands[1].is_negated
    assert isinstance(excluded, And)
    assert isinstance(Author.age.in_([None]), IsNull)


def test_in_mixed_values() -> None:
    """Whole numbers among floats are floats; expressions stand beside values."""
    floats: Any = Author.age.in_([1, 1.5])
    mixed: Any = Author.age.in_([1, Author.id])
    from_json: Any = Book.dims["x"].in_([1, "a"])

    assert floats.values == (1.0, 1.5)
    assert floats.value_type == Float()
    assert mixed.values == (1,)
    assert mixed.expressions == (Author.id,)
    assert from_json.values == ()
    assert [member.type for member in from_json.expressions] == [Integer(), Text()]


def test_in_a_query() -> None:
    """A query with one column may stand for the list; one with two may not."""
    expression: Any = Author.id.in_(select(Book.author_id))

    assert isinstance(expression, InSubquery)
    with pytest.raises(QueryError, match="one column"):
        Author.id.in_(select(Book.author_id, Book.title))


@pytest.mark.parametrize("values", ["abc", b"abc", 3, None])
def test_in_refuses_what_is_no_list(values: Any) -> None:
    """A text is not taken for a list of its characters."""
    with pytest.raises(QueryError, match="in_ takes"):
        Author.name.in_(values)


def test_in_checks_each_value() -> None:
    """One wrong value in a list is an error."""
    with pytest.raises(ValidationError, match=r"Author\.age"):
        Author.age.in_([1, "2"])


def test_between() -> None:
    """`between` binds both ends."""
    expression: Any = Author.age.between(1, 2)

    assert (expression.low.value, expression.high.value) == (1, 2)
    assert isinstance(expression, Between)


# Text (trap 2, F69)


@pytest.mark.parametrize(
    ("expression", "pattern"),
    [
        (Author.name.startswith("50%_!\\["), "50!%!_!!\\[%"),
        (Author.name.endswith("50%_!\\["), "%50!%!_!!\\["),
        (Author.name.contains("50%_!\\["), "%50!%!_!!\\[%"),
        (Author.name.startswith("tail\\"), "tail\\%"),
        (Author.name.like("a%_b"), "a%_b"),
        (Author.name.like("wow!%"), "wow!!%"),
        (Author.name.like("100\\%%", escape="\\"), "100!%%"),
        (Author.name.like("a\\\\b\\!", escape="\\"), "a\\b!!"),
        (Author.name.like("a##!", escape="#"), "a#!!"),
    ],
)
def test_patterns_are_escaped(expression: Any, pattern: str) -> None:
    """F69: `%`, `_`, the escape itself, backslash and bracket mean themselves on every store."""
    assert isinstance(expression, Like)
    assert isinstance(expression.pattern, Literal)
    assert expression.pattern.value == pattern


def test_like_and_case() -> None:
    """Case counts for `like`, and does not for `ilike`."""
    assert not Author.name.like("x").is_insensitive  # type: ignore[attr-defined]
    assert Author.name.ilike("x").is_insensitive  # type: ignore[attr-defined]


def test_a_part_from_another_column_is_escaped_by_the_store() -> None:
    """What another column holds is matched as it is, too."""
    expression: Any = Author.name.contains(Author.email)
    replaced = expression.pattern.left.right

    assert isinstance(expression.pattern, Arithmetic)
    assert expression.pattern.op == "||"
    assert isinstance(replaced, Function)
    assert replaced.name == "replace"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: Author.name.like("x\\", escape="\\"),
        lambda: Author.name.like("x", escape=""),
        lambda: Author.name.like("x", escape="##"),
        lambda: Author.name.like(Author.email, escape="#"),
        lambda: Author.name.like(None),
        lambda: Author.name.contains(None),
        lambda: Author.age.like("1%"),
        lambda: Author.age.contains("1"),
        lambda: Author.joined.startswith("2024"),
    ],
)
def test_text_operators_refuse(attempt: Any) -> None:
    """A bad escape, None, and what is no text are errors."""
    with pytest.raises(QueryError):
        attempt()


@pytest.mark.parametrize("part", [3, b"x", "nul\0", "\ud800"])
def test_a_part_must_be_text(part: Any) -> None:
    """A part of a text is a text that a store can hold."""
    with pytest.raises(ValidationError):
        Author.name.contains(part)


# Logic


def test_and_or_are_flat() -> None:
    """Trap 2: `&` and `|` keep every condition, in order, without nesting."""
    a, b, c = Author.age > 1, Author.age > 2, Author.age > 3
    both: Any = a & b & c
    either: Any = a | (b | c)
    nested: Any = (a | b) & c

    assert isinstance(both, And)
    assert all(x is y for x, y in zip(both.operands, (a, b, c), strict=True))
    assert isinstance(either, Or)
    assert len(either.operands) == 3
    assert [type(operand) for operand in nested.operands] == [Or, Compare]


def test_not() -> None:
    """Trap 2: `~` is there."""
    expression: Any = ~(Author.age > 1)

    assert isinstance(expression, Not)
    assert isinstance(expression.operand, Compare)


def test_a_boolean_column_is_a_condition() -> None:
    """`Author.active` alone is true or false."""
    expression: Any = Author.active & (Author.age > 1)

    assert expression.operands[0] is Author.active
    assert isinstance(~Author.active, Not)


def test_forgotten_brackets_are_refused() -> None:
    """Trap 2: `Author.age > 1 & Author.name == "x"` is an error, not another condition."""
    with pytest.raises(QueryError, match="int"):
        Author.age > 1 & Author.name == "x"  # noqa: B015
    with pytest.raises(QueryError, match="bool"):
        True & (Author.age > 1)
    with pytest.raises(QueryError, match="bool"):
        (Author.age > 1) | False  # type: ignore[operator]
    with pytest.raises(QueryError, match=r"Author\.name is no condition"):
        Author.name & (Author.age > 1)
    with pytest.raises(QueryError, match="is no condition"):
        ~Author.age  # type: ignore[misc]  # noqa: B018


# Arithmetic


@pytest.mark.parametrize(
    ("expression", "op", "type_"),
    [
        (Author.age + 1, "+", Integer()),
        (Author.age - 1, "-", Integer()),
        (Author.age * 2, "*", Integer()),
        (Author.age / 2, "/", Float()),
        (Author.age % 2, "%", Integer()),
        (Author.age + 1.5, "+", Float()),
        (Author.age * Decimal("1.5"), "*", Numeric()),
        (Author.rating * 2, "*", Float()),
        (Book.price + 1, "+", Numeric()),
        (Book.price * Author.age, "*", Numeric()),
        (Author.name + "x", "||", Text()),
        ("x" + Author.name, "||", Text()),
        (Author.joined + timedelta(days=1), "+", DateTime()),
        (timedelta(days=1) + Author.joined, "+", DateTime()),
        (Author.joined - timedelta(days=1), "-", DateTime()),
        (Author.joined - Author.joined, "-", Interval()),
        (Author.joined - datetime(2024, 1, 1, tzinfo=UTC), "-", Interval()),
        (Book.lent * 2, "*", Interval()),
        (Book.lent + timedelta(1), "+", Interval()),
    ],
)
def test_arithmetic(expression: Any, op: str, type_: Any) -> None:
    """Arithmetic knows the type of what it gives."""
    assert isinstance(expression, Arithmetic)
    assert expression.op == op
    assert expression.type == type_


def test_reflected_arithmetic_keeps_its_order() -> None:
    """`10 - Author.age` is not `Author.age - 10`."""
    expression: Any = 10 - Author.age

    assert expression.left.value == 10
    assert expression.right is Author.age


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: Author.age + "x",
        lambda: Author.name + 1,
        lambda: Author.name * 2,
        lambda: Author.name - "x",
        lambda: Book.price * 1.5,
        lambda: Author.active + 1,
        lambda: Author.joined + Author.joined,
        lambda: Author.joined + 1,
        lambda: Author.age + None,
        lambda: Book.dims["x"] + 1,
        lambda: Author.age + object(),
    ],
)
def test_arithmetic_refuses(attempt: Any) -> None:
    """What Python would refuse, or silently widen, is refused."""
    with pytest.raises((QueryError, ValidationError)):
        attempt()


def test_negative() -> None:
    """Unary minus negates; in `order_by` it means descending."""
    expression: Any = -Author.age

    assert isinstance(expression, Negative)
    assert expression.type == Integer()


# JSON and arrays


def test_json_path() -> None:
    """Keys and indexes make one path, whose value is JSON."""
    path: Any = Book.dims["box"]["sizes"][0]

    assert isinstance(path, JsonPath)
    assert path.operand is Book.dims
    assert path.path == ("box", "sizes", 0)
    assert path.display_name == "Book.dims['box']['sizes'][0]"


def test_json_comparison_takes_the_type_of_the_value() -> None:
    """A number beside a path is a number, a text is a text."""
    number: Any = Book.dims["width"] > 3
    text: Any = Book.dims["colour"] == "red"
    whole: Any = Book.dims["box"] == {"a": [1]}

    assert number.right.type == Integer()
    assert text.right.type == Text()
    assert whole.right.type == Json()
    assert isinstance(Book.dims["x"] == None, IsNull)  # noqa: E711


def test_json_as_text() -> None:
    """Text operators read a place in JSON as text."""
    expression: Any = Book.dims["colour"].like("r%")

    assert isinstance(expression.operand, Cast)
    assert expression.operand.type == Text()


def test_json_contains() -> None:
    """`contains` on JSON asks for a value, not for a part of a text."""
    expression: Any = Book.tags.contains("x%")

    assert expression.value.value == "x%"
    assert isinstance(expression.value.type, Json)
    assert isinstance(expression, Contains)


def test_array_contains() -> None:
    """An array contains an element, or all those of a list; of the right type."""
    one: Any = Book.codes.contains(1)
    several: Any = Book.codes.contains([1, 2])

    assert one.value.type == Integer()
    assert several.value.type == Array(int)
    with pytest.raises(ValidationError, match=r"Book\.codes"):
        Book.codes.contains("x")


@pytest.mark.parametrize("key", [True, 1.5, None, b"x", "nul\0", "\ud800", ("a",)])
def test_json_path_refuses_what_is_no_key(key: Any) -> None:
    """F66: a step of a path is a text that a store can hold, or a whole number."""
    with pytest.raises(QueryError):
        Book.dims[key]


def test_only_json_has_paths() -> None:
    """A path into a column that is not JSON is refused."""
    with pytest.raises(QueryError, match=r"Author\.name is not JSON"):
        Author.name["x"]


# Types, names, order


def test_cast() -> None:
    """A cast takes a Python class or a column type."""
    assert Author.age.cast(str).type == Text()
    assert Author.age.cast(Numeric(5, 1)).type == Numeric(5, 1)
    assert Author.name.cast(dict).type == Json()
    with pytest.raises(QueryError, match="cast"):
        Author.age.cast(object)


def test_label() -> None:
    """A label has the type of what it names, and is no condition of its own."""
    label = (Author.age > 3).label("old")
    combined: Any = label & (Author.age > 1)

    assert label.name == "old"
    assert label.type == (Author.age > 3).type
    assert isinstance(combined.operands[0], Compare)


def test_order_terms() -> None:
    """Direction and the place of NULL can be said in either order."""
    term = Author.age.desc().nulls_last()
    first = Author.age.nulls_first()

    assert isinstance(term, OrderTerm)
    assert term.is_descending
    assert term.is_nulls_first is False
    assert not first.is_descending
    assert first.is_nulls_first is True
    assert Author.age.asc().is_nulls_first is None


# Nodes


def test_columns_are_found_by_their_attribute() -> None:
    """The class gives the same expression each time; the store's name is the column's own."""
    assert isinstance(Book.title, ColumnExpression)
    assert Book.title is Book.title
    assert (Book.title.column.attribute, Book.title.column.name) == ("title", "book_title")
    assert repr(Book.title) == "<Book.title>"


def test_a_column_has_no_other_attributes() -> None:
    """A path into JSON is written with brackets: no field can hide behind an operator (trap 4)."""
    with pytest.raises(AttributeError, match=r"Book\.dims"):
        Book.dims.width  # type: ignore[attr-defined]  # noqa: B018


def test_columns_are_dictionary_keys() -> None:
    """`{Author.age: 1, Author.name: 2}` keeps both."""
    assert len({Author.age: 1, Author.name: 2, Author.age: 3}) == 2


def test_no_value_is_shown() -> None:
    """F78: values may be secret, so no representation holds one."""
    condition = (Author.name == "secret") & Author.name.in_(["secret"]) & Author.name.like("secret")

    assert "secret" not in repr(condition)
    assert "Author.name" in repr(condition)


def test_expressions_are_never_changed() -> None:
    """A condition used in two others is the same in both, and unchanged."""
    base: Any = (Author.age > 1) & (Author.age < 9)
    one: Any = base & Author.active
    other: Any = base & ~Author.active

    assert len(base.operands) == 2
    assert len(one.operands) == len(other.operands) == 3
    assert isinstance(base, Expression)
