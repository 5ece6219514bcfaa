"""A library's shelfmarks: every subject knows the whole way to itself (materialised paths)."""

from __future__ import annotations

import asyncio
import os

from uow import Column, Database, Mapped, Session, Table, case, func

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Subject(Table):
    """A subject; what is below it has its path, and a slash, at the beginning."""

    class Settings:
        name = "example_subjects"

    path: Mapped[str] = Column(primary_key=True, max_length=200)
    name: Mapped[str]

    @property
    def depth(self) -> int:
        """How many subjects it is in."""
        return self.path.count("/")


async def main() -> None:
    """Read a branch with one condition, in order, and count along the way up."""
    async with Database(URL) as db:
        await db.create_all([Subject])
        async with Session.begin(db) as session:
            for path in ("art", "art/music", "art/music/jazz", "art/painting", "arts-and-crafts"):
                session.add(Subject(path=path, name=path.rpartition("/")[2]))
        async with Session(db) as session:
            branch = (Subject.path == "art") | Subject.path.startswith("art/")
            for subject in await session.find(Subject, branch).order_by(Subject.path).to_list():
                print("  " * subject.depth + subject.name)
            above = ["art", "art/music"]
            named = case((Subject.path == "art", "top"), else_="below")
            rows = (
                await session.find(Subject, Subject.path.in_(above))
                .select(Subject.name, named.label("place"))
                .order_by(Subject.path)
                .to_list()
            )
            print([(row.name, row.place) for row in rows])
            print(await session.find(Subject).select(func.count()).values())
        await db.drop_all([Subject])


if __name__ == "__main__":
    asyncio.run(main())
