"""The private class below a mapped one: the slots, the constructor, and no write hook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import attr

from uow.errors import MappingError
from uow.mapping.columns import MISSING
from uow.mapping.construction import first_construction
from uow.mapping.mapper import MappedColumn, Mapper

__all__ = ["ModelStorage", "make_storage"]


class ModelStorage:
    """The slots that every object of a mapped class has.

    `_uow_state` answers for the object; what is in it is not this package's business.
    """

    __slots__ = ("__weakref__", "_uow_state")

    _uow_state: Any


def make_storage(
    mapper: Mapper, bases: tuple[type, ...], namespace: Mapping[str, Any]
) -> type[Any]:
    """Make the storage class of a mapper.

    Args:
        mapper: whose columns get slots.
        bases: the bases of the public class.
        namespace: the body of the public class.

    Raises:
        MappingError: a mixin has slots, so that the layouts cannot be equal.
    """
    name = mapper.name
    above = ModelStorage if mapper.parent is None else cast("type[object]", mapper.parent.storage)
    slots = [column.attribute for column in mapper.columns]
    slots += mapper.relations
    slots += [private.slot for private in mapper.privates.values()]
    slots += [link.name for link in mapper.links.values() if link.is_back]
    slots += [column.raw_attribute for column in mapper.columns if column.may_be_lazy]
    classes: tuple[type[object], ...] = above.__mro__[:-1]
    present = {slot for class_ in classes for slot in vars(class_)}
    slots = [slot for slot in slots if slot not in present]
    for base in bases:
        if _has_slots(base):
            raise MappingError(
                f"{name}: the mixin {base.__name__} must not have __slots__ of its own"
            )
    # A mixin without __slots__ gives objects a __dict__. The storage must have it too, or
    # `__class__` could not be assigned from one to the other.
    if any(base.__dictoffset__ for base in bases) and not above.__dictoffset__:
        slots.append("__dict__")
    storage: type[Any] = type(
        f"{name}Storage",
        (above,),
        {
            "__slots__": tuple(slots),
            "__module__": namespace.get("__module__"),
            "__qualname__": f"{namespace.get('__qualname__', name)}Storage",
            "__doc__": None,
            "__init__": first_construction(mapper),
        },
    )
    these = {
        column.attribute: attr.ib(
            default=_attrs_default(column),
            kw_only=True,
            alias=column.attribute,
            type=cast("Any", column.hint),
        )
        for column in mapper.columns
    }
    storage = attr.s(these=these, slots=False, init=False, eq=False, repr=False, match_args=False)(
        storage
    )
    del storage.__attrs_init__  # a constructor without checks
    return storage


def _has_slots(base: type) -> bool:
    own = [class_ for class_ in base.__mro__ if ModelStorage not in class_.__mro__]
    return any(vars(class_).get("__slots__") for class_ in own)


def _attrs_default(column: MappedColumn) -> Any:
    if column.default_factory is not None:
        return attr.Factory(column.default_factory)
    if column.default is not MISSING:
        return column.default
    return attr.NOTHING if column.is_required else None
