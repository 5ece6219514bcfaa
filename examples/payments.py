"""Payments in one table: three levels of classes, told apart by a column.

Rows of all classes stand side by side, so that sums and pages go over one table and one index; a
column that only some classes have is NULL in the rows of others, and required of their objects all
the same. A reversal refers to the payment it takes back, which may be of any class.

    python examples/payments.py [URL of a database]
"""

from __future__ import annotations

import asyncio
import sys
from enum import Enum

from uow import (
    Column,
    Database,
    Mapped,
    Session,
    Table,
    ValidationError,
    func,
    insert,
    select,
)


class Way(Enum):
    """What a row is."""

    CASH = "cash"
    CARD = "card"
    CREDIT = "credit"
    REVERSAL = "reversal"


class Payment(Table):
    """Money, in cents."""

    class Settings:
        name = "payments"
        inheritance = "single"
        discriminator_value = Way.CASH

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    way: Mapped[Way] = Column(discriminator=True, index=True)
    cents: Mapped[int]
    version: Mapped[int] = Column(version=True)


class CardPayment(Payment):
    """Paid by card; the receipt is known once."""

    class Settings:
        discriminator_value = Way.CARD

    receipt: Mapped[str] = Column(unique=True, max_length=20)


class CreditPayment(CardPayment):
    """Paid by a card that is paid later."""

    class Settings:
        discriminator_value = Way.CREDIT

    months: Mapped[int]


class Reversal(Payment):
    """Taken back."""

    class Settings:
        discriminator_value = Way.REVERSAL

    of_id: Mapped[int] = Column(foreign_key=Payment.id, unique=True)


async def take_back(session: Session, key: int) -> None:
    """Store what cancels a payment, of whatever class it is."""
    payment = await session.get_one(Payment, key, for_update=True)
    session.add(Reversal(cents=-payment.cents, of_id=payment.id))
    print(f"took back a {type(payment).__name__}")


async def main(url: str) -> None:
    """Take some payments, take one back, and count."""
    async with Database(url) as db:
        await db.create_all([Payment])
        credit = CreditPayment(cents=9_000, receipt="c-2", months=3)
        async with Session.begin(db) as session:
            session.add_all([Payment(cents=500), CardPayment(cents=1_250, receipt="c-1"), credit])
        async with Session.begin(db) as session:
            await take_back(session, credit.id)

        try:
            CardPayment(cents=1)  # type: ignore[call-arg]
        except ValidationError as error:
            print(error.problems[0])

        async with Session(db) as session:
            ways = select(Payment.way, func.sum(Payment.cents)).group_by(Payment.way)
            print(
                sorted((way.value, int(cents or 0)) for way, cents in await session.execute(ways))
            )
            cards = await session.find(CardPayment).order_by(CardPayment.receipt).to_list()
            print([(card.receipt, type(card).__name__) for card in cards])
            print(await session.find(Payment, with_children=False).count(), "in cash")

        again = insert(CardPayment, cents=1_300, receipt="c-1").on_conflict(CardPayment.receipt)
        async with Session.begin(db) as session:
            await session.execute(again.update(CardPayment.cents))
        async with Session(db) as session:
            card = await session.find(CardPayment, CardPayment.receipt == "c-1").one()
            total = await session.execute(select(func.sum(Payment.cents)))

            assert (card.cents, card.version, int(total[0][0] or 0)) == (1_300, 2, 1_800)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "sqlite://"))
