"""A tree of folders, stored in whatever order it comes, under trio.

Rows that refer to rows of their own table are written parents first. A branch that turns out to be
forbidden is given up alone: the savepoint takes its objects back, the rest of the unit goes on.
"""

from __future__ import annotations

from uuid import UUID

import trio

from uow import Column, Database, Mapped, Session, Table, uuid7


class Folder(Table):
    """A folder in a folder."""

    class Settings:
        name = "folders"

    id: Mapped[UUID] = Column(primary_key=True, default=uuid7)
    parent_id: Mapped[UUID | None] = Column(default=None, foreign_key="folders.id")
    name: Mapped[str]


class ForbiddenError(Exception):
    """The folder may not be taken over."""


def branch(name: str, parent: Folder | None, depth: int) -> list[Folder]:
    """A folder and two more in it, and so on; children before their parents."""
    folder = Folder(name=name, parent_id=parent.id if parent else None)
    inside = [
        found
        for number in range(2 if depth else 0)
        for found in branch(f"{name}/{number}", folder, depth - 1)
    ]
    return [*inside, folder]


async def take_over(session: Session, folders: list[Folder]) -> None:
    """Store a branch as a part of the unit, all of it or nothing of it."""
    async with session.begin_nested():
        session.add_all(folders)
        await session.flush()
        if folders[-1].name == "private":
            raise ForbiddenError(folders[-1].name)


async def main() -> None:
    """Take over three branches, one of them forbidden."""
    async with Database("sqlite://") as db:
        await db.create_all([Folder])
        async with Session.begin(db) as session:
            for name in ("music", "private", "texts"):
                try:
                    await take_over(session, branch(name, None, depth=3))
                except ForbiddenError as error:
                    print("left out:", error)
        async with Session(db) as session:
            roots = await session.find(Folder, Folder.parent_id.is_null()).to_list()
            print(sorted(folder.name for folder in roots))
            print(await session.find(Folder).count(), "folders")


if __name__ == "__main__":
    trio.run(main)
