"""An archive: classes that share fields and nothing else, each with a table of its own.

Concrete inheritance is for classes whose rows never meet: each table has everything, and keys of
its own, and no other table is touched to read or to write it. A query for the base reads all of
them as one. A scan refers to what it was made of: a foreign key is to one table, never to three.

    python examples/archive.py [URL of a database]
"""

from __future__ import annotations

import asyncio
import sys

from uow import Column, Database, Mapped, Session, Table, select


class Item(Table):
    """What is kept."""

    class Settings:
        name = "items"
        inheritance = "concrete"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    title: Mapped[str] = Column(max_length=50, index=True)
    year: Mapped[int]


class Book(Item):
    """Bound paper."""

    class Settings:
        name = "archived_books"

    pages: Mapped[int]


class Manuscript(Book):
    """Bound paper of which there is one."""

    class Settings:
        name = "manuscripts"

    hand: Mapped[str] = Column(max_length=50)


class Recording(Item):
    """What is heard."""

    class Settings:
        name = "recordings"

    minutes: Mapped[int]


class Scan(Table):
    """Pictures of a manuscript."""

    class Settings:
        name = "scans"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    manuscript_id: Mapped[int] = Column(foreign_key=Manuscript.id)
    dpi: Mapped[int]


async def main(url: str) -> None:
    """Fill the archive, and look through it."""
    async with Database(url) as db:
        await db.create_all([Item, Scan])
        letters = Manuscript(title="Letters", year=1650, pages=80, hand="unknown")
        async with Session.begin(db) as session:
            session.add_all(
                [
                    letters,
                    Book(title="Atlas", year=1595, pages=200),
                    Recording(title="Voices", year=1910, minutes=4),
                    Item(title="A box", year=1800),
                ]
            )
            await session.flush()
            session.add(Scan(manuscript_id=letters.id, dpi=600))

        async with Session(db) as session:
            for item in await session.find(Item).order_by(Item.year).to_list():
                print(f"{item.year} {item.title}: {type(item).__name__} {item.id}")
            print(await session.find(Item, Item.year < 1700).count(), "before 1700")
            print([book.title for book in await session.find(Book).order_by(Book.title).to_list()])
            only_books = session.find(Book, with_children=False)
            print(await only_books.count(), "that is printed")

            scanned = select(Manuscript.title, Scan.dpi).join(
                Scan, Scan.manuscript_id == Manuscript.id
            )
            print([tuple(row) for row in await session.execute(scanned)])

            book = await session.find(Book, Book.title == "Atlas").one()
            manuscript = await session.get_one(Manuscript, letters.id)
            manuscript.hand = "Anna's"
            await session.commit()

            assert book.id == manuscript.id == 1
            assert await session.find(Item, Manuscript.hand == "Anna's").one() is manuscript


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "sqlite://"))
