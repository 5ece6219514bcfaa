"""The parts of a bicycle: each part is in another one (adjacency list).

A whole tree is stored in one flush, and read with one query a level.
"""

from __future__ import annotations

import asyncio
import os

from uow import Column, Database, Mapped, Related, RelatedList, Session, Table, related

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Part(Table):
    """A part, and the part it is in."""

    class Settings:
        name = "example_parts"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    whole_id: Mapped[int | None] = Column(foreign_key="example_parts.id", default=None)
    whole: Related[Part | None] = related(default=None)
    parts: RelatedList[Part] = related(default=None, back="whole", cascade="all", order_by="name")


def show(part: Part, depth: int = 0) -> None:
    """Print a part and what is in it."""
    print("  " * depth + part.name)
    for inner in part.parts:
        show(inner, depth + 1)


async def main() -> None:
    """Store a bicycle, take a wheel out, and throw the rest away."""
    async with Database(URL) as db:
        await db.create_all([Part])
        wheel = Part(name="wheel", parts=[Part(name="rim"), Part(name="spoke")])
        bicycle = Part(name="bicycle", parts=[wheel, Part(name="frame")])
        async with Session.begin(db) as session:
            session.add(bicycle)
        async with Session.begin(db) as session:
            found = await session.get_one(Part, bicycle.id, load=[Part.parts.parts.parts])
            show(found)
            spare = next(part for part in found.parts if part.name == "wheel")
            spare.whole = None  # and so it is in the list no more
            session.delete(found)
        async with Session(db) as session:
            left = await session.find(Part).order_by(Part.name).to_list()
            print("left:", ", ".join(part.name for part in left))
        await db.drop_all([Part])


if __name__ == "__main__":
    asyncio.run(main())
