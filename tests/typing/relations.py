"""What type checkers must see of relations, with no plugin; never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

from uow import (
    Column,
    Mapped,
    Related,
    RelatedList,
    RelationPath,
    Session,
    Table,
    WriteOnlyList,
    joined,
    related,
)
from uow.expressions import Expression
from uow.mapping.related import WriteOnly


class Author(Table):
    """Has lists."""

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    books: RelatedList[Book] = related(back="author", cascade="all, delete-orphan")
    profile: Related[Profile | None] = related(back="author", default=None)
    events: WriteOnlyList[Event] = related(back="author")


class Book(Table):
    """Has one author."""

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    author_id: Mapped[int] = Column(foreign_key="author.id", default=None)
    title: Mapped[str]
    author: Related[Author] = related(back="books", default=None)


class Profile(Table):
    """Of one author."""

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    author_id: Mapped[int | None] = Column(foreign_key="author.id", unique=True, default=None)
    author: Related[Author | None] = related(back="profile")


class Event(Table):
    """One of many."""

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    author_id: Mapped[int] = Column(foreign_key="author.id")
    author: Related[Author] = related(back="events")


def on_objects(author: Author, book: Book) -> None:
    """An object gives what it is related to."""
    assert_type(author.books, list[Book])
    assert_type(book.author, Author)
    assert_type(author.profile, Profile | None)
    assert_type(author.events, WriteOnly[Event])
    author.books.append(book)
    author.books.append(author)  # type: ignore[arg-type]
    author.books = [book]
    author.books = [author]  # type: ignore[list-item]
    book.author = author
    book.author = None  # type: ignore[assignment]
    author.profile = None
    author.events.add(book)  # type: ignore[arg-type]


def on_classes() -> None:
    """A class gives paths and conditions."""
    assert_type(Author.books, RelationPath[Book])
    assert_type(Book.author, RelationPath[Author])
    assert_type(Author.books.any(Book.title == "x"), Expression[bool])
    assert_type(Author.books.count(), Expression[int])
    assert_type(joined(Author.books.where(Book.title == "x").limit(3)), RelationPath[Book])


def constructors(author: Author) -> None:
    """A relation is a parameter where it has a default."""
    Book(title="x", author=author)
    Book(title="x")
    Book(title="x", author=3)  # type: ignore[arg-type]
    Author(name="x", books=[])  # type: ignore[call-arg]


async def in_sessions(session: Session, author: Author) -> None:
    """Paths load."""
    await session.load(author, Author.books, Author.books.author)
    await session.load([author], Author.books)
    await session.load(author, Author.name)  # type: ignore[arg-type]
    assert_type(await session.count_related([author], Author.books), list[int])
    found = await session.find(Author).load(Author.books).to_list()
    assert_type(found, list[Author])
    assert_type(await session.get(Author, 1, load=[Author.books]), Author | None)
