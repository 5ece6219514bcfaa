"""Projections: documents read as objects of another class, with no more fields than it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import attrs

from uow.errors import MappingError, ValidationError
from uow.mapping.mapper import Mapper, mapper_of
from uow.mapping.pydantic_model import problems_in
from uow.values.class_fields import class_fields, is_model
from uow.values.coercion import coerced

__all__ = ["projected", "projection_of"]

P = TypeVar("P")


def projection_of(model: type[Any]) -> Mapping[str, Any] | None:
    """Give what the store is to read for a class; None for all there is.

    `class Settings` of the class may say it itself: `projection = {"year": {"$year": "$born"}}`.

    Raises:
        MappingError: the class has no fields.
    """
    settings = getattr(model, "Settings", None)
    own = getattr(settings, "projection", None)
    if own is not None:
        return cast("Mapping[str, Any]", own)
    if getattr(model, "_uow_mapper", None) is not None:
        mapper = mapper_of(model)
        if any(column.holds_rest for column in mapper.columns):
            return None
        return dict.fromkeys(mapper.by_name, 1)
    if is_model(model):
        if model.model_config.get("extra") == "allow":
            return None
        names = [_read_name(name, field) for name, field in model.model_fields.items()]
    elif attrs.has(model) or dataclasses.is_dataclass(model):
        names = list(class_fields(model))
    else:
        raise MappingError(
            f"{getattr(model, '__name__', model)} is no projection: that is a pydantic model, an "
            "attrs class, or a dataclass"
        )
    names = ["_id" if name == "id" else name for name in names]
    return {"_id": 0, **dict.fromkeys(names, 1)} if "_id" not in names else dict.fromkeys(names, 1)


def projected(model: type[P], rows: list[Any], of: Mapper | None = None) -> list[P]:
    """Make objects of a class of what the store gave.

    Args:
        model: the class.
        rows: documents.
        of: whose documents they are; names in the store are then those of its fields.

    Raises:
        ValidationError: a document does not fit.
    """
    found: Any = model
    if getattr(found, "_uow_mapper", None) is not None:
        raise MappingError(f"{found.__name__} is a document; find() reads those")
    if is_model(found):
        return [_model(found, row) for row in rows]
    known = class_fields(found)
    renamed = {} if of is None else {n: c.attribute for n, c in of.by_name.items()}
    made: list[P] = []
    for row in rows:
        values = {renamed.get(n, n): v for n, v in row.items()}
        if "_id" in values and "id" in known:
            values["id"] = values.pop("_id")
        made.append(_object(found, {n: v for n, v in values.items() if n in known}))
    return made


def _object(model: Any, values: dict[str, Any]) -> Any:
    try:
        return coerced(model, values)
    except ValueError as error:
        raise ValidationError(f"{model.__name__}: {error}") from error


def _read_name(name: str, field: Any) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else name


def _model(model: Any, row: Any) -> Any:
    names = {_read_name(name, field) for name, field in model.model_fields.items()}
    values = dict(row)
    if "_id" in values and "_id" not in names and "id" in names:
        values["id"] = values.pop("_id")
    if any(type(v).__name__ in {"ObjectId", "Decimal128"} for v in values.values()):
        values = {name: _plain(value) for name, value in values.items()}
    try:
        return model.model_validate(values)
    except ValueError as error:
        if not hasattr(error, "errors"):
            raise
        raise ValidationError(problems=problems_in(model.__name__, error)) from error


def _plain(value: Any) -> Any:
    """What pydantic understands of a value that only the store's client has a class for."""
    return value.to_decimal() if type(value).__name__ == "Decimal128" else value
