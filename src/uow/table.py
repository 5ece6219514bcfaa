"""`Table`: the base of the classes users map to SQL tables, with the active-record verbs.

Inside `async with Session(...)` the verbs use that session; outside, each is a unit of its own
on the default database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from uow.errors import NotFoundError, UnknownFieldError
from uow.mapping.mapper import mapper_of
from uow.query.builder import Query
from uow.query.related import RelationExpressions
from uow.session.active import ambient_executor, unit
from uow.tracking.relations import RelationLinker
from uow.tracking.state import State, Tracked, state_of

if TYPE_CHECKING:
    from uow.expressions import Expression

__all__ = ["Table"]


class Table(Tracked, mapped=False):
    """Base of mapped classes; a subclass with annotated fields is a table.

    ```python
    class Author(Table):
        id: Mapped[int] = Column(primary_key=True, auto_increment=True)
        email: Mapped[str] = Column(unique=True, max_length=255)
        name: Mapped[str]
    ```

    Objects are made with keywords, compare by identity, and are attrs classes
    (`attrs.fields(Author)`, `attrs.evolve(author, name="Ann")`).
    """

    __slots__ = ()

    _linker = RelationLinker()
    _relation_queries = RelationExpressions()

    async def save(self) -> Self:
        """Store the object: a new one is inserted, one with changes is updated.

        In a session this flushes it; outside it is a unit of its own.

        Raises:
            UowError: as `Session.flush`.
        """
        async with unit() as session:
            session.add(self)
        return self

    async def delete(self) -> None:
        """Delete the object's row.

        Raises:
            ObjectStateError: it was never stored.
            UowError: as `Session.flush`.
        """
        async with unit() as session:
            session.delete(self)

    async def refresh(self) -> Self:
        """Read the object again, dropping its changes.

        Raises:
            NotFoundError: its row is gone.
            ObjectStateError: it was never stored.
        """
        async with unit(writes=False) as session:
            found = state_of(self)
            if self not in session and found.stored is State.PERSISTENT:
                session.add(self)
            await session.refresh(self)
        return self

    async def update(self, **values: object) -> Self:
        """Set fields and store the object.

        Raises:
            UnknownFieldError: there is no field of that name; nothing was set.
            UowError: as `save`.
        """
        mapper = mapper_of(self)
        unknown = [name for name in values if name not in mapper.by_attribute]
        if unknown:
            raise UnknownFieldError(
                f"{mapper.name} has no field {', '.join(map(repr, unknown))}; nothing was set"
            )
        for name, value in values.items():
            setattr(self, name, value)
        return await self.save()

    @classmethod
    async def insert(cls, **values: Any) -> Self:
        """Make an object and store it.

        Raises:
            ValidationError: values do not fit, or are missing.
            UowError: as `save`.
        """
        return await cls(**values).save()

    @classmethod
    async def get(cls, key: object) -> Self:
        """Give the object with a key.

        Args:
            key: the value of the key, or a tuple for a composite one.

        Raises:
            NotFoundError: there is no such row.
        """
        async with unit(writes=False) as session:
            found = await session.get(cls, key)
        if found is None:
            raise NotFoundError(f"there is no {cls.__name__} with this key")
        return found

    @classmethod
    def find(cls, *conditions: Expression[bool], with_children: bool = True) -> Query[Self]:
        """Build a query; nothing is sent until one of its terminals is awaited.

        Args:
            conditions: all of them must hold.
            with_children: also give objects of classes below this one.

        Raises:
            QueryError: a condition is not an expression.
        """
        return Query(cls, ambient_executor, *conditions).with_children(with_children)

    @classmethod
    async def find_one(cls, *conditions: Expression[bool]) -> Self | None:
        """Give the first object that matches, or None."""
        return await cls.find(*conditions).first()

    @classmethod
    async def count(cls, *conditions: Expression[bool]) -> int:
        """Count the rows that match."""
        return await cls.find(*conditions).count()
