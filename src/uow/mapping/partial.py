"""The private class of objects that miss columns: reading one of those says what loads it."""

from __future__ import annotations

from typing import Any, NoReturn, cast

import attr

from uow.errors import NotLoadedError
from uow.mapping.mapper import Mapper

__all__ = ["make_partial"]


def make_partial(mapper: Mapper) -> type[Any]:
    """Make the class that the objects of a mapper have while they miss columns."""
    public = mapper.class_
    # Made on the storage and moved below the public class afterwards: a user's
    # `__init_subclass__` must not hear of it.
    partial: Any = type.__new__(
        type(public),
        public.__name__,
        (mapper.storage,),
        {
            "__slots__": (),
            "__module__": public.__module__,
            "__qualname__": public.__qualname__,
            "__doc__": public.__doc__,
            "__getattr__": _missing,
            "__new__": _new_complete,
            "__init__": _skip_init,
            "__attrs_attrs__": _attrs_of_partial(mapper),
        },
    )
    type.__setattr__(partial, "__bases__", (public,))
    return cast("type[Any]", partial)


def _missing(self: Any, name: str) -> NoReturn:
    mapper: Mapper = self._uow_mapper
    column = mapper.by_attribute.get(name)
    if column is None:
        text = f"{mapper.name!r} object has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=self)
    if column.by_relation and self._uow_state.stored.value in ("transient", "pending"):
        raise NotLoadedError(
            f"{column} has no value yet: a relation gives it one when the session flushes"
        )
    if column.is_made_by_store or column.version:
        raise NotLoadedError(
            f"{column} is made by the store: await session.flush() for a new object, await "
            "session.refresh(obj) for one that is stored"
        )
    raise NotLoadedError(f"{column} is not loaded: await session.refresh(obj)")


def _new_complete(cls: type, /, *args: Any, **values: Any) -> Any:
    """`attrs.evolve` makes an object of the class it was given: answer one of the public class."""
    mapper: Mapper = type.__getattribute__(cls, "_uow_mapper")
    return mapper.class_(*args, **values)


def _skip_init(self: object, *_: object, **__: object) -> None:
    """The object comes initialised out of `__new__`."""


def _attrs_of_partial(mapper: Mapper) -> Any:
    """The fields, but `attrs.evolve` does not ask the object for what the store fills in."""
    key = {column.attribute for column in mapper.key}
    fields = attr.fields(mapper.storage)
    made = {
        column.attribute for column in mapper.columns if column.is_made_by_store or column.version
    }
    changed = [
        field.evolve(init=False) if field.name in made and field.name not in key else field
        for field in fields
    ]
    return type(fields)(changed)
