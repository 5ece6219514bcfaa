"""Load 2,000 authors with their 6,000 books: a query a level, and joined in one."""

from __future__ import annotations

import sqlite3 as sqlite3_module
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped as SaMapped
from sqlalchemy.orm import joinedload, mapped_column, relationship, selectinload

from benchmarks import by_hand_postgresql, by_hand_sqlite, with_sqlalchemy, with_uow
from benchmarks.by_hand_postgresql import PostgresqlPlace
from benchmarks.by_hand_sqlite import SqlitePlace
from benchmarks.measure import ContenderSteps, Place, Row, Sizes, timed
from uow import Column, Mapped, Related, RelatedList, Session, Table, joined, related

BOOKS_EACH = 3

AUTHORS = 'SELECT "id", "name", "country" FROM "bench_authors"'
BOOKS = 'SELECT "id", "author_id", "title", "price" FROM "bench_books"'
OF_AUTHORS = {
    "sqlite": f'{BOOKS} WHERE "author_id" IN (SELECT value FROM json_each(?))',
    "postgresql": f'{BOOKS} WHERE "author_id" = ANY($1)',
}
JOINED = """
SELECT a."id", a."name", a."country", b."id", b."author_id", b."title", b."price"
FROM "bench_authors" AS a LEFT JOIN "bench_books" AS b ON b."author_id" = a."id"
"""


class Author(Table):
    class Settings:
        name = "bench_authors"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    country: Mapped[str]
    books: RelatedList[Book] = related(back="author")


class Book(Table):
    class Settings:
        name = "bench_books"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    author_id: Mapped[int] = Column(foreign_key="bench_authors.id", index=True)
    title: Mapped[str]
    price: Mapped[int]
    author: Related[Author] = related()


class SaAuthor(with_sqlalchemy.Base):
    __tablename__ = "bench_authors"

    id: SaMapped[int] = mapped_column(with_sqlalchemy.BIG, primary_key=True)
    name: SaMapped[str]
    country: SaMapped[str]
    books: SaMapped[list[SaBook]] = relationship(back_populates="author")


class SaBook(with_sqlalchemy.Base):
    __tablename__ = "bench_books"

    id: SaMapped[int] = mapped_column(with_sqlalchemy.BIG, primary_key=True)
    author_id: SaMapped[int] = mapped_column(ForeignKey("bench_authors.id"))
    title: SaMapped[str]
    price: SaMapped[int]
    author: SaMapped[SaAuthor] = relationship(back_populates="books")


class PlainAuthor:
    """What a program by hand makes of a row."""

    __slots__ = ("books", "country", "id", "name")

    def __init__(self, id: int, name: str, country: str) -> None:  # noqa: A002
        self.id = id
        self.name = name
        self.country = country
        self.books: list[PlainBook] = []


class PlainBook:
    """See `PlainAuthor`."""

    __slots__ = ("author", "author_id", "id", "price", "title")

    def __init__(
        self,
        id: int,  # noqa: A002
        author_id: int,
        title: str,
        price: int,
        author: PlainAuthor,
    ) -> None:
        self.id = id
        self.author_id = author_id
        self.title = title
        self.price = price
        self.author = author


async def fill(place: Place, count: int) -> None:
    """Make the two tables, with so many authors."""
    async with with_uow.open_database(place) as db:
        await db.drop_all([Book, Author])
        await db.create_all([Author, Book])
        async with Session.begin(db) as session:
            authors = [Author(name=f"Author {n}", country=f"C{n % 50}") for n in range(count)]
            session.add_all(authors)
            await session.flush()
            session.add_all(
                [
                    Book(author_id=author.id, title=f"Book {n} of {author.name}", price=n)
                    for n in range(BOOKS_EACH)
                    for author in authors
                ]
            )
    if isinstance(place, PostgresqlPlace):
        await place.keeper.execute('VACUUM (ANALYZE) "bench_authors"')
        await place.keeper.execute('VACUUM (ANALYZE) "bench_books"')


def grouped(authors: Iterable[Any], books: Iterable[Any]) -> list[PlainAuthor]:
    """Make plain objects of the rows of two queries."""
    by_key = {row[0]: PlainAuthor(*row) for row in authors}
    for id_, author_id, title, price in books:
        author = by_key[author_id]
        author.books.append(PlainBook(id_, author_id, title, price, author))
    return list(by_key.values())


def grouped_joined(rows: Iterable[Any]) -> list[PlainAuthor]:
    """Make plain objects of the rows of one query."""
    by_key: dict[int, PlainAuthor] = {}
    for id_, name, country, book_id, author_id, title, price in rows:
        author = by_key.get(id_)
        if author is None:
            author = by_key[id_] = PlainAuthor(id_, name, country)
        if book_id is not None:
            author.books.append(PlainBook(book_id, author_id, title, price, author))
    return list(by_key.values())


def count(authors: Iterable[Any]) -> int:
    """Look at every book, so that it must be there."""
    return sum(len(author.books) for author in authors)


@asynccontextmanager
async def sqlite3(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await fill(place, sizes.eager)
    db = by_hand_sqlite.open_sqlite3(place.path)

    async def once() -> float:
        with timed() as watch:
            authors = db.execute(AUTHORS).fetchall()
            keys = f"[{','.join([str(row[0]) for row in authors])}]"
            count(grouped(authors, db.execute(OF_AUTHORS["sqlite"], (keys,)).fetchall()))
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def sqlite3_joined(place: SqlitePlace, sizes: Sizes) -> ContenderSteps:
    await fill(place, sizes.eager)
    db: sqlite3_module.Connection = by_hand_sqlite.open_sqlite3(place.path)

    async def once() -> float:
        with timed() as watch:
            count(grouped_joined(db.execute(JOINED).fetchall()))
        return watch.seconds * 1e3

    yield once
    db.close()


@asynccontextmanager
async def asyncpg(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    await fill(place, sizes.eager)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            with timed() as watch:
                authors = await db.fetch(AUTHORS)
                keys = [row[0] for row in authors]
                count(grouped(authors, await db.fetch(OF_AUTHORS["postgresql"], keys)))
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def asyncpg_joined(place: PostgresqlPlace, sizes: Sizes) -> ContenderSteps:
    await fill(place, sizes.eager)
    async with by_hand_postgresql.open_asyncpg(place.url) as db:

        async def once() -> float:
            with timed() as watch:
                count(grouped_joined(await db.fetch(JOINED)))
            return watch.seconds * 1e3

        yield once


@asynccontextmanager
async def _uow(place: Place, sizes: Sizes, path: Any) -> AsyncGenerator[Any]:
    await fill(place, sizes.eager)
    async with with_uow.open_database(place) as db:

        async def once() -> float:
            with timed() as watch:
                async with Session(db) as session:
                    count(await session.find(Author).load(path).to_list())
            return watch.seconds * 1e3

        yield once


def uow(place: Place, sizes: Sizes) -> Any:
    return _uow(place, sizes, Author.books)


def uow_joined(place: Place, sizes: Sizes) -> Any:
    return _uow(place, sizes, joined(Author.books))


@asynccontextmanager
async def _sqlalchemy(place: Place, sizes: Sizes, option: Any) -> AsyncGenerator[Any]:
    await fill(place, sizes.eager)
    async with with_sqlalchemy.open_engine(place) as engine:
        make_session = with_sqlalchemy.sessions(engine)

        async def once() -> float:
            with timed() as watch:
                async with make_session() as session:
                    found = await session.scalars(select(SaAuthor).options(option))
                    count(found.unique().all())
            return watch.seconds * 1e3

        yield once


def sqlalchemy(place: Place, sizes: Sizes) -> Any:
    return _sqlalchemy(place, sizes, selectinload(SaAuthor.books))


def sqlalchemy_joined(place: Place, sizes: Sizes) -> Any:
    return _sqlalchemy(place, sizes, joinedload(SaAuthor.books))


SELECT_IN = "load 2,000 authors with 6,000 books, select-in"
JOIN = "load 2,000 authors with 6,000 books, joined"

SQLITE = Row(
    key="eager",
    title=SELECT_IN,
    unit="ms",
    floor="sqlite3",
    bound=2.0,
    goal=1.6,
    contenders={"sqlite3": sqlite3, "uow": uow, "sqlalchemy": sqlalchemy},
)

SQLITE_JOINED = Row(
    key="eager_joined",
    title=JOIN,
    unit="ms",
    floor="sqlite3",
    bound=1.8,
    goal=1.6,
    contenders={"sqlite3": sqlite3_joined, "uow": uow_joined, "sqlalchemy": sqlalchemy_joined},
)

POSTGRESQL = Row(
    key="eager",
    title=SELECT_IN,
    unit="ms",
    floor="asyncpg",
    bound=2.0,
    goal=1.6,
    contenders={"asyncpg": asyncpg, "uow": uow, "sqlalchemy": sqlalchemy},
)

POSTGRESQL_JOINED = Row(
    key="eager_joined",
    title=JOIN,
    unit="ms",
    floor="asyncpg",
    bound=1.8,
    goal=1.6,
    contenders={"asyncpg": asyncpg_joined, "uow": uow_joined, "sqlalchemy": sqlalchemy_joined},
)
