"""`Registry`: the mapped classes by table name."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import TYPE_CHECKING

from uow.errors import MappingError

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["Registry", "default_registry"]


class Registry:
    """The mapped classes that may refer to each other; a table name is taken once.

    Classes are held weakly: one made in a function goes when nothing uses it any more.
    """

    __slots__ = ("__weakref__", "_counter", "_entries")

    def __init__(self) -> None:
        self._entries: dict[tuple[str | None, str], tuple[int, weakref.ref[Mapper]]] = {}
        self._counter = itertools.count()

    def __repr__(self) -> str:
        return f"<Registry of {len(self.mappers())} classes>"

    def register(self, mapper: Mapper) -> None:
        """Take a new class in; the same class defined again takes the older one's place.

        Raises:
            MappingError: another class has the table's name.
        """
        table = (mapper.schema, mapper.table_name)
        other = self._get(table)
        if other is not None and not _is_same_class(other, mapper):
            del other
            gc.collect()  # the other may be garbage in a cycle, as every class is
            other = self._get(table)
        if other is not None:
            if not _is_same_class(other, mapper):
                raise MappingError(
                    f"{_full_name(mapper)}: the table {mapper.full_table_name!r} is already "
                    f"mapped by {_full_name(other)}; give one of them another Settings.name"
                )
            self._forget_targets()
        self._entries[table] = (next(self._counter), weakref.ref(mapper))

    def find(self, table_name: str, schema: str | None = None) -> Mapper | None:
        """The mapper of a table, or None."""
        return self._get((schema, table_name))

    def mappers(self) -> list[Mapper]:
        """The mappers that are still in use, in order of definition."""
        alive: list[tuple[int, Mapper]] = []
        for table, (number, reference) in list(self._entries.items()):
            mapper = reference()
            if mapper is None:
                self._entries.pop(table, None)
            else:
                alive.append((number, mapper))
        return [mapper for _, mapper in sorted(alive, key=lambda entry: entry[0])]

    def _get(self, table: tuple[str | None, str]) -> Mapper | None:
        entry = self._entries.get(table)
        return None if entry is None else entry[1]()

    def _forget_targets(self) -> None:
        # Foreign keys may point to the class that is being replaced.
        for mapper in self.mappers():
            for foreign_key in mapper.foreign_keys:
                foreign_key.forget()
                mapper.is_configured = False


def _is_same_class(one: Mapper, other: Mapper) -> bool:
    return _full_name(one) == _full_name(other)


def _full_name(mapper: Mapper) -> str:
    return f"{mapper.class_.__module__}.{mapper.class_.__qualname__}"


default_registry = Registry()
"""Where classes go that name no other registry in their Settings."""
