"""Prices that are true for a time (temporal rows).

A price is never changed: a new one ends the one before it, and questions are about a day.
"""

from __future__ import annotations

import asyncio
import os
from datetime import date

from uow import Column, Database, Mapped, Related, RelatedList, Session, Table, related

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Product(Table):
    """A product and all of its prices, the first one first."""

    class Settings:
        name = "example_products"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    prices: RelatedList[Price] = related(
        default=None, back="product", cascade="all", order_by="valid_from"
    )

    def set_price(self, amount: int, on: date) -> None:
        """Give it another price from a day on."""
        if self.prices:
            self.prices[-1].valid_to = on
        self.prices.append(Price(amount=amount, valid_from=on))


class Price(Table):
    """A price from one day until, not including, another."""

    class Settings:
        name = "example_prices"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    product_id: Mapped[int] = Column(foreign_key="example_products.id", default=None)
    amount: Mapped[int]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None] = Column(default=None)
    product: Related[Product] = related(default=None)


async def main() -> None:
    """Set prices, and ask what was true when."""
    async with Database(URL) as db:
        await db.create_all([Product, Price])
        async with Session.begin(db) as session:
            tea = Product(name="tea")
            tea.set_price(300, date(2024, 1, 1))
            tea.set_price(350, date(2025, 1, 1))
            session.add(tea)
        for day in (date(2024, 6, 1), date(2025, 6, 1)):
            async with Session(db) as session:
                then = (Price.valid_from <= day) & (
                    Price.valid_to.is_null() | (Price.valid_to > day)
                )
                found = await session.find(Product).load(Product.prices.where(then)).one()
                print(day, found.name, [price.amount for price in found.prices])
        await db.drop_all([Price, Product])


if __name__ == "__main__":
    asyncio.run(main())
