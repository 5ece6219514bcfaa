"""Addresses of customers and of suppliers (generic associations).

Both kinds of owners have addresses of one class, each by a link table of its own: every foreign
key is a real one, and an address knows both of its sides.
"""

from __future__ import annotations

import asyncio
import os

from uow import Column, Database, Mapped, RelatedList, Session, Table, related

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Address(Table):
    """Where somebody is."""

    class Settings:
        name = "example_addresses"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    city: Mapped[str]
    customers: RelatedList[Customer] = related(default=None, through="example_customer_addresses")
    suppliers: RelatedList[Supplier] = related(default=None, through="example_supplier_addresses")


class Customer(Table):
    """Somebody who buys."""

    class Settings:
        name = "example_customers"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    addresses: RelatedList[Address] = related(
        default=None, through="example_customer_addresses", back="customers"
    )


class Supplier(Table):
    """Somebody who sells."""

    class Settings:
        name = "example_suppliers"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    addresses: RelatedList[Address] = related(
        default=None, through="example_supplier_addresses", back="suppliers"
    )


async def main() -> None:
    """Store owners of both kinds at one address, and ask who is there."""
    models = [Address, Customer, Supplier]
    async with Database(URL) as db:
        await db.create_all(models)
        async with Session.begin(db) as session:
            oslo, rome = Address(city="Oslo"), Address(city="Rome")
            session.add(Customer(name="Ann", addresses=[oslo, rome]))
            session.add(Supplier(name="Bolts & Nuts", addresses=[oslo]))
        async with Session(db) as session:
            query = session.find(Address).order_by(Address.city)
            for address in await query.load(Address.customers, Address.suppliers).to_list():
                people = [one.name for one in address.customers]
                people += [one.name for one in address.suppliers]
                print(address.city, people)
            sellers = Address.suppliers.any()
            print(await session.find(Address, ~sellers).select(Address.city).values())
        await db.drop_all(models)


if __name__ == "__main__":
    asyncio.run(main())
