"""`select`, `insert`, `insert_many`, `update`, `delete`, `sql`, and rows."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest

from tests.uow.query.models import Author, Book, Counter, Line
from uow.errors import QueryError, ValidationError
from uow.expressions import Excluded, Expression, Literal, ScalarSubquery, excluded, func
from uow.mapping.mapper import mapper_of
from uow.query.insert_rows import split_insert
from uow.query.rows import Row, row_class, usable_names
from uow.query.select import select
from uow.query.sources import aliased
from uow.query.sql import sql
from uow.query.statements import result_names
from uow.query.writes import delete, insert, insert_many, update
from uow.types import Integer

AUTHOR = mapper_of(Author)
ANN: dict[Any, Any] = {"email": "a@x.org", "name": "Ann"}


def named(assignments: Any) -> dict[str, Any]:
    """Assignments by attribute."""
    return {column.attribute: value for column, value in assignments}


# select


def test_select_of_a_class() -> None:
    """A class alone is selected as objects, an alias of it likewise."""
    other: Any = aliased(Author)

    assert select(Author).statement.entity is AUTHOR
    assert select(other).statement.entity is other.id.table


def test_select_reads_from_the_table_of_its_first_column() -> None:
    """The other tables are joined, or named by `select_from`."""
    statement = select(Author.name, Book.title)
    explicit = (
        select(func.count(Book.id)).select_from(Author).join(Book, Author.id == Book.author_id)
    )

    assert statement.statement.froms == (AUTHOR,)
    assert explicit.statement.froms == (AUTHOR,)
    assert select(func.now()).statement.froms == ()


def test_select_from_refuses_a_table_twice() -> None:
    """Trap 6: one table twice needs another name."""
    with pytest.raises(QueryError, match="aliased"):
        select(Author.id).select_from(Author, Author)
    with pytest.raises(QueryError, match="before join"):
        select(Author.id).join(Book, Book.author_id == Author.id).select_from(Author)


def test_a_select_may_stand_in_a_select() -> None:
    """A query among columns is a scalar subquery, of the type of its column."""
    count = select(func.count()).select_from(Book).where(Book.author_id == Author.id)
    statement = select(Author.name, count.scalar_subquery().label("books"), count)
    nested: Any = statement.statement.columns[2]

    assert isinstance(nested, ScalarSubquery)
    assert nested.type == Integer()
    with pytest.raises(QueryError, match="one column"):
        select(Author.id, Author.name).scalar_subquery()


def test_objects_stand_for_their_key_in_a_subquery() -> None:
    """`x.in_(a query for objects)` compares with the key; a composite key is no one column."""
    inner: Any = Book.author_id.in_(select(Author))

    assert inner.select.columns[0].column is Author.id.column
    with pytest.raises(QueryError, match="one column"):
        Book.author_id.in_(select(Line))


def test_select_with_groups_of_objects_is_refused() -> None:
    """Groups are no objects."""
    with pytest.raises(QueryError, match="groups"):
        _ = select(Author).group_by(Author.age).statement


# insert


def test_insert() -> None:
    """Columns stand in definition order, whatever the order they are given in."""
    tree = insert(Author, {Author.name: "Ann"}, email="a@x.org").statement

    assert [column.attribute for column in tree.columns] == [
        "email", "name", "age", "active", "rating", "version",
    ]  # fmt: skip
    assert tree.rows == (("a@x.org", "Ann", None, True, None, 1),)


def test_insert_makes_client_defaults_for_each_row() -> None:
    """Trap 28: keys and values made in Python are made, once a row; mutable ones are not shared."""
    tree = insert_many(Book, [{"title": "x"}, {"title": "y"}]).statement
    rows = [dict(zip([c.attribute for c in tree.columns], row, strict=True)) for row in tree.rows]

    assert rows[0]["id"] != rows[1]["id"]
    assert rows[0]["tags"] is not rows[1]["tags"]


def test_insert_of_defaults_only() -> None:
    """A row may be left to the store altogether; None for a numbered key is no value."""
    assert insert(Counter).statement.columns == ()
    assert insert(Counter, id=None).statement.columns == ()
    with pytest.raises(QueryError, match="one by one"):
        insert_many(Counter, [{}, {}])


def test_insert_takes_expressions() -> None:
    """An expression may stand for a value, if its type fits."""
    tree = insert(Author, ANN, joined=func.now(), age=select(func.max(Author.age))).statement
    row = dict(zip([column.attribute for column in tree.columns], tree.rows[0], strict=True))

    assert isinstance(row["joined"], Expression)
    assert isinstance(row["age"], ScalarSubquery)
    with pytest.raises(QueryError, match="does not fit"):
        insert(Author, ANN, age=func.now())


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{**ANN, "nme": 1}], "Author has no field 'nme'"),
        ([{**ANN, Author.name: "x"}], "twice"),
        ([{"name": "x"}], r"Author\.email: is required \(row 1\)"),
        ([ANN, {**ANN, "age": "x"}], r"Author\.age: .* \(row 2\)"),
        ([{**ANN, "email": "x" * 21}], r"Author\.email"),
        ([{**ANN, "name": None}], r"Author\.name"),
        ([], "without rows"),
        ([("email", "x")], "mappings"),
        ([{**ANN, "joined": func.now()}, ANN], r"Author\.joined .* left to the store"),
    ],
)
def test_insert_refuses(rows: Any, words: str) -> None:
    """F66, F67: unknown names, missing and wrong values are errors, before anything is sent."""
    with pytest.raises((QueryError, ValidationError), match=words):
        insert_many(Author, rows)


def test_all_wrong_values_are_named() -> None:
    """One error tells of every problem, and of no value."""
    with pytest.raises(ValidationError) as caught:
        insert_many(Author, [{"email": 1, "name": "secret\0"}, {"email": "a"}])

    assert len(caught.value.problems) == 3
    assert "secret" not in str(caught.value)


def test_generated_columns_are_the_stores() -> None:
    """A generated column cannot be set, by a value or by an expression."""
    with pytest.raises(QueryError, match="generated"):
        insert(Line, order_id=1, no=1, text="x", size=1)
    with pytest.raises(QueryError, match="generated"):
        update(Line).set(size=Line.no)


def test_insert_names_every_field_once() -> None:
    """A field given by column and by name is an error."""
    with pytest.raises(QueryError, match="twice"):
        insert(Author, {Author.email: "x"}, email="y")


@pytest.mark.parametrize("name", ["model", "values", "self", "_connector", "__class__"])
def test_no_keyword_controls_a_builder(name: str) -> None:
    """F67: every keyword is a field; what is none is refused."""
    with pytest.raises(QueryError, match="no field"):
        insert(Author, **{**ANN, name: 1})
    with pytest.raises(QueryError, match="no field"):
        update(Author).set(**{name: 1})


# on conflict


def test_on_conflict_nothing() -> None:
    """Nothing is done where a row is there."""
    conflict = insert(Author, ANN).on_conflict(Author.email).nothing().statement.on_conflict

    assert conflict is not None
    assert conflict.target == (Author._uow_mapper.by_attribute["email"],)
    assert conflict.assignments == ()
    assert insert(Author, ANN).on_conflict().nothing().statement.on_conflict is not None


def test_on_conflict_update() -> None:
    """Columns take the value that was to be inserted; mappings say another; the lock counts up."""
    statement = insert(Author, ANN, age=3).on_conflict(Author.email)
    changed = statement.update(Author.name, {Author.age: excluded(Author.age) + Author.age})
    conflict = changed.statement.on_conflict

    assert conflict is not None
    values = named(conflict.assignments)
    assert list(values) == ["name", "age", "version"]
    assert isinstance(values["name"], Excluded)
    assert values["age"].op == "+"
    assert values["version"].op == "+"


def test_on_conflict_update_of_all() -> None:
    """Without columns all that were given are taken over: no default, no key, no conflict's."""
    conflict = insert(Author, ANN, id=3).on_conflict(Author.email).update().statement.on_conflict

    assert conflict is not None
    assert list(named(conflict.assignments)) == ["name", "version"]


def test_on_conflict_where() -> None:
    """The row that is there may be left alone by a condition."""
    statement = insert(Author, ANN).on_conflict("email").update("name", where=Author.age > 3)

    assert statement.statement.on_conflict is not None
    assert len(statement.statement.on_conflict.where) == 1


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: insert(Author, ANN).on_conflict(Author.age),
        lambda: insert(Author, ANN).on_conflict(Author.name),
        lambda: insert(Author, ANN).on_conflict("nme"),
        lambda: insert(Author, ANN).on_conflict(Book.id),
        lambda: insert(Author, ANN).on_conflict().update(Author.name),
        lambda: insert(Author, ANN).on_conflict(Author.email).update(Author.name, {"name": "x"}),
        lambda: insert(Author, ANN).on_conflict(Author.email).update(Author.id),
        lambda: insert(Author, ANN).on_conflict(Author.email).update({}),
        lambda: insert(Counter).on_conflict(Counter.id).update(),
        lambda: insert(Author, ANN).on_conflict(Author.email).update("name", where=True),  # type: ignore[arg-type]
    ],
)
def test_on_conflict_refuses(attempt: Any) -> None:
    """A conflict is of a key or unique columns; what changes is named once, and is no key."""
    with pytest.raises(QueryError):
        attempt()


def test_unique_index_is_a_conflict_target() -> None:
    """The columns of a unique index may be met, in any order; parts of a composite key may not."""
    line = insert(Line, order_id=1, no=1, text="x")
    index = insert(Author, ANN).on_conflict(Author.age, Author.name).nothing()
    key = line.on_conflict(Line.order_id, Line.no).nothing()

    assert index.statement.on_conflict is not None
    assert key.statement.on_conflict is not None
    with pytest.raises(QueryError, match="no key"):
        line.on_conflict(Line.order_id)


# chunks (trap 8)


def test_inserts_are_split_at_the_limit_of_parameters() -> None:
    """Trap 8, F77: no part binds more than a store takes; together they are all rows in order."""
    rows = [{"order_id": 1, "no": number, "text": "x"} for number in range(100)]
    statement = insert_many(Line, rows).on_conflict(Line.order_id, Line.no).update({"text": "y"})
    parts = split_insert(statement.statement, 31)

    assert [len(part.rows) for part in parts] == [10] * 10
    assert [row for part in parts for row in part.rows] == list(statement.statement.rows)
    assert all(part.on_conflict is not None for part in parts)


def test_an_insert_that_fits_is_not_split() -> None:
    """One statement stays the same tree."""
    tree = insert_many(Line, [{"order_id": 1, "no": 1, "text": "x"}]).statement

    assert split_insert(tree, 32766) == [tree]


# update, delete


def test_update() -> None:
    """New values add up over calls; a where adds up too."""
    statement = update(Author).set({Author.age: 1}).where(Author.id == 3).set(name="x")
    tree = statement.where(Author.active).statement

    assert list(named(tree.assignments)) == ["name", "age", "version"]
    assert len(tree.where) == 2


def test_update_checks_with_the_column_type() -> None:
    """A value to be stored must fit in full, unlike one to be compared with."""
    with pytest.raises(ValidationError, match=r"Book\.price"):
        update(Book).set({Book.price: Decimal("1.234")})


def test_set_twice_is_an_error() -> None:
    """Trap 3: a second value for a column neither wins nor loses silently."""
    with pytest.raises(QueryError, match="twice"):
        update(Author).set(age=1).set(age=2)
    with pytest.raises(QueryError, match="twice"):
        update(Author).set({Author.age: 1}, age=2)


def test_whole_tables_must_be_said() -> None:
    """Trap 7: a builder without a condition is refused when it is used."""
    with pytest.raises(QueryError, match=r"\.all\(\)"):
        _ = update(Author).set(age=1).statement
    with pytest.raises(QueryError, match=r"\.all\(\)"):
        _ = delete(Author).statement
    with pytest.raises(QueryError, match=r"\.set"):
        _ = update(Author).all().statement
    assert update(Author).set(age=1).all().statement.where == ()
    assert delete(Author).all().statement.where == ()


def test_builders_are_immutable() -> None:
    """Every method gives a new builder."""
    base = update(Author).set(age=1)
    _ = base.where(Author.id == 1), base.set(name="x"), base.all(), base.returning(Author.id)
    removal = delete(Author)
    _ = removal.where(Author.id == 1), removal.all()

    with pytest.raises(QueryError):
        _ = base.statement
    with pytest.raises(QueryError):
        _ = removal.statement


def test_returning() -> None:
    """RETURNING keeps what was said before."""
    inserted = insert(Author, ANN).on_conflict(Author.email).nothing().returning(Author.id)
    updated = update(Author).set(age=1).all().returning(Author.id, Author.age)
    deleted = delete(Author).where(Author.id == 1).returning(Author.id)

    assert inserted.statement.on_conflict is not None
    assert len(inserted.statement.returning) == 1
    assert len(updated.statement.returning) == 2
    assert len(deleted.statement.returning) == 1
    with pytest.raises(QueryError):
        insert(Author, ANN).returning()


def test_writes_take_the_class_itself() -> None:
    """An alias, or what is no mapped class, cannot be written."""
    with pytest.raises(QueryError, match="alias"):
        update(aliased(Author))
    with pytest.raises(QueryError, match="mapped class"):
        delete(int)


def test_no_value_is_shown() -> None:
    """F78: a statement's representation holds names and counts only."""
    shown = [
        repr(insert(Author, ANN)),
        repr(update(Author).set(name="secret")),
        repr(delete(Author).where(Author.name == "secret")),
        repr(sql("SELECT {x}", x="secret")),
        repr(select(Author.name).where(Author.name == "secret")),
    ]

    assert not any("secret" in text or "Ann" in text for text in shown)


# sql


def test_sql_binds_its_values() -> None:
    """Names in braces become values to bind; the same name is the same value."""
    parts = sql("SELECT '{{}}' WHERE a = {a} AND b = {b} OR c = {a}", a=3, b=None).statement.parts

    texts = [part for part in parts if isinstance(part, str)]
    values = [part for part in parts if isinstance(part, Literal)]
    assert "".join(texts) == "SELECT '{}' WHERE a =  AND b =  OR c = "
    assert [value.value for value in values] == [3, None, 3]
    assert values[0] is values[2]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{a}", {}),
        ("x", {"a": 1}),
        ("{}", {"a": 1}),
        ("{0}", {}),
        ("{a.b}", {"a": 1}),
        ("{a[0]}", {"a": 1}),
        ("{a!r}", {"a": 1}),
        ("{a:>3}", {"a": 1}),
        ("{a", {"a": 1}),
        ("}", {}),
        ("{a}", {"a": object()}),
        (b"x", {}),
    ],
)
def test_sql_refuses(text: Any, values: Any) -> None:
    """A name without a value, a value without a name, anything but a name in braces."""
    with pytest.raises(QueryError):
        sql(text, **values)


def test_any_name_may_be_a_value_of_sql() -> None:
    """F67: no keyword is taken by the function itself."""
    statement = sql("SELECT {text}, {values}, {self}", text=1, values=2, self=3).statement

    assert sum(isinstance(part, Literal) for part in statement.parts) == 3


# rows


def test_rows_have_names() -> None:
    """A row is a tuple whose values have names; a name wins over the tuple's own methods."""
    row: Any = row_class(("age", "count"))((31, 2))

    assert row == (31, 2)
    assert (row.age, row.count) == (31, 2)
    assert row.as_dict() == {"age": 31, "count": 2}
    assert repr(row) == "Row(age, count)"
    assert issubclass(type(row), Row)
    with pytest.raises(AttributeError):
        row.nme  # noqa: B018
    with pytest.raises(AttributeError):
        row.age = 3


def test_rows_are_copied_and_pickled() -> None:
    """A row survives the trip with its names."""
    row: Any = row_class(("age", "count"))((31, 2))
    restored: Any = pickle.loads(pickle.dumps(row))

    assert restored.age == 31
    assert copy.deepcopy(row).count == 2


def test_the_same_names_have_the_same_class() -> None:
    """One class a shape."""
    assert row_class(("a", "b")) is row_class(("a", "b"))
    assert row_class(("a", "b")) is not row_class(("b", "a"))


@pytest.mark.parametrize("names", [("a", "a"), ("a b",), ("class",), ("_x",), ("as_dict",), ("",)])
def test_rows_refuse_names(names: tuple[str, ...]) -> None:
    """A name that cannot be reached is an error, not a value that is lost."""
    with pytest.raises(QueryError, match="label"):
        row_class(names)


def test_rows_of_raw_sql_take_any_name() -> None:
    """What a store calls the columns of raw SQL is no error: what is no name is numbered."""
    assert usable_names(["id", "count(*)", "?2", "id", "class", "as_dict"]) == (
        "id",
        "column_2",
        "column_3",
        "id_2",
        "column_5",
        "column_6",
    )


def test_names_of_columns() -> None:
    """Columns are called by their attribute; a name met again is numbered."""
    columns: list[Any] = [
        Author.id,
        Book.id,
        Book.title,
        func.count(),
        Author.age + 1,
        Author.age.label("years"),
        Author.age.cast(str),
        Book.dims["box"]["width"],
        Book.dims["a b"],
        Book.tags[0],
        Author.id,
    ]

    assert result_names(columns) == (
        "id",
        "id_2",
        "title",
        "count",
        "column_5",
        "years",
        "age",
        "width",
        "column_9",
        "column_10",
        "id_3",
    )
