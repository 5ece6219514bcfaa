"""Films, people, and the roles they have in them (association object).

The link between two classes is a class of its own, because there is more to say of it.
"""

from __future__ import annotations

import asyncio
import os

from uow import Column, Database, Mapped, Related, RelatedList, Session, Table, joined, related

URL = os.environ.get("EXAMPLE_URL", "sqlite://")


class Film(Table):
    """A film and who is in it."""

    class Settings:
        name = "example_films"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    title: Mapped[str]
    roles: RelatedList[Role] = related(
        default=None, back="film", cascade="all, delete-orphan", order_by="position"
    )


class Actor(Table):
    """Somebody."""

    class Settings:
        name = "example_actors"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    name: Mapped[str]


class Role(Table):
    """Who plays whom, and where in the credits: the key is what it links."""

    class Settings:
        name = "example_roles"

    film_id: Mapped[int] = Column(
        primary_key=True, foreign_key="example_films.id", on_delete="cascade", default=None
    )
    actor_id: Mapped[int] = Column(primary_key=True, foreign_key="example_actors.id", default=None)
    name: Mapped[str]
    position: Mapped[int]
    film: Related[Film] = related(default=None)
    actor: Related[Actor] = related(default=None)


async def main() -> None:
    """Store a film with its roles, recast one, and read the credits."""
    models = [Film, Actor, Role]
    async with Database(URL) as db:
        await db.create_all(models)
        rick, ilsa, sam = (Actor(name=name) for name in ("Rick's actor", "Ilsa's actor", "Sam"))
        async with Session.begin(db) as session:
            film = Film(title="A film in Morocco")
            film.roles = [
                Role(actor=rick, name="Rick", position=1),
                Role(actor=ilsa, name="Ilsa", position=2),
            ]
            session.add(film)
            await session.flush()
            film.roles.pop()  # an orphan is deleted
            film.roles.append(Role(actor=sam, name="Sam", position=3))
        async with Session(db) as session:
            found = await session.find(Film).load(joined(Film.roles), Film.roles.actor).one()
            for role in found.roles:
                print(f"{role.position}. {role.name}: {role.actor.name}")
        await db.drop_all(models)


if __name__ == "__main__":
    asyncio.run(main())
