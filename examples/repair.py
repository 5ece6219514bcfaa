"""An import with a mistake in it: the failed commit is repaired and tried again, nothing is lost.

Ten members are taken over from a list in which two share an address. The store refuses the unit.
The session is as it was before the attempt, so the one wrong object is corrected and the same work
is committed.
"""

from __future__ import annotations

import asyncio

from uow import Column, ConstraintError, Database, Mapped, Session, State, Table, state


class Member(Table):
    """A member of the club."""

    class Settings:
        name = "members"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=255)
    name: Mapped[str]


async def main() -> None:
    """Import, fail, repair, commit."""
    members = [Member(email=f"member{n % 9}@example.org", name=f"Member {n}") for n in range(10)]
    async with Database("sqlite://") as db:
        await db.create_all([Member])
        async with Session(db) as session:
            session.add_all(members)
            try:
                await session.commit()
            except ConstraintError as error:
                print(f"refused: {error.kind.value} {', '.join(error.columns)}")

            assert all(state(member) is State.PENDING for member in members)

            members[9].email = "member9@example.org"
            await session.commit()
            print(await session.find(Member).count(), "members, keys", *[one.id for one in members])


if __name__ == "__main__":
    asyncio.run(main())
