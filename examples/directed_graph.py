"""Which town can be reached from which (directed graph).

Towns are linked to towns, by a link table that is made by name; a recursive query walks along.
"""

from __future__ import annotations

import asyncio
import os

from uow import Column, Database, Mapped, RelatedList, Session, Table, related, sql

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Town(Table):
    """A town and the towns its roads lead to."""

    class Settings:
        name = "example_towns"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    roads: RelatedList[Town] = related(
        default=None, through="example_roads", via=("from_id", "to_id"), back="came_from"
    )
    came_from: RelatedList[Town] = related(default=None, through="example_roads")


async def main() -> None:
    """Build roads in one direction, and look who reaches whom."""
    async with Database(URL) as db:
        await db.create_all([Town])
        a, b, c, d = (Town(name=name) for name in "ABCD")
        a.roads, b.roads, c.roads = [b], [c], [a]  # a circle is no trouble
        d.roads = [a]
        async with Session.begin(db) as session:
            session.add(d)
        async with Session.begin(db) as session:
            for town in await session.find(Town).order_by(Town.name).load(Town.came_from).to_list():
                print(town.name, "is reached from", sorted(t.name for t in town.came_from))
            found = await session.execute(
                sql(
                    "WITH RECURSIVE reached (id) AS (SELECT CAST({start} AS bigint)"
                    " UNION SELECT r.to_id FROM example_roads r"
                    " JOIN reached ON r.from_id = reached.id)"
                    " SELECT t.name FROM example_towns t JOIN reached ON reached.id = t.id"
                    " ORDER BY t.name",
                    start=b.id,
                )
            )
            print("from B:", [row.name for row in found])
        await db.drop_all([Town])


if __name__ == "__main__":
    asyncio.run(main())
