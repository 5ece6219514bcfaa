"""Money moves between accounts, or it does not: a unit of work is all or nothing.

A check constraint keeps balances from going below zero. A transfer that would break it is refused
as a whole, and the objects in memory are back where the file is.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from uow import Column, ConstraintError, Database, Mapped, Session, Table, run


class Account(Table):
    """An account, by the name of its owner."""

    class Settings:
        name = "accounts"

    owner: Mapped[str] = Column(primary_key=True, max_length=50)
    cents: Mapped[int] = Column(default=0, check="cents >= 0")
    version: Mapped[int] = Column(version=True)


class Transfer(Table):
    """One movement of money."""

    class Settings:
        name = "transfers"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    source: Mapped[str] = Column(foreign_key="accounts.owner")
    target: Mapped[str] = Column(foreign_key="accounts.owner")
    amount: Mapped[Decimal] = Column(precision=12, scale=2)


async def transfer(session: Session, source: str, target: str, amount: Decimal) -> None:
    """Move money; both accounts and the record of it are written together."""
    giver = await session.get_one(Account, source)
    taker = await session.get_one(Account, target)
    cents = int(amount * 100)
    giver.cents -= cents
    taker.cents += cents
    session.add(Transfer(source=source, target=target, amount=amount))


async def main() -> None:
    """Open two accounts and try three transfers."""
    async with Database("sqlite://") as db:
        await db.create_all([Account, Transfer])
        async with Session.begin(db) as session:
            session.add_all([Account(owner="ann", cents=10_000), Account(owner="bob")])

        for amount in (Decimal("60.00"), Decimal("60.00"), Decimal("40.00")):

            async def work(session: Session, amount: Decimal = amount) -> None:
                await transfer(session, "ann", "bob", amount)

            try:
                await run(work, db, retries=3)  # again from the start if another writer was faster
                print(f"moved {amount}")
            except ConstraintError as error:
                print(f"refused {amount}: {error.kind.value}")

        async with Session(db) as session:
            ann, bob = await session.find(Account).order_by(Account.owner).to_list()
            print(f"ann {ann.cents / 100:.2f}, bob {bob.cents / 100:.2f}")
            print(await session.find(Transfer).count(), "transfers")

            assert (ann.cents, bob.cents) == (0, 10_000)


if __name__ == "__main__":
    asyncio.run(main())
