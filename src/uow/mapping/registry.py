"""`Registry`: the mapped classes by table name."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

from uow.errors import MappingError

if TYPE_CHECKING:
    from uow.mapping.mapper import Mapper

__all__ = ["Registry", "default_registry", "registering_in", "registry_in_use"]

_Place: TypeAlias = tuple[str | None, str, bool]
"""A schema, a name in it, and whether it is a collection."""


class Registry:
    """The mapped classes that may refer to each other; a table name is taken once.

    Classes are held weakly: one made in a function goes when nothing uses it any more.
    """

    __slots__ = ("__weakref__", "_counter", "_entries", "_shares_collections")

    def __init__(self, *, shares_collections: bool = False) -> None:
        """Make an empty one.

        Args:
            shares_collections: several document classes may be of one collection.
        """
        self._shares_collections = shares_collections
        self._entries: dict[_Place, tuple[int, weakref.ref[Mapper]]] = {}
        self._counter = itertools.count()

    def __repr__(self) -> str:
        return f"<Registry of {len(self.mappers())} classes>"

    def register(self, mapper: Mapper) -> None:
        """Take a new class in; the same class defined again takes the older one's place.

        Raises:
            MappingError: another class has the table's name.
        """
        table = _place(mapper)
        if self._shares_collections and mapper.document is not None:
            table = (mapper.schema, f"{mapper.table_name}\0{_full_name(mapper)}", True)
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
        return self._get((schema, table_name, False))

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

    def _get(self, table: _Place) -> Mapper | None:
        entry = self._entries.get(table)
        return None if entry is None else entry[1]()

    def _forget_targets(self) -> None:
        # Foreign keys may point to the class that is being replaced.
        for mapper in self.mappers():
            for one in (mapper, *mapper.tables):
                for foreign_key in one.foreign_keys:
                    foreign_key.forget()
                    one.is_configured = False
            for relation in mapper.relations.values():
                relation.forget()
                mapper.is_configured = False


def _place(mapper: Mapper) -> _Place:
    """Where a mapper is held; no text names the place of a class in the table of another."""
    is_document = mapper.document is not None
    if is_document and mapper.root is not mapper:
        return mapper.schema, f"{mapper.table_name}\0{_full_name(mapper)}", True
    if mapper.tables[-1] is mapper or mapper.tables[-1].owner is mapper:
        return mapper.schema, mapper.table_name, is_document
    return mapper.schema, f"{mapper.table_name}\0{_full_name(mapper)}", is_document


def _is_same_class(one: Mapper, other: Mapper) -> bool:
    return _full_name(one) == _full_name(other)


def _full_name(mapper: Mapper) -> str:
    return f"{mapper.class_.__module__}.{mapper.class_.__qualname__}"


default_registry = Registry()
"""Where classes go that name no other registry in their Settings."""


_in_use: ContextVar[Registry | None] = ContextVar("uow_registry", default=None)


@contextmanager
def registering_in(registry: Registry) -> Generator[None]:
    """Have document classes that name no registry go into this one, for the length of a block."""
    token = _in_use.set(registry)
    try:
        yield
    finally:
        _in_use.reset(token)


def registry_in_use() -> Registry:
    """Give the registry for document classes that name none."""
    return _in_use.get() or default_registry
