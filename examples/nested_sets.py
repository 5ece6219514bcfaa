"""A menu as nested sets: every entry is an interval, and holds the intervals inside of it.

Reading a branch is one condition; putting an entry in moves what stands to its right, in one
statement, under a lock of the parent.
"""

from __future__ import annotations

import asyncio
import os

from uow import Column, Database, Mapped, Session, Table

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Entry(Table):
    """An entry from `left` to `right`."""

    class Settings:
        name = "example_entries"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    left: Mapped[int] = Column(name="lft", default=1)
    right: Mapped[int] = Column(name="rgt", default=2)


async def put_in(session: Session, parent_id: int, name: str) -> int:
    """Put an entry in as the last one of another."""
    parent = await session.get_one(Entry, parent_id, for_update=True)
    end = parent.right
    await session.find(Entry, Entry.left > end).update({Entry.left: Entry.left + 2})
    await session.find(Entry, Entry.right >= end).update({Entry.right: Entry.right + 2})
    entry = Entry(name=name, left=end, right=end + 1)
    session.add(entry)
    await session.flush()
    return entry.id


async def main() -> None:
    """Build a menu, and read a branch of it."""
    async with Database(URL) as db:
        await db.create_all([Entry])
        async with Session.begin(db) as session:
            root = Entry(name="menu")
            session.add(root)
            await session.flush()
            number = root.id
            drinks = await put_in(session, number, "drinks")
            await put_in(session, drinks, "tea")
            await put_in(session, number, "food")
            await put_in(session, drinks, "coffee")
        async with Session(db) as session:
            branch = await session.get_one(Entry, drinks)
            inside = Entry.left.between(branch.left, branch.right)
            found = await session.find(Entry, inside).order_by(Entry.left).to_list()
            print([entry.name for entry in found])
            whole = await session.get_one(Entry, number)
            print("entries:", (whole.right - whole.left + 1) // 2)
        await db.drop_all([Entry])


if __name__ == "__main__":
    asyncio.run(main())
