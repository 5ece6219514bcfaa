"""Simple SQL about one row is read as SQLite reads it; other SQL is not read (U7)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uow import Column, Mapped, Registry, Table
from uow.mapping.mapper import MappedColumn, mapper_of
from uow.session.predicates import Unreadable, mentions, read_predicate


class Row(Table):
    """Columns of the kinds that are compared."""

    class Settings:
        registry = Registry()

    id: Mapped[int] = Column(primary_key=True)
    number: Mapped[int | None] = Column(default=None)
    text: Mapped[str | None] = Column(default=None)
    flag: Mapped[bool | None] = Column(default=None)
    price: Mapped[Decimal | None] = Column(name="Price of it", default=None)
    folded: Mapped[str | None] = Column(default=None, collation="NOCASE")
    data: Mapped[bytes | None] = Column(default=None)


MAPPER = mapper_of(Row)

NUMBERS = st.integers(-2, 3)
TEXTS = st.sampled_from(["", "a", "b", "it's"])
OPERATORS = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">=", "=="])


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    """One comparison of a column with literals."""
    name, literals = draw(
        st.sampled_from(
            [
                ("number", NUMBERS.map(str)),
                ('"number"', NUMBERS.map(str)),
                ("row.text", TEXTS.map(quoted)),
                ("TEXT", TEXTS.map(quoted)),
            ]
        )
    )
    other = draw(literals | st.just("NULL"))
    form = draw(st.integers(0, 6))
    negation = draw(st.sampled_from(["", "NOT "]))
    if form == 0:
        return f"{name} IS {negation}NULL"
    if form == 1:
        return f"{name} {negation}IN ({other}, {draw(literals)})"
    if form == 2:
        return f"{name} {negation}BETWEEN {other} AND {draw(literals)}"
    if form == 3:
        return f"flag IS {negation}{draw(st.sampled_from(['TRUE', 'false', 'NULL']))}"
    if form == 4:
        return draw(st.sampled_from(["flag", "NOT flag", "flag = true", "flag <> 0"]))
    return f"{name} {draw(OPERATORS)} {other}"


CONDITIONS = st.recursive(
    comparisons(),
    lambda inner: (
        st.tuples(inner, st.sampled_from([" AND ", " or "]), inner).map("".join)
        | inner.map("({})".format)
        | inner.map("NOT ({})".format)
    ),
    max_leaves=5,
)


@given(
    sql=CONDITIONS,
    number=st.none() | NUMBERS,
    text=st.none() | TEXTS,
    flag=st.none() | st.booleans(),
)
def test_read_as_the_store_does(
    sql: str, number: int | None, text: str | None, flag: bool | None
) -> None:
    """What is read is as true, false or unknown as SQLite says."""
    with apsw.Connection("") as connection:
        connection.execute("CREATE TABLE row (number INTEGER, text TEXT, flag INTEGER)")
        connection.execute("INSERT INTO row VALUES (?, ?, ?)", (number, text, flag))
        ((expected,),) = connection.execute(f"SELECT ({sql}) FROM row")
    values = {"number": number, "text": text, "flag": flag}
    predicate = read_predicate(sql, MAPPER)

    assert predicate is not None
    assert predicate.columns <= {MAPPER.by_attribute[name] for name in values}
    found = predicate.holds(lambda column: values[column.attribute])
    assert found == (None if expected is None else bool(expected))


@pytest.mark.parametrize(
    "sql",
    [
        "number % 2 = 1",
        "lower(text) = 'a'",
        "text LIKE 'a%'",
        "no_such_column = 1",
        "number = 1 AND",
        "number = 1)",
        "(number = 1",
        "number",
        "NOT",
        "number IS",
        "folded = 'a'",
        "data = 'a'",
        "number = ?",
        "number = 1 number = 2",
        "number IN ()",
        "number BETWEEN 1",
        "EXISTS (SELECT 1)",
        "CASE WHEN flag THEN 1 END = 1",
        "number::bigint = 1",
        "",
    ],
)
def test_other_sql_is_not_read(sql: str) -> None:
    """Nothing is guessed of SQL that says more."""
    assert read_predicate(sql, MAPPER) is None


def test_types_that_compare_otherwise() -> None:
    """What is NULL is known of every type; a text is not compared with a number."""
    folded = read_predicate("folded IS NULL", MAPPER)
    mixed = read_predicate("number = 'a'", MAPPER)
    priced = read_predicate('"Price of it" > 1.5', MAPPER)
    cast = read_predicate("text = 'a'::text", MAPPER)

    assert folded is not None
    assert folded.holds(lambda _: "A") is False
    assert mixed is not None
    with pytest.raises(Unreadable):
        mixed.holds(lambda _: 1)
    assert priced is not None
    assert priced.holds(lambda _: Decimal("1.6")) is True
    assert cast is not None
    assert cast.holds(lambda _: "a") is True


def test_names_in_sql() -> None:
    """Columns are found by their names, whatever is done to them."""

    def names(columns: frozenset[MappedColumn]) -> set[str]:
        return {column.attribute for column in columns}

    found: Any = mentions("lower(Text) || coalesce(number, 0)", MAPPER)
    assert names(found) == {"text", "number"}
