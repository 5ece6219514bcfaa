"""What compiled queries answer on SQLite, where stores by themselves would answer differently."""

# ruff: noqa: B002, E711, E712 - the operators are under test

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.dialects.models import Author, Book, Everything
from tests.dialects.store import Store
from uow.errors import QueryError, ValidationError
from uow.expressions.functions import case, exists, func
from uow.expressions.nodes import Expression
from uow.query.select import select
from uow.query.sources import aliased
from uow.query.writes import delete, insert, insert_many, update

YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def _id(number: int) -> UUID:
    return UUID(int=number)


@pytest.fixture(scope="module")
def loaded() -> Store:
    """A store with five authors and five books."""
    store = Store(Author, Book, Everything)
    authors = [
        ("ann@x.org", "Ann", 30, True),
        ("bob@x.org", "Bób", None, False),
        ("cy@y.org", "ann%_!", 17, True),
        ("D@x.org", "ÄRGER", 30, True),
        ("e@x.org", "a ", -7, False),
    ]
    rows = [
        {"email": e, "name": n, "age": a, "active": f, "joined": YEAR + timedelta(days=i)}
        for i, (e, n, a, f) in enumerate(authors)
    ]
    store.rows(insert_many(Author, rows))
    books: list[tuple[int, str, list[Any], dict[str, Any] | None]] = [
        (1, "9.50", ["x", "y"], {"w": 3, "n": "x", "ok": True, "z": None, "a": [1, {"b": "c"}]}),
        (1, "10.00", [], {"w": 3.5, "n": 5, "ok": False, "a": []}),
        (3, "100.25", ["x"], {"w": "3", "n": "y", "ok": 1, 'q"u.o': 1}),
        (4, "-3.10", ["z", "1"], None),
        (4, "10.00", ["X"], {"w": 2**70, "n": "ann", "ok": None}),
    ]
    store.rows(
        insert_many(
            Book,
            [
                {
                    "id": _id(i),
                    "author_id": a,
                    "title": f"t{i}",
                    "price": Decimal(p),
                    "score": i / 8,
                    "tags": t,
                    "dims": d,
                }
                for i, (a, p, t, d) in enumerate(books, 1)
            ],
        )
    )
    return store


@pytest.fixture
def store(loaded: Store) -> Iterator[Store]:
    """The same, as it was before each test."""
    loaded.run("SAVEPOINT test")
    yield loaded
    loaded.run("ROLLBACK TO test")
    loaded.run("RELEASE test")


def _authors(store: Store, *conditions: Expression[Any]) -> list[int]:
    return store.values(select(Author.id).filter(*conditions).order_by(Author.id))


def _books(store: Store, *conditions: Expression[Any]) -> list[int]:
    query = select(Book.title).filter(*conditions).order_by(Book.title)
    return [int(title[1:]) for title in store.values(query)]


# -- text


@pytest.mark.parametrize(
    ("pattern", "sensitive", "insensitive"),
    [
        ("ann%", [3], [1, 3]),
        ("A_n", [1], [1]),
        ("%ä%", [], [4]),
        ("bó%", [], [2]),
        ("a", [], []),
        ("a ", [5], [5]),
        ("%[a]%", [], []),
        ("%!", [3], [3]),
        ("%\\%", [], []),
    ],
)
def test_like_tells_case_in_every_script(
    store: Store, pattern: str, sensitive: list[int], insensitive: list[int]
) -> None:
    """`like` distinguishes case, `ilike` does not, and blanks at the end count."""

    assert _authors(store, Author.name.like(pattern)) == sensitive
    assert _authors(store, Author.name.ilike(pattern)) == insensitive


@pytest.mark.parametrize("part", ["%", "_", "!", "%_!", "*", "?", "[", "]", "\\", "'", '"', "ann"])
def test_parts_are_literal(store: Store, part: str) -> None:
    """F69: wildcards of any store's patterns are plain characters in a part of a text."""
    names = ["Ann", "Bób", "ann%_!", "ÄRGER", "a "]

    def matching(method: str) -> list[int]:
        return [i for i, name in enumerate(names, 1) if getattr(name, method)(part)]

    assert _authors(store, Author.name.contains(part)) == matching("__contains__")
    assert _authors(store, Author.name.startswith(part)) == matching("startswith")
    assert _authors(store, Author.name.endswith(part)) == matching("endswith")


def test_like_with_a_column_as_pattern(store: Store) -> None:
    """A pattern that is computed means the same as one that is given."""

    assert _authors(store, Author.name.startswith(func.substr(Author.name, 1, 2))) == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert _authors(store, Author.email.like(Author.name)) == []


def test_a_very_long_pattern_is_answered(store: Store) -> None:
    """A pattern longer than the store's own operator takes is not an error."""

    assert _authors(store, ~Author.name.contains("x" * 60_000)) == [1, 2, 3, 4, 5]


def test_functions_know_every_script(store: Store) -> None:
    """Case conversion is not limited to ASCII."""
    query = select(func.lower(Author.name), func.upper(Author.name)).filter(Author.id == 4)

    assert store.rows(query) == [("ärger", "ÄRGER")]


# -- NULL and lists


def test_null_in_lists(store: Store) -> None:
    """None in a list asks for NULL; NOT IN with None excludes it; NULL is in no list."""

    assert _authors(store, Author.age.in_([17, None])) == [2, 3]
    assert _authors(store, Author.age.not_in([17, None])) == [1, 4, 5]
    assert _authors(store, Author.age.not_in([17])) == [1, 4, 5]
    assert _authors(store, Author.age == None) == [2]
    assert _authors(store, Author.age != None) == [1, 3, 4, 5]


def test_no_value_is_in_an_empty_list(store: Store) -> None:
    """`in_([])` is false and `not_in([])` is true, for NULL too."""

    assert _authors(store, Author.age.in_([])) == []
    assert _authors(store, Author.age.not_in([])) == [1, 2, 3, 4, 5]
    assert _authors(store, ~Author.age.in_([])) == [1, 2, 3, 4, 5]


def test_lists_longer_than_the_store_takes_parameters(store: Store) -> None:
    """F77: a list of any length is one statement, for every type that can be in a key."""
    many = 100_000

    assert _authors(store, Author.id.in_(range(2, many))) == [2, 3, 4, 5]
    assert _authors(store, Author.id.not_in(range(2, many))) == [1]
    assert _authors(store, Author.name.in_([f"x{i}" for i in range(many)] + ["a "])) == [5]
    assert _books(store, Book.id.in_([_id(i) for i in range(3, 1000)])) == [3, 4, 5]
    assert _books(store, Book.price.in_([Decimal(i) for i in range(1000)])) == [2, 5]
    assert _books(store, Book.score.in_([i / 8 for i in range(2, 1000)])) == [2, 3, 4, 5]
    days = [YEAR + timedelta(days=i) for i in range(1, 1000)]
    assert _authors(store, Author.joined.in_(days)) == [2, 3, 4, 5]


def test_too_many_parameters_are_refused() -> None:
    """F77: what cannot be one statement is a typed error before anything is sent."""
    conditions = [Author.age == n for n in range(33_000)]
    condition = conditions[0]
    query = select(Author.id).filter(condition, *conditions)

    with pytest.raises(QueryError, match="32766"):
        query.compile("sqlite")


def test_long_inserts_are_cut(store: Store) -> None:
    """F77: an insert of more values than fit is several statements, in order."""
    rows = [{"email": f"m{i}", "name": "m", "joined": YEAR} for i in range(20_000)]
    statement = insert_many(Author, rows).returning(Author.email)

    assert store.values(statement) == [f"m{i}" for i in range(20_000)]


# -- logic and precedence


def test_precedence_is_that_of_the_tree(store: Store) -> None:
    """Text groups as the tree does, whatever the store's precedence."""
    age = Author.age
    query = select((age + 1) * 2 - (age - (age - 1)), -(-age), age - (-age)).filter(Author.id == 1)

    assert store.rows(query) == [(61, 30, 60)]
    assert _authors(store, ~((age > 18) | (age == None))) == [3, 5]
    assert _authors(store, ((age > 18) | (age < 0)) & Author.active) == [1, 4]
    assert _authors(store, (age > 18) | (age < 0) & Author.active) == [1, 4]


# -- numbers


def test_division(store: Store) -> None:
    """`/` of whole numbers is a double; a remainder has the dividend's sign; zero gives NULL."""
    query = select(Author.age / 4, Author.age % 4, Author.age / 0, Author.age % 0)

    assert store.rows(query.filter(Author.id.in_([1, 5])).order_by(Author.id)) == [
        (7.5, 2, None, None),
        (-1.75, -3, None, None),
    ]


def test_remainder_of_doubles_is_refused() -> None:
    """PostgreSQL has none and SQLite cuts the operands, so nobody gets one."""
    with pytest.raises(QueryError):
        select(Book.score % 2).compile("sqlite")


def test_decimals_are_exact(store: Store) -> None:
    """F75: decimals are compared, ordered and computed by value, never as doubles or as text."""
    price = Book.price

    assert _books(store, price > Decimal("9.99")) == [2, 3, 5]
    assert _books(store, price == Decimal("10.0")) == [2, 5]
    assert _books(store, price == 10) == [2, 5]
    assert _books(store, price.between(-4, Decimal("9.50"))) == [1, 4]
    assert _books(store, price < Book.author_id.cast(Decimal)) == [4]
    assert store.values(select(Book.title).order_by(price, Book.title)) == [
        "t4", "t1", "t2", "t5", "t3",
    ]  # fmt: skip
    query = select(price * 2 + Decimal("0.001"), price / 3, -price, price % 3, func.round(price))
    assert store.rows(query.filter(Book.title == "t1")) == [
        (Decimal("19.001"), Decimal("3.166666666667"), Decimal("-9.5"), Decimal("0.5"), Decimal(10))
    ]


def test_aggregated_decimals_are_exact(store: Store) -> None:
    """A sum of decimals has every digit; NULLs are left out; without rows it is NULL."""
    query = select(
        func.sum(Book.price),
        func.avg(Book.price),
        func.min(Book.price),
        func.max(Book.price),
        func.count(Book.price).distinct(),
    )

    assert store.rows(query) == [
        (Decimal("126.65"), Decimal("25.33"), Decimal("-3.1"), Decimal("100.25"), 4)
    ]
    assert store.rows(query.filter(Book.title == "none")) == [(None, None, None, None, 0)]


def test_a_computed_decimal_is_stored_in_the_form_of_its_column(store: Store) -> None:
    """An UPDATE with an expression rounds to the scale, and what it wrote is found again."""
    change = update(Book).set({Book.price: Book.price * Decimal("1.005")}).where(Book.title == "t1")
    store.rows(change)

    assert store.run("SELECT price FROM books WHERE title = 't1'") == [("9.55",)]
    assert _books(store, Book.price == Decimal("9.55")) == [1]


def test_rounding_goes_by_decimal_digits(store: Store) -> None:
    """2.675 is 2.68 on every store, and digits left of the point can be rounded."""
    score = func.coalesce(Book.score, 0.0) * 0 + 2.675
    query = select(func.round(score, 2), func.round(Author.age, -1)).join(
        Author, Author.id == Book.author_id
    )

    assert store.rows(query.filter(Book.title == "t3")) == [(2.68, 20)]


def test_casts_to_whole_numbers_cut(store: Store) -> None:
    """A number cast to a whole one is cut, as Python's `int` does."""
    query = select(Book.price.cast(int), (Book.score * -10).cast(int)).filter(Book.title == "t1")

    assert store.rows(query) == [(9, -1)]


# -- groups, subqueries, aliases


def test_groups(store: Store) -> None:
    """A labelled expression groups and orders by what is selected."""
    label = (func.coalesce(Author.age, 0) + 1).label("next")
    query = select(label, func.count()).group_by(label).order_by(label.desc())

    assert store.rows(query) == [(31, 2), (18, 1), (1, 1), (-6, 1)]
    many = select(Author.age, func.count()).group_by(Author.age).having(func.count() > 1)
    assert store.rows(many) == [(30, 2)]


def test_subqueries(store: Store) -> None:
    """A subquery sees the tables around it; IN a limited one limits the inner rows."""
    written = select(Book.id).filter(Book.author_id == Author.id)
    first = select(Book.author_id).order_by(Book.title.desc()).limit(1)

    assert _authors(store, exists(written)) == [1, 3, 4]
    assert _authors(store, ~exists(written)) == [2, 5]
    assert _authors(store, Author.id.in_(first)) == [4]


def test_aliases(store: Store) -> None:
    """A table joined to itself is told apart; rows without a match stay in an outer join."""
    other = aliased(Author)
    on = (other.age == Author.age) & (other.id > Author.id)
    query = select(Author.id, other.id).join(other, on, outer=True).order_by(Author.id)

    assert store.rows(query) == [(1, 4), (2, None), (3, None), (4, None), (5, None)]


def test_a_table_that_is_not_there_is_refused() -> None:
    """A column of a table that is not joined is an error before anything is sent."""
    with pytest.raises(QueryError, match="join"):
        select(Author.id).filter(Book.title == "x").compile("sqlite")


def test_choices(store: Store) -> None:
    """CASE asks in order; NULL is neither more nor less than anything."""
    query = select(case((Author.age > 18, "old"), (Author.age <= 18, "new"), else_="?"))

    assert store.values(query.order_by(Author.id)) == ["old", "?", "new", "old", "new"]


# -- time


def test_time(store: Store) -> None:
    """Instants are compared as instants, moved and subtracted exactly."""
    late = datetime.fromisoformat("2024-01-02T23:59:59.999999-02:00")
    moved = select(
        Author.joined + timedelta(days=1, microseconds=1),
        Author.joined - datetime(2023, 12, 31, tzinfo=UTC),
        func.now(),
    ).filter(Author.id == 1)
    one, span, now = store.rows(moved)[0]

    assert _authors(store, Author.joined > late) == [4, 5]
    assert one == YEAR + timedelta(days=1, microseconds=1)
    assert span == timedelta(days=1)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


# -- JSON


def test_json_is_compared_by_kind(store: Store) -> None:
    """A text is no number, a number no truth value; `<>` holds for other kinds, not for null."""

    assert _books(store, Book.dims["w"] == 3) == [1]
    assert _books(store, Book.dims["w"] > 3) == [2, 5]
    assert _books(store, Book.dims["w"] != 3) == [2, 3, 5]
    assert _books(store, Book.dims["w"] == "3") == [3]
    assert _books(store, Book.dims["ok"] == True) == [1]
    assert _books(store, Book.dims["ok"] != True) == [2, 3]
    assert _books(store, Book.dims["ok"] == 1) == [3]
    assert _books(store, Book.dims["n"].in_(["x", 5])) == [1, 2]
    assert _books(store, Book.dims["n"].not_in(["x", 5])) == [3, 5]
    assert _books(store, Book.dims["w"].between(1, 3.2)) == [1]
    assert _books(store, Book.dims["n"].like("a%")) == [5]


def test_json_null_is_null(store: Store) -> None:
    """A place is NULL where nothing stands, and where JSON's null does."""

    assert _books(store, Book.dims["z"] == None) == [1, 2, 3, 4, 5]
    assert _books(store, Book.dims["ok"] != None) == [1, 2, 3]


def test_json_paths(store: Store) -> None:
    """F66: keys are data, whatever is in them; an index may count from the end."""

    assert _books(store, Book.dims["a"][1]["b"] == "c") == [1]
    assert _books(store, Book.dims["a"][-1]["b"] == "c") == [1]
    assert _books(store, Book.dims['q"u.o'] == 1) == [3]
    assert _books(store, Book.dims["$.w') OR 1=1 --"] == 3) == []
    assert store.values(select(Book.dims["a"]).filter(Book.title == "t1")) == [[1, {"b": "c"}]]
    assert store.values(select(Book.dims["w"]).filter(Book.title == "t5")) == [2**70]


def test_json_documents(store: Store) -> None:
    """Documents are equal whatever the order of their keys."""

    assert _books(store, Book.dims["a"] == [1, {"b": "c"}]) == [1]
    assert _books(store, Book.tags == ["x"]) == [3]
    assert _books(store, Book.tags.contains("x")) == [1, 3]
    assert _books(store, Book.tags.contains(["y", "x"])) == [1]
    assert _books(store, Book.tags.contains(1)) == []
    assert _books(store, Book.dims.contains({"w": 3})) == [1]


def test_json_order_is_by_value(store: Store) -> None:
    """10 comes after 9, not before."""
    query = select(Book.title).filter(Book.dims["w"] > 0).order_by(Book.dims["w"].desc())

    assert store.values(query) == ["t5", "t2", "t1"]


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql", "mariadb"])
def test_json_needs_a_cast_where_its_kind_is_unknown(dialect: str) -> None:
    """What stores would guess about a place in a document is asked for instead."""
    for query in (
        select(func.max(Book.dims["w"])),
        select(func.coalesce(Book.dims["w"], Book.title)),
        select(Book.id).filter(Book.dims["w"] < {"a": 1}),
        select(Book.id).filter(Book.dims["w"] == Author.joined).join(Author, Author.id == 1),
    ):
        with pytest.raises(QueryError):
            query.compile(dialect)


# -- writing


def test_upsert(store: Store) -> None:
    """An insert that meets a row leaves it alone, or changes it."""
    again = insert(Author, email="ann@x.org", name="New", joined=YEAR).on_conflict(Author.email)
    store.rows(again.nothing())
    before = store.rows(select(Author.name, Author.version).filter(Author.id == 1))
    store.rows(again.update(Author.name, {Author.age: Author.age + 1}))
    after = store.rows(select(Author.name, Author.age, Author.version).filter(Author.id == 1))

    assert before == [("Ann", 1)]
    assert after == [("New", 31, 2)]


def test_returning(store: Store) -> None:
    """What comes back is decoded like anything that is read."""
    statement = insert(Author, email="n", name="N").returning(Author.joined, Author.active)
    moment, active = store.rows(statement)[0]

    assert moment.tzinfo is UTC
    assert active is True
    assert store.values(delete(Author).where(Author.email == "n").returning(Author.name)) == ["N"]


def test_a_value_that_does_not_fit_is_refused() -> None:
    """F72: the error is typed, comes before anything is sent and does not say the value."""
    with pytest.raises(ValidationError) as caught:
        update(Book).set({Book.price: Decimal("1.2345")}).where(Book.title == "x").compile("sqlite")

    assert "1.2345" not in str(caught.value)
