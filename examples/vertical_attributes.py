"""Animals with whatever facts are known of each (vertical attributes).

A fact is a row; to the program the facts of an animal are a dict.
"""

from __future__ import annotations

import asyncio
import os

from uow import Column, Database, Mapped, Related, RelatedList, Session, Table, related

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Animal(Table):
    """An animal and its facts."""

    class Settings:
        name = "example_animals"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]
    facts: RelatedList[Fact] = related(default=None, back="animal", cascade="all, delete-orphan")

    def __getitem__(self, key: str) -> str:
        return next(fact.value for fact in self.facts if fact.name == key)

    def __setitem__(self, key: str, value: str) -> None:
        for fact in self.facts:
            if fact.name == key:
                fact.value = value
                return
        self.facts.append(Fact(name=key, value=value))

    def __delitem__(self, key: str) -> None:
        self.facts = [fact for fact in self.facts if fact.name != key]


class Fact(Table):
    """One fact of one animal."""

    class Settings:
        name = "example_facts"
        constraints = [{"unique": ["animal_id", "name"]}]  # noqa: RUF012 - a setting

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    animal_id: Mapped[int] = Column(foreign_key="example_animals.id", default=None)
    name: Mapped[str] = Column(max_length=50)
    value: Mapped[str]
    animal: Related[Animal] = related(default=None)


async def main() -> None:
    """Note facts, change and forget some, and find animals by them."""
    async with Database(URL) as db:
        await db.create_all([Animal, Fact])
        async with Session.begin(db) as session:
            for name, facts in {
                "platypus": {"lays": "eggs", "bill": "yes", "fur": "yes"},
                "duck": {"lays": "eggs", "bill": "yes"},
            }.items():
                animal = Animal(name=name)
                for key, value in facts.items():
                    animal[key] = value
                session.add(animal)
        async with Session.begin(db) as session:
            duck = await session.find(Animal, Animal.name == "duck").load(Animal.facts).one()
            duck["lays"] = "many eggs"
            del duck["bill"]
        async with Session(db) as session:
            with_fur = Animal.facts.any((Fact.name == "fur") & (Fact.value == "yes"))
            print([animal.name for animal in await session.find(Animal, with_fur).to_list()])
            query = session.find(Animal).order_by(Animal.name).load(Animal.facts)
            for animal in await query.to_list():
                print(animal.name, sorted((fact.name, fact.value) for fact in animal.facts))
        await db.drop_all([Fact, Animal])


if __name__ == "__main__":
    asyncio.run(main())
