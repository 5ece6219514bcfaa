"""Rows to objects and back (M4: what comes from the store is trusted)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from tests.uow.mapping.base import Base
from uow.debug import generated
from uow.errors import MappingError, NotLoadedError
from uow.mapping.columns import Column, Mapped
from uow.mapping.hydration import make_hydrator, make_overwriter, make_reader
from uow.mapping.mapper import MappedColumn, mapper_of


class Keeper:
    """Who reads lazy values; tells the store of the object."""

    def read(self, obj: Any, column: MappedColumn, raw: Any) -> Any:
        value = None if raw is None else raw.split(",")
        column.set_slot(obj, value)
        if raw is not None:
            obj._uow_state.read.append((obj, column.attribute, raw))
        return value

    def keep(self, obj: Any, column: MappedColumn, value: Any) -> None:
        column.set_slot(obj, value)

    def keep_all(self, obj: Any, columns: Sequence[MappedColumn], values: Sequence[Any]) -> None:
        for column, value in zip(columns, values, strict=True):
            self.keep(obj, column, value)


class Book(Base):
    _keeper = Keeper()

    id: Mapped[int] = Column(primary_key=True)
    title: Mapped[str]
    price: Mapped[int | None] = Column(default=None)
    tags: Mapped[list[str] | None] = Column(default_factory=list)


class Line(Base):
    order: Mapped[UUID] = Column(primary_key=True)
    no: Mapped[int] = Column(primary_key=True)


class Store:
    """What stands in `_uow_state`, and hears of reads."""

    def __init__(self) -> None:
        self.read: list[tuple[object, str, Any]] = []


MAPPER = mapper_of(Book)
COLUMNS = MAPPER.columns
ALL = make_hydrator(MAPPER, COLUMNS, [None] * 4)


def test_hydrate() -> None:
    """A row becomes an object of the public class, in the identity map, with the state given."""
    store = Store()
    identity: dict[Any, Any] = {}
    (book,) = ALL([(1, "a", None, "x,y")], identity, store)

    assert type(book) is Book
    assert (book.id, book.title, book.price) == (1, "a", None)
    assert book._uow_state is store
    assert identity == {1: book}


def test_known_objects() -> None:
    """A row whose key is in the map yields that object untouched (trap 12)."""
    identity: dict[Any, Any] = {}
    (book,) = ALL([(1, "a", 2, None)], identity, None)
    book.title = "changed"
    again = ALL([(1, "b", 3, None), (1, "c", 4, None), (2, "d", 5, None)], identity, None)

    assert again[0] is again[1] is book
    assert (book.title, book.price) == ("changed", 2)
    assert again[2].title == "d"


def test_decoders() -> None:
    """Values are decoded on load, but NULL is not shown to a decoder of a nullable column."""
    hydrate = make_hydrator(MAPPER, COLUMNS, [int, str.upper, lambda v: v * 10, None])
    one, two = hydrate([("1", "a", 2, None), ("2", "b", None, None)], {}, None)

    assert (one.id, one.title, one.price) == (1, "A", 20)
    assert two.price is None


def test_composite_key() -> None:
    """A composite key is a tuple of decoded values."""
    identity: dict[Any, Any] = {}
    mapper = mapper_of(Line)
    uuid = UUID(int=7)
    hydrate = make_hydrator(mapper, mapper.columns, [lambda raw: UUID(bytes=raw), None])
    hydrate([(uuid.bytes, 2)], identity, None)

    assert list(identity) == [(uuid, 2)]


def test_lazy_values() -> None:
    """A lazy value is decoded at its first read, once, and the state hears of it."""
    store = Store()
    one, two = ALL([(1, "a", None, "x,y"), (2, "b", None, None)], {}, store)

    assert store.read == []
    assert one.tags == ["x", "y"]
    assert one.tags is one.tags
    assert two.tags is None
    assert store.read == [(one, "tags", "x,y")]


def test_lazy_write() -> None:
    """A lazy column that is written first is never decoded."""
    store = Store()
    (book,) = ALL([(1, "a", None, "x")], {}, store)
    book.tags = ["new"]

    assert book.tags == ["new"]
    assert store.read == []


def test_partial_rows() -> None:
    """What was not selected is not loaded, until a row brings it."""
    identity: dict[Any, Any] = {}
    some = make_hydrator(MAPPER, COLUMNS[:2], [None] * 2)
    (book,) = some([(1, "a")], identity, Store())

    assert type(book) is MAPPER.partial
    with pytest.raises(NotLoadedError, match=r"Book.price is not loaded"):
        book.price  # noqa: B018
    with pytest.raises(NotLoadedError, match=r"Book.tags is not loaded"):
        book.tags  # noqa: B018

    book.title = "mine"
    ALL([(1, "theirs", 5, "x")], identity, None)

    assert type(book) is Book
    assert (book.title, book.price, book.tags) == ("mine", 5, ["x"])


def test_other_shapes() -> None:
    """A row may hold values that are not this mapper's, and columns in any order."""
    title, id_ = COLUMNS[1], COLUMNS[0]
    hydrate = make_hydrator(MAPPER, [None, title, id_], [None, None, None])
    (book,) = hydrate([("?", "a", 1)], {}, None)

    assert (book.id, book.title) == (1, "a")


def test_optional_rows() -> None:
    """A NULL key of an outer join is no object."""
    hydrate = make_hydrator(MAPPER, COLUMNS, [None] * 4, optional=True)

    assert hydrate([(None, None, None, None)], {}, None) == [None]


def test_key_is_needed() -> None:
    """Objects have an identity, so rows without a key cannot become objects."""
    with pytest.raises(MappingError, match=r"Book.id: rows without the key"):
        make_hydrator(MAPPER, COLUMNS[1:], [None] * 3)


@pytest.mark.parametrize("optional", [False, True])
def test_failing_decoder(optional: bool) -> None:
    """An error in a row leaves the identity map as it was, whatever was made before it."""
    hydrate = make_hydrator(MAPPER, COLUMNS, [None, None, int, None], optional=optional)
    for count in (2, 60):
        for known in ({}, {-1: object()}):
            rows = [(number, "a", "1", None) for number in range(count)]
            identity = dict(known)
            with pytest.raises(ValueError, match="invalid literal"):
                hydrate([*rows, (count, "b", "x", None)], identity, None)

            assert identity == known


def test_overwrite() -> None:
    """A refresh replaces what the object holds, decoded lazies too, and spares what is kept."""
    store = Store()
    (book,) = ALL([(1, "a", 2, "x")], {}, store)
    assert book.tags == ["x"]
    overwrite = make_overwriter(MAPPER, COLUMNS, [None, str.upper, None, None])
    overwrite(book, (1, "b", None, "y,z"))

    assert (book.title, book.price, book.tags) == ("B", None, ["y", "z"])

    overwrite(book, (1, "c", 9, "q"), frozenset({"title", "tags"}))

    assert (book.title, book.price, book.tags) == ("B", 9, ["y", "z"])
    assert type(book) is Book


def test_overwrite_some() -> None:
    """An object is complete once the last missing column came."""
    (book,) = make_hydrator(MAPPER, COLUMNS[:2], [None] * 2)([(1, "a")], {}, None)
    make_overwriter(MAPPER, COLUMNS[2:3], [None])(book, (7,))
    assert type(book) is MAPPER.partial
    make_overwriter(MAPPER, COLUMNS[3:], [None])(book, (None,))

    assert type(book) is Book
    assert book.price == 7


def test_read() -> None:
    """A reader answers the encoded values of objects; None is not shown to encoders."""
    read = make_reader(COLUMNS, [None, str.upper, float, ",".join])
    rows = read([Book(id=1, title="a", price=3, tags=["x", "y"]), Book(id=2, title="b", tags=None)])

    assert rows == [(1, "A", 3.0, "x,y"), (2, "B", None, None)]


def test_read_one_column() -> None:
    """A row of one value is a tuple too."""
    assert make_reader(COLUMNS[:1], [None])([Book(id=1, title="a")]) == [(1,)]


def test_sources() -> None:
    """Generated functions can be looked at, by shape."""
    sources = generated(Book)

    assert "hydrate(id, title, price, tags)" in sources
    assert "obj.title = v1" in sources["hydrate(id, title, price, tags)"]


def test_unloading() -> None:
    """A value can be forgotten, and the object says what it misses."""
    (book,) = ALL([(1, "a", 2, "x")], {}, Store())
    tags, price = MAPPER.column("tags"), MAPPER.column("price")
    assert tags.is_loaded(book)
    tags.unload(book)
    price.unload(book)
    MAPPER.mark(book)

    assert not tags.is_loaded(book)
    with pytest.raises(NotLoadedError, match=r"Book.tags"):
        book.tags  # noqa: B018

    price.set_slot(book, 3)
    tags.unload(book)  # a second time is no matter
    tags.set_slot(book, [])
    MAPPER.mark(book)

    assert type(book) is Book
