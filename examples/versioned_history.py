"""Contracts whose every version is kept (versioned history).

A hook writes what a contract was before it is changed, in the same flush.
"""

from __future__ import annotations

import asyncio
import os

from uow import (
    Column,
    Database,
    Mapped,
    Related,
    RelatedList,
    Session,
    Table,
    before_update,
    changes,
    related,
)

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Contract(Table):
    """A contract as it is now; its history is added to, and never loaded by the way."""

    class Settings:
        name = "example_contracts"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    title: Mapped[str]
    price: Mapped[int]
    version: Mapped[int] = Column(version=True)
    history: RelatedList[Revision] = related(default=None, back="contract", order_by="version")

    @before_update
    def keep(self) -> None:
        """Keep what the row holds before it is changed."""
        old = {name: before for name, (before, _) in changes(self).items()}
        Revision(
            contract=self,
            version=self.version,
            title=old.get("title", self.title),
            price=old.get("price", self.price),
        )


class Revision(Table):
    """A contract as it was."""

    class Settings:
        name = "example_revisions"

    contract_id: Mapped[int] = Column(
        primary_key=True, foreign_key="example_contracts.id", default=None
    )
    version: Mapped[int] = Column(primary_key=True)
    title: Mapped[str]
    price: Mapped[int]
    contract: Related[Contract] = related(default=None)


async def main() -> None:
    """Change a contract twice, and look at what it was."""
    async with Database(URL) as db:
        await db.create_all([Contract, Revision])
        async with Session(db) as session:
            contract = Contract(title="Rent", price=900)
            session.add(contract)
            await session.commit()
            contract.price = 950
            await session.commit()
            contract.title, contract.price = "Rent, with garden", 1_000
            await session.commit()
            number = contract.id
        async with Session(db) as session:
            found = await session.get_one(Contract, number, load=[Contract.history])
            for revision in found.history:
                print(f"v{revision.version}: {revision.title}, {revision.price}")
            print(f"v{found.version}: {found.title}, {found.price}")
        await db.drop_all([Revision, Contract])


if __name__ == "__main__":
    asyncio.run(main())
