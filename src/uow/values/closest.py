"""Which class of a union a dict is most likely an object of: the one whose fields it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast, get_origin

from uow.values.class_fields import field_names, has_fields, is_model

__all__ = ["closest"]


def closest(members: Iterable[Any], value: object) -> list[Any]:
    """Order the members of a union by how well a dict fits them; others stay in their order.

    Fields that a class lacks count most, then fields that the dict lacks; what is equal stays in
    order. A class whose values of literals say otherwise refuses the dict when it is made.
    """
    found = list(members)
    if not isinstance(value, Mapping):
        return found
    keys = cast("Mapping[object, object]", value).keys()

    def fit(member: Any) -> tuple[int, int]:
        if not has_fields(member):
            return (0, 0) if get_origin(member) is dict or member is dict else (len(keys) + 1, 0)
        names = _names(get_origin(member) or member)
        known = [key for key in keys if any(key in of_field for of_field in names)]
        lacking = [of_field for of_field in names if not any(name in keys for name in of_field)]
        return len(keys) - len(known), len(lacking)

    return sorted(found, key=fit)


def _names(class_: type[Any]) -> list[tuple[str, ...]]:
    """What each field may be called."""
    if not is_model(class_):
        return [(name,) for name in field_names(class_)]
    fields: Mapping[str, Any] = cast("Any", class_).model_fields
    return [
        (name, *(alias for alias in (f.alias, f.serialization_alias) if alias))
        for name, f in fields.items()
    ]
